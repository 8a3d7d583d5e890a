"""What a read brings: entries that remember their delivery, and that a loop takes one by one.

They are the lists and mappings that redis-py returns: equal to them, and pickled and copied as
such. Belongs here: what an application holds. Does not: which commands bring entries.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dis import opmap
from typing import Any, Final, SupportsIndex
from weakref import WeakValueDictionary

from baggage.boundary import delivery_of, finish

_LOOPS: Final = frozenset({opmap["FOR_ITER"], opmap["SEND"]})
_UNPACKING: Final = opmap["UNPACK_SEQUENCE"]


class Channel:
    """A stream, for whoever works on its entries: asking it again ends the work on the one before.

    What a worker reads from another stream meanwhile is not the next entry.
    """

    __slots__ = ("__weakref__",)


class Channels:
    """The channels of the streams that are worked on. Safe in any thread."""

    def __init__(self) -> None:
        """Start without any."""
        self._known: WeakValueDictionary[str, Channel] = WeakValueDictionary()

    def of(self, stream: str) -> Channel:
        """Return a stream's channel."""
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


class Entries(list[Any]):
    """Entries of one stream that were read.

    A loop over them works on each in the context of its own delivery, until its next step. To
    unpack the only one is such a step, too. Nothing is taken by copying, counting, sorting, an
    index, or `*entries`, as for `baggage.consuming`.
    """

    __slots__ = ("_channel",)

    def __init__(self, entries: list[Any], channel: Channel) -> None:
        """Take the entries as they are, and the stream that they were read from."""
        super().__init__(entries)
        self._channel = channel

    def __iter__(self) -> Iterator[Any]:
        return _Steps(super().__iter__(), self._channel, alone=len(self) == 1)

    def __reversed__(self) -> Iterator[Any]:
        return _Steps(super().__reversed__(), self._channel, alone=False)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (self[:],)


class _Steps:
    """The steps of one loop over entries."""

    __slots__ = ("_alone", "_channel", "_rest")

    def __init__(self, entries: Iterator[Any], channel: Channel, *, alone: bool) -> None:
        self._rest, self._channel, self._alone = entries, channel, alone

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        # Who gathers entries takes none, and `list` and `*` ask for them just as a loop does. Those
        # that loop in C, for a loop in Python (`enumerate`, `zip`, `map`), have no frame.
        frame = sys._getframe(1)
        instruction = frame.f_code.co_code[frame.f_lasti]
        loops = instruction in _LOOPS
        if loops:
            finish(self._channel)
        entry = next(self._rest)
        if loops or (self._alone and instruction == _UNPACKING):
            delivery = delivery_of(entry[1])
            if delivery is not None:
                return delivery.take(entry, self._channel)
        return entry

    def __length_hint__(self) -> int:
        hint: int = self._rest.__length_hint__()  # type: ignore[attr-defined]
        return hint
