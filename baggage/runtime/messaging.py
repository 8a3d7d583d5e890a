"""Messages of brokers by hand: what the application publishes itself, and takes itself.

For brokers that are not instrumented, and for several messages at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from baggage.boundary import (
    Call,
    CannotEnact,
    Delivery,
    Fault,
    Kind,
    batch,
    delivery_of,
)
from baggage.instrumentation._broker_adapter import BrokerAdapter
from baggage.runtime.api import PROCESS


@contextmanager
def publishing(destination: str) -> Iterator[dict[str, str]]:
    """Publish a message in a block; yields the headers that are to go along with it.

    For a client that is not instrumented. `destination` is what the message is for: a topic, a
    queue. The headers are ASCII text, and there are none where nothing is carried. Flows hear
    whether the block raised; they can't have it drop or repeat anything.

        with baggage.publishing("orders") as headers:
            producer.produce("orders", value, headers=[*headers.items()])
    """
    message = _Message({}, destination)
    publication = PROCESS.boundary.publish(_PUBLISHING, message)
    if publication is None:
        yield message.headers
        return
    try:
        publication.begin()
        if publication.delay:
            time.sleep(publication.delay)
        try:
            yield message.headers
        except BaseException as error:
            publication.end(publication.raised(error))
            raise
        publication.end(publication.answered(None))
    finally:
        publication.close()


@contextmanager
def consuming(*messages: object) -> Iterator[None]:
    """Run a block in the context of a message that came by a broker; of several, in all of theirs.

    That several are worked on at once is a declared join: the block knows what each of them knows,
    nothing counted twice. `down` keys are those of the first. A message is what an instrumented
    library returned, or a message's headers: a mapping, or pairs. Others count as without context.
    In the request that published one of them the block stays there. A generator must not hold the
    block open across a `yield`.

        with baggage.consuming(*records):
            store([record.value for record in records])
    """
    found = [_delivery(message) for message in messages]
    with batch([delivery for delivery in found if delivery is not None]):
        yield


def _delivery(message: object) -> Delivery | None:
    """Return a message's delivery; None where nothing is carried."""
    parts = message if isinstance(message, tuple) else ()  # as pika returns a message
    for known in map(delivery_of, (message, *parts)):
        if known is not None:
            return known
    if isinstance(message, tuple) and len(message) > 1 and isinstance(message[1], Mapping):
        message = message[1]  # an id and fields, as a stream of Redis has them
    headers = message.items() if isinstance(message, Mapping) else message
    if not isinstance(headers, Iterable) or isinstance(headers, str | bytes):
        headers = ()
    return PROCESS.boundary.receive(_CONSUMING, _Message(dict(filter(None, map(_text, headers)))))


def _text(pair: object) -> tuple[str, str] | None:
    """Return a header as text; None for what is none."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        return None
    name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
    return (name.lower(), value) if isinstance(name, str) and isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class _Message:
    """Headers, and what for: all that is known of a message. It is its own carrier."""

    headers: dict[str, str]
    destination: str = ""

    def get(self, name: str) -> str | None:
        return self.headers.get(name)

    def set(self, name: str, value: str) -> None:
        self.headers[name] = value


class _Adapter(BrokerAdapter):
    """The adapter of messages of which only headers are known."""

    def describe(self, request: _Message) -> Call:
        departs = self.kind.departs
        return Call(
            kind=self.kind,
            library=self.library,
            operation=request.destination or "message",
            method="publish" if departs else "consume",
            arrived={} if departs else request.headers,
        )

    def enact(self, fault: Fault, request: object, response: object = None) -> object:
        raise CannotEnact("a block of the application's runs whatever flows say")


_PUBLISHING: Final = _Adapter(Kind.PRODUCER, "baggage", frozenset({"contextlib"}))
_CONSUMING: Final = _Adapter(Kind.CONSUMER, "baggage", frozenset({"contextlib"}))
