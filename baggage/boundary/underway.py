"""Which library's call is under way here, so that what it is built on is no crossing of its own.

requests sends by urllib3, and that by http.client: the outermost one owns the crossing. Told per
branch: what runs in another branch meanwhile, a server in this process say, is not a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Final, TypeAlias, TypeVar

from baggage.context import Branch, branch, enter, leave

T = TypeVar("T")
_Call: TypeAlias = tuple[Branch | None, str]

_underway: Final[ContextVar[_Call]] = ContextVar("baggage.underway", default=(None, ""))


# Not a function of ours: it's called at every crossing.
begin: Final[Callable[[_Call], Token[_Call]]] = _underway.set
"""Note that a library's call is under way in a branch, until `end` is called with the token."""


def end(token: Token[_Call]) -> None:
    """Undo `begin`. A coroutine that is thrown away may be closed in another context."""
    # `suppress` would cost more than all the rest, at every departure.
    try:
        _underway.reset(token)
    except ValueError:
        pass


def within(running: Branch | None, libraries: AbstractSet[str]) -> bool:
    """Say whether a call of one of these libraries is under way in a branch."""
    owner, library = _underway.get()
    return library in libraries and owner is running


@contextmanager
def inside(library: str) -> Iterator[None]:
    """Run a block that a library does for its own ends: the threads that it starts, say.

    Where nothing is carried it runs in an empty branch, and not in one that a task would start.
    Where nobody sees what happens, nobody sees what the library starts either.
    """
    running = branch()
    if running is not None and running.muted:
        yield
        return
    entered = enter(Branch()) if running is None else None
    token = begin((branch(), library))
    try:
        yield
    finally:
        end(token)
        if entered is not None:
            leave(entered)


def run_inside(library: str, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Do `inside` what a library does all the time: the same, at half the cost."""
    running = branch()
    if running is not None:
        if running.muted:
            return work(*args, **kwargs)
        token = begin((running, library))
        try:
            return work(*args, **kwargs)
        finally:
            end(token)
    empty = Branch()
    entered = enter(empty)
    token = begin((empty, library))
    try:
        return work(*args, **kwargs)
    finally:
        end(token)
        leave(entered)
