"""Faults in the original's words, and back.

A fault is a `forced_exception` (the name of a class, and metadata) or `failure_metadata` (what the
answer shall say). Names only ever travel: none is imported or evaluated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.status import GRPC_CODES

_LOWEST_HTTP: Final = 100
_NUMBERS: Final = 1 << 32
"""How many there are on our own wire."""

_PYTHON_GRPC: Final = "grpc._channel._InactiveRpcError"
_JAVA_GRPC: Final = "io.grpc.StatusRuntimeException"

# How the original's clients spell what we have neutral words for, by the library that calls.
_SPELLINGS: Final[Mapping[tuple[str, FaultKind], str]] = {
    ("requests", FaultKind.REFUSED): "requests.exceptions.ConnectionError",
    ("requests", FaultKind.RESET): "requests.exceptions.ConnectionError",
    ("requests", FaultKind.TIMEOUT): "requests.exceptions.Timeout",
    ("WebClient", FaultKind.REFUSED): "com.linecorp.armeria.client.UnprocessedRequestException",
    ("WebClient", FaultKind.TIMEOUT): "com.linecorp.armeria.client.ResponseTimeoutException",
}
# What the original for Java raises is chosen by the cause too; it wants to be told one always.
_CAUSES: Final[Mapping[str, str]] = {
    "com.linecorp.armeria.client.UnprocessedRequestException": (
        "io.netty.channel.ConnectTimeoutException"
    ),
    "com.linecorp.armeria.client.ResponseTimeoutException": "",
    _JAVA_GRPC: "",
}
_NEUTRAL: Final[Mapping[str, FaultKind]] = {
    "requests.exceptions.ConnectionError": FaultKind.REFUSED,
    "requests.exceptions.Timeout": FaultKind.TIMEOUT,
    "requests.exceptions.ReadTimeout": FaultKind.TIMEOUT,
}

Told = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A fault that a server orders: `sent` calls are let through first, slept `sleep` seconds."""

    fault: Fault
    sent: bool = False
    sleep: float = 0.0
    name: str = ""


def told(
    fault: Fault, library: str, metadata: Mapping[str, object] = MappingProxyType({})
) -> Told | None:
    """Return what a foreign client is told about a fault, None if it has no word for that.

    `metadata` is told besides about an exception (`sleep`, `abort`, `cause`). A late one is raised
    after the call, which requests' clients alone are known to do.
    """
    if fault.late and (library != "requests" or fault.kind is FaultKind.STATUS):
        return None
    about = {key: _plain(value) for key, value in metadata.items()}
    if fault.late:
        about["abort"] = False
    name = fault.name if fault.kind is FaultKind.RAISE else _SPELLINGS.get((library, fault.kind))
    status = fault.status if fault.kind is FaultKind.STATUS else None
    if status is not None and status >= _LOWEST_HTTP:
        return {"failure_metadata": {"return_value": {"status_code": str(status)}}}
    if status is not None and 0 < status < len(GRPC_CODES):
        name = _PYTHON_GRPC if library == "grpc" else _JAVA_GRPC
        about["code"] = GRPC_CODES[status]
    if not name:
        return None
    if name in _CAUSES:
        about.setdefault("cause", _CAUSES[name])
    return {"forced_exception": {"name": name, "metadata": about}}


def _plain(value: object) -> object:
    """Return a number without a fraction where it has none: the original can't sleep for "9.0"."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def ordered(answer: Mapping[str, Any]) -> Ordered | None:
    """Return the fault in a server's answer to `create`, None if it orders none that we know."""
    forced = answer.get("forced_exception")
    if isinstance(forced, dict) and isinstance(forced.get("name"), str):
        return _ordered_exception(forced["name"], forced.get("metadata"))
    failure = answer.get("failure_metadata")
    returned = failure.get("return_value") if isinstance(failure, dict) else None
    if isinstance(returned, dict):
        status = integer(returned.get("status_code"))
        return None if status is None else Ordered(Fault(FaultKind.STATUS, status=status))
    raised = failure.get("exception") if isinstance(failure, dict) else None
    if isinstance(raised, dict):
        return _ordered_exception(str(raised.get("name", "")), raised.get("metadata"))
    return None


def _ordered_exception(name: str, metadata: object) -> Ordered | None:
    about = metadata if isinstance(metadata, dict) else {}
    code = grpc_code(about)
    kind = _NEUTRAL.get(name)
    if code is not None:
        fault = Fault(FaultKind.STATUS, status=code)
    elif kind is not None:
        fault = Fault(kind)
    elif name:
        fault = Fault(FaultKind.RAISE, name=name)
    else:
        return None
    return Ordered(fault, about.get("abort") is False, seconds(about.get("sleep")), name)


def grpc_code(metadata: Mapping[str, Any]) -> int | None:
    """Return the number of the gRPC code in an exception's metadata, None without one.

    The original says "UNAVAILABLE" of a real one, and "StatusCode.UNAVAILABLE" of an injected one.
    """
    name = str(metadata.get("code") or "").rpartition(".")[2]
    return GRPC_CODES.index(name) if name in GRPC_CODES else None


def seconds(value: object) -> float:
    """Return a time to sleep from foreign words, 0.0 for what is none; at most a minute."""
    try:
        found = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(found, 60.0) if found > 0 else 0.0


def integer(value: object) -> int | None:
    """Return a whole number of 32 bits that the protocol writes as a number or text, else None."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        value = int(value)
    return value if type(value) is int and 0 <= value < _NUMBERS else None
