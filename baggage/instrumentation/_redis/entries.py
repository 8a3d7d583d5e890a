"""What a read brings: entries that remember their delivery, and that a loop takes one by one.

They are the lists and mappings that redis-py returns: equal to them, and pickled and copied as
such. Belongs here: what an application holds. Does not: which commands bring entries.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, SupportsIndex
from weakref import WeakValueDictionary

from baggage.boundary import finish
from baggage.instrumentation._looped import Looped


class Channel:
    """A stream, for whoever works on its entries: asking it again ends the work on the one before.

    What a worker reads from another stream meanwhile is not the next entry.
    """

    __slots__ = ("__weakref__",)


class Channels:
    """The channels of the streams that are worked on. Safe in any thread."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = Lock()
        self._known: WeakValueDictionary[str, Channel] = WeakValueDictionary()

    def of(self, stream: str) -> Channel:
        """Return a stream's channel."""
        with self._lock:
            return self._known.setdefault(stream, Channel())

    def ask(self, stream: str) -> None:
        """End the work on the entry before."""
        channel = self._known.get(stream)
        if channel is not None:
            finish(channel)


class Fields(dict[Any, Any]):
    """The fields of an entry, with its delivery."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return dict, (dict(self),)


class Pairs(list[Any]):
    """The names and values of an entry in turns, as Redis itself says it, with its delivery."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (self[:],)


class Entries(Looped):
    """Entries of one stream that were read."""

    __slots__ = ()
