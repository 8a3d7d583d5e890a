"""Messages of pika in the waist's terms: what is published, what came, and where context travels.

Context is in two headers, which consumers that are instrumented don't see. What is hooked is in
`pika`, what faults look like in `_pika_faults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pika import BasicProperties

from baggage.boundary import Call, Endpoint, Fault, Kind, Note, Tellers
from baggage.instrumentation._broker_adapter import BrokerAdapter
from baggage.instrumentation._http import digest
from baggage.instrumentation._pika_faults import enact
from baggage.wire import NAME, SAFE_HEADER, compose, members, split_members, without_ours

COUNT: Final = "x-delivery-count"
"""The header by which quorum queues say how often they had delivered a message before."""
_EMPTY: Final = "empty"
_FRAME: Final = 64
"""Bytes of a frame with properties that are none of theirs, and some to spare."""
_PLAIN: Final = 4096
"""Bytes that properties without headers have, at most."""
_NOTE_ROOM: Final = 128
_GENERATED: Final = ("amq.gen", "amq.rabbitmq.reply-to")


class _Properties(BasicProperties):  # type: ignore[misc]  # untyped
    """Properties of ours, which know what the `baggage` header was `written` to be."""

    written = ""


def restore(properties: Any) -> None:
    """Put our member back beside those that somebody else set in its place.

    OpenTelemetry wraps a blocking channel, and once more the one that it's made of, below us.
    """
    if not isinstance(properties, _Properties) or not properties.written:
        return
    sent = properties.headers.get(NAME, "")
    if sent != properties.written and isinstance(sent, str):
        ours, _ = split_members(properties.written)
        properties.headers[NAME] = compose(ours, split_members(sent)[1])


@dataclass(slots=True)
class Publishing:
    """A message that is published on a channel; `properties` become our own once we change them.

    It's a carrier. `given` are the application's, which it may publish many times.
    """

    channel: Any
    exchange: str
    routing_key: str
    body: Any
    given: Any
    mandatory: bool
    properties: Any
    blocking: bool = False

    @property
    def carries(self) -> bool:
        """Whether headers of ours can go along without harm to the application's."""
        if self.given is None:
            return True
        if not isinstance(self.given, BasicProperties):
            return False
        headers = self.given.headers
        if headers is None:
            return True
        theirs = headers.get(NAME, "") if isinstance(headers, Mapping) else None
        # To some applications it's what travellers have.
        return isinstance(theirs, str) and not (theirs and members(theirs)[2])

    @property
    def room(self) -> int:
        """How many bytes the value of a header may have: properties are sent in one frame."""
        limit: int = self.channel.connection.params.frame_max or SAFE_HEADER + _PLAIN + _FRAME
        headers = None if self.given is None else self.given.headers
        used = _PLAIN
        if headers:
            used = sum(map(len, self.given.encode()))
        return max(0, min(SAFE_HEADER, limit - used - _FRAME - _NOTE_ROOM))

    def get(self, name: str) -> str | None:
        """Return a header that is text."""
        headers = None if self.properties is None else self.properties.headers
        found = headers.get(name) if headers else None
        return found if isinstance(found, str) else None

    def set(self, name: str, value: str) -> None:
        """Set a header of a copy."""
        if self.properties is self.given:
            made: Any = _Properties()
            self.properties = made
            vars(made).update({} if self.given is None else vars(self.given))
            made.headers = dict(made.headers or {})
        if name == Note.HEADER and self.given is not None and self.given.headers == {}:
            value = f"{value};{_EMPTY}"
        self.properties.headers[name] = value
        if name == NAME:
            self.properties.written = value


@dataclass(slots=True)
class Coming:
    """A message that came, from a queue ("" where that's not known). It's a carrier."""

    channel: Any
    queue: str
    method: Any
    headers: Mapping[str, Any]
    body: Any

    def get(self, name: str) -> str | None:
        """Return a header that is text."""
        found = self.headers.get(name)
        return found if isinstance(found, str) else None

    def set(self, name: str, value: str) -> None:
        """Set nothing: a message that came is sent no further."""


def unveil(properties: Any) -> Mapping[str, Any]:
    """Return a message's headers, and leave those to the application that aren't ours."""
    headers = properties.headers
    if not headers or (NAME not in headers and Note.HEADER not in headers):
        return headers or {}
    note = headers.get(Note.HEADER)
    left = {name: value for name, value in headers.items() if name != Note.HEADER}
    theirs = left.get(NAME)
    if isinstance(theirs, str):
        left[NAME] = without_ours(theirs)
        if not left[NAME]:
            del left[NAME]
    empty = isinstance(note, str) and note.endswith(_EMPTY)
    properties.headers = left if left or empty else None
    return headers  # type: ignore[no-any-return]


def place(queue: str, exchange: str, routing_key: str) -> str:
    """Return an operation: a queue if that's known, or else what a message was published to.

    Names that brokers make up would be others every time.
    """
    name = queue or (f"{exchange}/{routing_key}" if exchange else routing_key)
    return next((known for known in _GENERATED if name.startswith(known)), name)


def _endpoint(asked: Any) -> Endpoint:
    parameters = asked.channel.connection.params
    return Endpoint(parameters.host, parameters.port)


def _payload(asked: Any) -> bytes | None:
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body
    return digest(body) if isinstance(body, bytes) else None


def _arrived(asked: Coming) -> Mapping[str, str]:
    return {
        name.lower(): str(value)
        for name, value in asked.headers.items()
        if isinstance(value, str | int) and name not in (NAME, Note.HEADER)
    }


def _delivery(asked: Coming) -> int:
    before = asked.headers.get(COUNT)
    if isinstance(before, int) and before > 0:
        return before + 1
    return 2 if asked.method.redelivered else 1


_PUBLISHING: Final[Tellers] = {
    "method": lambda _: "publish",
    "arguments": lambda asked: {
        "exchange": asked.exchange,
        "routing_key": asked.routing_key,
        "mandatory": asked.mandatory,
    },
    "endpoint": _endpoint,
    "payload": _payload,
}
_COMING: Final[Tellers] = {
    "method": lambda _: "consume",
    "arguments": lambda asked: {
        "queue": asked.queue,
        "exchange": asked.method.exchange,
        "routing_key": asked.method.routing_key,
    },
    "endpoint": _endpoint,
    "payload": _payload,
    "arrived": _arrived,
    "delivery": _delivery,
}


class _Producer(BrokerAdapter):
    def describe(self, request: Publishing) -> Call:
        operation = place("", request.exchange, request.routing_key)
        return Call.told(self.kind, self.library, operation, request, _PUBLISHING)

    def request_carrier(self, request: Publishing) -> Publishing | None:
        return request if request.carries else None

    def enact(self, fault: Fault, request: Publishing, _: object = None) -> None:
        enact(fault, request)


class _Consumer(BrokerAdapter):
    def describe(self, request: Coming) -> Call:
        method = request.method
        operation = place(request.queue, method.exchange, method.routing_key)
        return Call.told(self.kind, self.library, operation, request, _COMING)


_PIKA: Final = frozenset({"pika"})
PRODUCER: Final = _Producer(
    Kind.PRODUCER, "pika", _PIKA, _PIKA
)  # blocking channels publish by others
CONSUMER: Final = _Consumer(Kind.CONSUMER, "pika", _PIKA, _PIKA)
