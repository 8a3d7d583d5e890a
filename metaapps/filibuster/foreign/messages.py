"""What foreign instrumentation tells the server, read into values.

Whatever comes may be anything: what is no message is a `ProtocolError` that says why. Nothing here
knows of an execution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import inf
from pathlib import PurePosixPath
from typing import Any, Final

from baggage.boundary import CallSite
from metaapps.filibuster.foreign import path as paths
from metaapps.filibuster.foreign.faults import grpc_code, integer
from metaapps.filibuster.foreign.path import ForeignPath

Clock = Mapping[str, int]

_MAX_NAME: Final = 200
_MAX_OPERATION: Final = 2000
_MAX_ARGUMENTS: Final = 300
_MAX_CLOCK: Final = 1000
_DIGEST_SIZE: Final = 16
_SOURCE: Final = re.compile(r"\.(?:py|java|kt|scala|go|js|ts|rb)$")
# Begins where a scheme does, and at no other letter of it, so that a search takes linear time.
_URL: Final = re.compile(
    r"(?<![a-z0-9+.-])[0-9+.-]*+[a-z][a-z0-9+.-]*+://[^/\s\"',\]]*(/[^\s\"',?#\]]*)?", re.IGNORECASE
)
# What the original for Python leaves of a URL: the port, or the host if there is no port.
_REST: Final = re.compile(r"(?://)?[\w.-]*(?::\d+)?(/[^\s?#]*)")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class ProtocolError(Exception):
    """A request that can't be answered; `status` is the HTTP status to say so with, 4xx."""

    def __init__(self, text: str, status: int = 400) -> None:
        """Say in one line what was wrong."""
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call that is about to be made. `operation` holds no host, port or query."""

    source: str
    library: str
    method: str
    operation: str
    arguments: str
    site: CallSite
    timeout: float | None
    clock: Clock
    origin: Clock
    path: ForeignPath


@dataclass(frozen=True, slots=True)
class Received:
    """A call that has arrived at its callee."""

    number: int | None
    path: ForeignPath | None
    target: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A call that has ended: `raised`, or answered with `status` and a `digest` of the text."""

    number: int
    raised: str | None = None
    status: int | None = None
    digest: bytes | None = None

    @property
    def ok(self) -> bool:
        """Whether a caller calls this a success."""
        return self.raised is None and (self.status is None or self.status < 400)


def invocation(told: Mapping[str, Any]) -> Invocation:
    """Read the body of `create`."""
    if told.get("instrumentation_type") != "invocation":
        raise ProtocolError('"instrumentation_type" must be "invocation"')
    library, method = _name(told, "module"), _name(told, "method")
    metadata = _object(told, "metadata")
    if library == "requests":
        method = method.lower()
    return Invocation(
        source=_name(told, "source_service_name"),
        library=library,
        method=method,
        operation=_printable(_operation(library, method, told.get("args")), _MAX_OPERATION),
        arguments=_printable(_shown(told.get("args")), _MAX_ARGUMENTS),
        site=_site(told),
        timeout=_seconds(metadata.get("timeout")),
        clock=_clock(told, "vclock"),
        origin=_clock(told, "origin_vclock"),
        path=_path(told),
    )


def update(told: Mapping[str, Any]) -> Received | Completed:
    """Read the body of `update`."""
    kind = told.get("instrumentation_type")
    number = integer(told.get("generated_id"))
    if kind == "request_received":
        target = _name(told, "target_service_name")
        return Received(number, paths.parse(told.get("execution_index")), target)
    if kind != "invocation_complete":
        raise ProtocolError(
            '"instrumentation_type" must be "invocation_complete" or "request_received"'
        )
    if number is None:
        raise ProtocolError('"generated_id" must be a number that `create` gave')
    raised = told.get("exception")
    if raised is not None:
        return _raised(number, raised)
    return _returned(number, _object(told, "return_value"))


def _raised(number: int, raised: object) -> Completed:
    if not isinstance(raised, dict):
        raise ProtocolError('"exception" must be an object')
    return Completed(
        number, raised=_name(raised, "name"), status=grpc_code(_object(raised, "metadata"))
    )


def _returned(number: int, returned: Mapping[str, Any]) -> Completed:
    # Python's requests sends a digest of the body, Java the whole value; without either it is not
    # known what the application read.
    content = returned.get("text", returned.get("value"))
    digest = None
    if isinstance(content, str) and content:
        digest = blake2b(content.encode("utf-8", "replace"), digest_size=_DIGEST_SIZE).digest()
    return Completed(number, status=integer(returned.get("status_code")), digest=digest)


def _name(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    is_name = isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value.isprintable()
    if not is_name:
        raise ProtocolError(f'"{key}" must be a text of 1 to {_MAX_NAME} printable characters')
    return str(value)


def _object(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = told.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError(f'"{key}" must be an object')
    return value


def _clock(told: Mapping[str, Any], key: str) -> Clock:
    clock = read_clock(_object(told, key))
    if clock is None:
        raise ProtocolError(f'"{key}" must map names to counts')
    return clock


def read_clock(clock: object) -> Clock | None:
    """Return a vector clock, without names that count nothing; None if it is none."""
    if not isinstance(clock, dict) or len(clock) > _MAX_CLOCK:
        return None
    for name, count in clock.items():
        # On our wire a count has 32 bits.
        if not (name.isprintable() and type(count) is int and 0 <= count < 1 << 32):
            return None
    return {name: count for name, count in clock.items() if count}


def _path(told: Mapping[str, Any]) -> ForeignPath:
    found = paths.parse(told.get("execution_index"))
    if found is None or not found.pairs:
        raise ProtocolError('"execution_index" must be a text: a JSON list of [name, count] pairs')
    return found


def _site(told: Mapping[str, Any]) -> CallSite:
    """Return where a call was made, without what differs between machines and edits."""
    file = str(told.get("callsite_file") or "?")[:_MAX_NAME]
    line = integer(told.get("callsite_line"))
    name = _printable(PurePosixPath(file.replace("\\", "/")).name, _MAX_NAME) or "?"
    return CallSite(_SOURCE.sub("", name), "?", line or 0)


def _seconds(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if 0 <= found < inf else None


def _operation(library: str, method: str, args: object) -> str:
    first = _first(args)
    if library == "grpc" or ("/" in method and "/" not in library):
        return first if library == "grpc" and first.startswith("/") else method
    verb = method.upper()
    if verb not in _METHODS:
        return f"{library}.{method}"
    return f"{verb} {_url_path(first)}"


def _first(args: object) -> str:
    """Return the argument that says what is asked: Python sends a list, Java an object."""
    if isinstance(args, dict):
        args = args.get("toString")
    if isinstance(args, list):
        args = args[0] if args else ""
    return args if isinstance(args, str) else ""


def _url_path(text: str) -> str:
    found = _URL.search(text) or _REST.match(text)
    return (found[1] if found is not None else None) or "/"


def _shown(args: object) -> str:
    if isinstance(args, list):
        return ", ".join(map(str, args[:20]))
    return _first(args) or ("" if args is None else str(args))


def _printable(text: str, most: int) -> str:
    """Return a text without what could write to a terminal otherwise than as text."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(letter if letter.isprintable() else "�" for letter in cut)
