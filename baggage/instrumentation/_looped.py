"""Lists of messages that a broker's client read at once: a loop over them takes one by one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dis import opmap
from types import CodeType
from typing import Any, Final, SupportsIndex

from baggage.boundary import delivery_of, finish

_LOOPS: Final = frozenset({opmap["FOR_ITER"], opmap["SEND"]})
_UNPACKING: Final = opmap["UNPACK_SEQUENCE"]


class Looped(list[Any]):
    """Messages that were read at once, each with its delivery.

    A loop over them works on each in the context of its own delivery, until its next step. To
    unpack the only one is such a step, too. Nothing is taken by copying, counting, sorting, an
    index, or `*messages`, as for `baggage.consuming`.
    """

    __slots__ = ("_channel",)

    def __init__(self, messages: list[Any], channel: object) -> None:
        """Take the messages as they are, and the channel that they were read from."""
        super().__init__(messages)
        self._channel = channel

    def __iter__(self) -> Iterator[Any]:
        return _Steps(super().__iter__(), self._channel, alone=len(self) == 1)

    def __reversed__(self) -> Iterator[Any]:
        return _Steps(super().__reversed__(), self._channel, alone=False)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (self[:],)


class _Steps:
    """The steps of one loop over messages."""

    __slots__ = ("_alone", "_asker", "_channel", "_instruction", "_rest")

    def __init__(self, messages: Iterator[Any], channel: object, *, alone: bool) -> None:
        self._rest, self._channel, self._alone = messages, channel, alone
        self._asker: tuple[CodeType, int] | None = None
        self._instruction = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        # Who gathers messages takes none, and `list` and `*` ask for them just as a loop does.
        # Those that loop in C, for a loop in Python (`enumerate`, `zip`, `map`), have no frame.
        frame = sys._getframe(1)
        asker = frame.f_code, frame.f_lasti
        if asker != self._asker:  # else it's the same loop, whose code would be copied once more
            self._asker, self._instruction = asker, frame.f_code.co_code[frame.f_lasti]
        instruction = self._instruction
        loops = instruction in _LOOPS
        if loops:
            finish(self._channel)
        message = next(self._rest)
        if loops or (self._alone and instruction == _UNPACKING):
            delivery = delivery_of(message)
            if delivery is not None:
                return delivery.take(message, self._channel)
        return message

    def __length_hint__(self) -> int:
        hint: int = self._rest.__length_hint__()  # type: ignore[attr-defined]
        return hint
