"""Messages of brokers that the application takes by hand: one, or several at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from baggage.boundary import (
    Call,
    CannotEnact,
    Carrier,
    Delivery,
    Facts,
    Fault,
    Kind,
    PlainFacts,
    batch,
    delivery_of,
)
from baggage.runtime.api import PROCESS


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
    known = delivery_of(message)
    if known is not None:
        return known
    headers = message.items() if isinstance(message, Mapping) else message
    if not isinstance(headers, Iterable) or isinstance(headers, str | bytes):
        headers = ()
    return PROCESS.boundary.receive(_ADAPTER, _Headers(dict(filter(None, map(_text, headers)))))


def _text(pair: object) -> tuple[str, str] | None:
    """Return a header as text; None for what is none."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        return None
    name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
    return (name.lower(), value) if isinstance(name, str) and isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class _Headers:
    by_name: Mapping[str, str]

    def get(self, name: str) -> str | None:
        return self.by_name.get(name)

    def set(self, name: str, value: str) -> None:
        """Set nothing: a message that came is sent no further."""


@dataclass(frozen=True, slots=True)
class _HeadersAdapter:
    """The adapter of messages of which only headers are known."""

    kind: Kind = Kind.CONSUMER
    library: str = "baggage"
    packages: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def describe(self, request: _Headers) -> Call:
        return Call(
            kind=self.kind, library=self.library, operation="consume", arrived=request.by_name
        )

    def request_carrier(self, request: _Headers) -> Carrier:
        return request

    def response_carrier(self, response: object) -> None:
        """Carry nothing: nobody waits for an answer."""

    def facts(self, response: object) -> Facts:
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        """Say nothing: no exception tells of an answer."""

    def enact(self, fault: Fault, request: object, response: object = None) -> object:
        raise CannotEnact("it has come already")


_ADAPTER: Final = _HeadersAdapter()
