"""Pens and roots: what makes a write happen once, and in a universe of its own.

A pen is a single-use token inside a baggage value. Whoever takes it may write with the ids that the
value owns; whoever comes second (a stale value, a copy, a forked process) must mint a root instead.
The only state of a process that lives below the context is here: the generation, which a fork moves
on, and a pool of random bytes.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import Final, TypeAlias

_words: Final = Struct("64Q")
"""A pool of roots."""


class _Process:
    """What belongs to this process alone; renewed in a forked child."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Disown every pen made so far, and the random bytes that the parent would use too."""
        self.generation = object()
        self.roots: list[int] = []


_process: Final = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.renew)


Pen: TypeAlias = list[object]
"""The right to write once with the ids of one value. No class, because most values have one."""


def new_pen() -> Pen:
    """Return a pen that nobody has taken."""
    return [_process.generation]


def taken(pen: Pen) -> bool:
    """Say whether a pen was taken; only `take` can tell without a race."""
    return not pen or pen[-1] is not _process.generation


def take(pen: Pen) -> bool:
    """Take a pen; False if it was taken before, or made by a process that forked us.

    Atomic in every thread.
    """
    try:
        return pen.pop() is _process.generation
    except IndexError:
        return False


class Owner:
    """Whose a pen may be, to who audits: the first thing in it, then."""

    __slots__ = ()


def mark(pen: Pen | None, by: Owner) -> None:
    """Mark a pen, once; in no way does that change who may take it."""
    if pen and not isinstance(pen[0], Owner):
        pen.insert(0, by)


def owner(pen: Pen | None) -> Owner | None:
    """Return whose a pen is, taken or not; None for nobody's."""
    return pen[0] if pen and isinstance(pen[0], Owner) else None


class Spent(list[object]):
    """A pen that was taken, and what is known of that: `place` where, or `joined` into another.

    Put in place of a taken one by who audits; nobody can take it.
    """

    __slots__ = ("joined", "place")

    def __init__(self, pen: Pen, place: object, *, joined: bool = False) -> None:
        """Be taken, as that pen is."""
        super().__init__(each for each in pen if isinstance(each, Owner))
        self.place, self.joined = place, joined


def new_root() -> int:
    """Return 64 random bits that name an interval tree clock universe.

    They come from the operating system, never from `random`, which applications seed.
    """
    try:
        return _process.roots.pop()
    except IndexError:
        words = [word or 1 for word in _words.unpack(os.urandom(_words.size))]
        root = words.pop()
        _process.roots.extend(words)
        return root
