"""Envelopes: context for items that go by a way of the application's own.

For what cannot be hooked (`queue.SimpleQueue`, a deque behind a condition, a buffer of one's own),
in one process. Bytes to another one are for `baggage.serialize`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from baggage.boundary import Kind, Message
from baggage.instrumentation._forking import ForkAdapter
from baggage.runtime.api import PROCESS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Envelope(Generic[T]):
    """An item, and the context that it was enclosed in. Two with equal items are equal."""

    item: T
    _message: Message | None = field(default=None, repr=False, compare=False)


def enclose(item: T) -> Envelope[T]:
    """Put an item into an envelope, for whoever is to open it: in any thread, also more than one.

    What is packed later doesn't go along. One that is never opened is a message that was lost.
    """
    message = PROCESS.boundary.hand_over(_ADAPTER, None)
    if message is None:
        return Envelope(item)
    message.send(_sent)
    return Envelope(item, message)


@contextmanager
def opened(envelope: Envelope[T]) -> Iterator[T]:
    """Run a block in the context of an envelope; yields the item.

    In the request that enclosed it, what it brings is joined instead, and the block stays where it
    is. A generator must not hold the block open across a `yield`.
    """
    if envelope._message is None:
        yield envelope.item
        return
    with envelope._message.opened():
        yield envelope.item


def _sent() -> None:
    """Leave it to the application to send what was enclosed."""


_ADAPTER: Final = ForkAdapter("baggage", "enclose", frozenset(), kind=Kind.PRODUCER)
