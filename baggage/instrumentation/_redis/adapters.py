"""What an entry is in the waist's terms, on its way to a stream and from there.

Belongs here: requests, their carriers, and how they are described. Does not: when they cross.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baggage.boundary import (
    Call,
    CannotEnact,
    Endpoint,
    Fault,
    FaultKind,
    Kind,
)
from baggage.instrumentation._broker_adapter import BrokerAdapter
from baggage.instrumentation._http import digest
from baggage.instrumentation._redis import nowhere
from baggage.instrumentation._redis.commands import (
    ADDING,
    Arguments,
    counts_content,
    id_at,
    words,
)
from baggage.instrumentation._redis.fields import parted, text, with_headers

LIBRARY: Final = "redis"
_PORT: Final = 6379


@dataclass(slots=True)
class Addition:
    """One XADD, which is the carrier of its entry's headers."""

    client: Any
    command: Arguments
    at: int
    own: Sequence[Any]
    headers: dict[str, str]

    @classmethod
    def of(cls, client: Any, args: Arguments) -> Addition | None:
        """Return what a command adds; None for one that Redis will refuse."""
        command = words(args)
        at = id_at(command)
        if at is None:
            return None
        own, headers = parted(command[at + 1 :])
        return cls(client, command, at, own, headers)

    def get(self, name: str) -> str | None:
        """Return a header, or the field that the application itself has for it."""
        found = self.headers.get(name)
        if found is None:
            found = _named(self.own, name)
        return found

    def set(self, name: str, value: str) -> None:
        """Replace a header."""
        self.headers[name] = value

    def with_headers(self) -> Arguments:
        """Return the command with what is carried by now."""
        return (*self.command[: self.at + 1], *with_headers(self.own, self.headers))

    @property
    def stream(self) -> str:
        """The stream's name."""
        return text(self.command[1])

    def entry_id(self) -> str:
        """Return the id of an entry that is never added, as Redis would give it."""
        asked = text(self.command[self.at])
        first, _, second = asked.partition("-")
        if not first.isdigit():
            first = str(time.time_ns() // 1_000_000)
        return f"{first}-{second if second.isdigit() else 0}"


@dataclass(slots=True)
class Read:
    """One entry that was read, which is the carrier of its headers."""

    client: Any
    stream: str
    group: str
    id: Any
    own: Sequence[Any] | Mapping[Any, Any]
    headers: dict[str, str]
    deliveries: int = 0

    def get(self, name: str) -> str | None:
        """Return a header, or the field that a producer who isn't instrumented has for it."""
        found = self.headers.get(name)
        return _named(self.own, name) if found is None else found

    def set(self, name: str, value: str) -> None:
        """Set nothing: what was read is sent no further."""


def _named(own: Sequence[Any] | Mapping[Any, Any], name: str) -> str | None:
    if isinstance(own, Mapping):
        found = own.get(name, own.get(name.encode()))
        return None if found is None else text(found)
    for key, value in zip(own[::2], own[1::2], strict=False):
        if text(key) == name:
            return text(value)
    return None


def _pairs(own: Sequence[Any] | Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    if isinstance(own, Mapping):
        return own.items()
    return zip(own[::2], own[1::2], strict=False)


def _payload(request: Addition | Read) -> bytes:
    """Return a digest of an entry's own fields, the same on both sides."""
    return digest(b"\0".join(_bytes(part) for pair in _pairs(request.own) for part in pair))


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return (value if isinstance(value, str) else repr(value)).encode("utf-8", "surrogateescape")


def _endpoint(request: Addition | Read) -> Endpoint | None:
    """Return a server's address; None where a client knows several, and may choose anew."""
    pool = getattr(request.client, "connection_pool", None)
    if pool is None or hasattr(pool, "service_name"):
        return None
    options = pool.connection_kwargs
    if "path" in options:
        return Endpoint(str(options["path"]))
    return Endpoint(str(options.get("host") or "localhost"), int(options.get("port") or _PORT))


def _timeout(request: Addition) -> float | None:
    pool = getattr(request.client, "connection_pool", None)
    found = None if pool is None else pool.connection_kwargs.get("socket_timeout")
    return float(found) if found else None


def _arguments(request: Addition) -> dict[str, object]:
    return {text(name): value for name, value in _pairs(request.own)}


def _arrived(request: Read) -> dict[str, str]:
    """Return the headers, and fields of an instrumented producer that may be headers to others."""
    own = {text(name).lower(): text(value) for name, value in _pairs(request.own)}
    return own | request.headers


_TELLING: Final = {
    "method": lambda _: "xadd",
    "arguments": _arguments,
    "endpoint": _endpoint,
    "timeout": _timeout,
    "payload": _payload,
}
_READING: Final = {
    "method": lambda _: "consume",
    "arguments": lambda it: {"id": text(it.id)} | ({"group": it.group} if it.group else {}),
    "endpoint": _endpoint,
    "payload": _payload,
    "arrived": _arrived,
    "delivery": lambda it: it.deliveries,
}


class AddingAdapter(BrokerAdapter):
    """The adapter of what is added to streams."""

    def describe(self, request: Addition) -> Call:
        """Describe an entry, by the stream that it's added to."""
        return Call.told(self.kind, self.library, request.stream, request, _TELLING)

    def request_carrier(self, request: Addition) -> Addition | None:
        """Carry in fields; not where these say which entries are the same."""
        return None if counts_content(request.command, request.at) else request

    def enact(self, fault: Fault, request: Addition, response: object = None) -> Any:
        """Return what redis-py makes of a connection that leads nowhere."""
        answer = nowhere.answer_of(fault)
        if fault.kind is FaultKind.DROP:
            answer = nowhere.bulk(request.entry_id())
        if answer is None:
            raise CannotEnact(f"redis knows no fault {fault}")
        return nowhere.answered(request.client, ADDING, answer)


class ReadingAdapter(BrokerAdapter):
    """The adapter of what is read from streams."""

    def describe(self, request: Read) -> Call:
        """Describe an entry, by the stream that it was read from."""
        return Call.told(self.kind, self.library, request.stream, request, _READING)


# What these keep in Redis, they tell of themselves.
_BELOW: Final = frozenset({"celery", "kombu"})
PRODUCING: Final = AddingAdapter(Kind.PRODUCER, LIBRARY, frozenset({"redis"}), _BELOW)
CONSUMING: Final = ReadingAdapter(Kind.CONSUMER, LIBRARY, frozenset({"redis"}), _BELOW)
