"""Branches that an application starts by hand: `split`, and callbacks that it keeps for later.

Each is a fork, as a thread's start is one: who is interested in those is told of these too, and so
tells apart what happens in which branch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast

from baggage.boundary import PROCEED, Boundary, Fork, Kind
from baggage.boundary.homing import bring_home, take_home
from baggage.context import Branch, attached, ensure
from baggage.instrumentation._forking import ForkAdapter
from baggage.values import EMPTY

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Kept(Protocol[P, T_co]):
    """A callback that was kept. Safe in any thread, any number of times, also at once."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """Call it back."""

    def join(self) -> None:
        """Merge what its calls packed so far into the branch of the caller."""


def split(boundary: Boundary) -> tuple[Branch, Branch]:
    """Return the current branch, and one that knows the same past; see `baggage.split`."""
    mine = ensure()
    if not any(boundary.interested(kind, _SPLIT.library) for kind in (Kind.SPAWN, Kind.RUN)):
        return mine, mine.split()
    fork = fork_by_hand(boundary, _SPLIT)
    # To split what is lent no sooner than needed is for branches that end before they are joined.
    fork.child.update(lambda carried: carried)
    # Nobody can say when it ends: what it got is its own, whether it writes or not.
    mine.family.forget(fork.child)
    nothing_more(fork)
    return mine, fork.child


def keep(boundary: Boundary, callback: Callable[P, T]) -> Kept[P, T]:
    """Return the callback as it is to be called later; see `baggage.keep`."""
    keeping = _Keeping(boundary, callback)

    @wraps(callback)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return cast(T, keeping.call(args, kwargs))

    @wraps(callback)
    async def acall(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await keeping.acall(args, kwargs)

    kept: Any = acall if inspect.iscoroutinefunction(callback) else call
    kept.join = keeping.join
    return cast(Kept[P, T], kept)


class _Keeping:
    """Two branches: `_past` knows what was known at the keeping, `_home` what calls brought.

    Each call is a fork of the first one, and is joined to the second one: so no call sees another.
    """

    def __init__(self, boundary: Boundary, callback: Callable[..., Any]) -> None:
        self._boundary, self._callback = boundary, callback
        self._fork = fork_by_hand(boundary, _KEEP)
        nothing_more(self._fork)
        # Calls write under ids of their own: however many they are, no stamp grows.
        self._fork.child.update(lambda carried: carried.peeked())
        self._home = Branch()

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        fork = self._begun()
        try:
            return fork.run(lambda: self._callback(*args, **kwargs))
        finally:
            self._bring_home(fork)

    async def acall(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        fork = self._begun()
        work: Coroutine[Any, Any, Any] = self._callback(*args, **kwargs)
        try:
            return await fork.arun(work)
        finally:
            self._bring_home(fork)

    def join(self) -> None:
        if self._home.baggage is not EMPTY:
            ensure().join(self._home, batch=True)

    def _begun(self) -> Fork:
        with attached(self._fork.child):
            return fork_by_hand(self._boundary, _CALL)

    def _bring_home(self, fork: Fork) -> None:
        """Take what a call packed; its `home` values go where those of its keeper go."""
        with self._boundary.isolated():
            self._home.join(fork.child)
            self._fork.child.family.forget(fork.child)
            keeper = self._fork.parent
            if keeper is None or keeper.over:
                with attached(self._fork.child):
                    self._boundary.overflow(take_home(fork.child))
            else:
                bring_home(fork.child.take_home(), keeper)


def fork_by_hand(boundary: Boundary, adapter: ForkAdapter) -> Fork:
    """Fork the current branch, whatever meta-applications say: there is no launch to replace."""
    fork = boundary.fork(adapter, None) or Fork(boundary, adapter, None, None)
    fork.start(_nothing)
    if fork.child is fork.parent:
        fork.proceed(PROCEED)
    return fork


def nothing_more(fork: Fork) -> None:
    """Tell who is interested that a fork has ended: nobody can say when its branch will.

    Nobody who waits for open branches shall wait for a callback that is never called.
    """
    fork.run(_nothing)


def _nothing() -> None:
    pass


_SPLIT: Final = ForkAdapter("baggage", "split", frozenset())
_KEEP: Final = ForkAdapter("baggage", "keep", frozenset())
_CALL: Final = ForkAdapter("baggage", "keep.call", frozenset())
