"""Ids and clocks that are the same in each run of a test."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

EPOCH: Final = 1_000_000_000_000_000
"""When a clock for tests begins: a moment in 2001, in µs since 1970."""


def counted_ids() -> Callable[[int], bytes]:
    """Return what draws ids for a tracer: 1, 2, 3 and so on, of traces and spans alike.

    Safe in any thread; which thread gets which is up to them.
    """
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


class Ticking:
    """A clock that goes on by `step` µs whenever it's looked at. Safe in any thread."""

    def __init__(self, step: int, start: int) -> None:
        self._times: Final = itertools.count(start, step)

    def now(self) -> int:
        """Return µs since 1970."""
        return next(self._times)

    def ticks(self) -> int:
        """Return ns that only increase."""
        return next(self._times) * 1000


def ticking(step: int = 1, *, start: int = EPOCH) -> Ticking:
    """Return a clock for a tracer: a span within which nothing is traced takes `step` µs.

    clock = ticking(10)
    Tracer(report, now=clock.now, ticks=clock.ticks)
    """
    return Ticking(step, start)
