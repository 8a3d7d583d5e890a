"""The branch that runs here: one `ContextVar` holds it, shared by copies of the context.

Belongs here: reading, entering and leaving it. What a branch is, is in `branch`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, Token
from functools import lru_cache
from types import FrameType
from typing import Final

from baggage.context.branch import Branch
from baggage.context.watch import watching
from baggage.values import EMPTY, Baggage

_log = logging.getLogger("baggage.context")
_current: ContextVar[Branch | None] = ContextVar("baggage.branch", default=None)
serving: Final[ContextVar[bool]] = ContextVar("baggage.serving", default=False)
"""Whether a request is behind what runs here, even if it runs in no branch yet."""


def _renew() -> None:
    """Go on, in a forked child, in a branch whose lock no thread of the parent can hold."""
    running = _current.get()
    if running is not None:
        renewed = Branch(running.baggage, running.service, muted=running.muted, scope=running.scope)
        renewed.notes.update(running.notes)
        _current.set(renewed)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


# Not functions of ours: they are called several times at every crossing.
branch: Final[Callable[[], Branch | None]] = _current.get
"""Return the branch that runs here, None where nothing has been carried yet."""

enter: Final[Callable[[Branch | None], Token[Branch | None]]] = _current.set
"""Make a branch the current one, until `leave` is called with the token."""


def branch_in(context: Context) -> Branch | None:
    """Return the branch that whatever runs in a context starts with; it need not be entered."""
    return context.get(_current)


def ensure() -> Branch:
    """Return the branch that runs here; start an empty one where there is none."""
    running = _current.get()
    if running is None:
        running = Branch(idle=not serving.get())
        _current.set(running)
    return running


def current() -> Baggage:
    """Return the baggage that is carried here; empty baggage where there is none."""
    running = _current.get()
    return EMPTY if running is None else running.baggage


def leave(token: Token[Branch | None]) -> None:
    """Undo `enter`, once.

    In another context than `enter`'s it restores nothing, and is logged once for each place: so
    ends a generator that holds a scope across a `yield` and is finished, or thrown away, elsewhere.
    """
    try:
        _current.reset(token)
    except RuntimeError:
        pass  # It was left before.
    except ValueError:
        frame = sys._getframe(1)
        while frame.f_back is not None and _passes_on(frame):
            frame = frame.f_back
        _left_elsewhere(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)


def _passes_on(frame: FrameType) -> bool:
    """Say whether a frame leaves what another one entered."""
    name = str(frame.f_globals.get("__name__", ""))
    return name == "contextlib" or name.partition(".")[0] == "baggage"


@lru_cache(maxsize=1024)
def _left_elsewhere(file: str, line: int, function: str) -> None:
    extra = {"file": file, "line": line, "function": function}
    _log.warning("scope left in another context", extra=extra, stack_info=True)


@contextmanager
def attached(carried: Branch | Baggage) -> Iterator[Branch]:
    """Run a block in a branch: the given one, or a new one of the same service.

    Yields the branch: `baggage.join(branch)` afterwards brings home what the block packed. A
    generator must not hold the block open across a `yield`.
    """
    running = carried
    if isinstance(running, Baggage):
        around, watch = _current.get(), watching(running)
        running = Branch(running, "" if around is None else around.service)
        if watch is None and around is not None:
            watch = around.watch
        if watch is not None:
            running.watch = watch
    token = _current.set(running)
    try:
        yield running
    finally:
        leave(token)


@contextmanager
def suppressed() -> Iterator[None]:
    """Run a block whose crossings nobody sees: for a meta-application's own traffic."""
    token = _current.set(Branch(muted=True))
    try:
        yield
    finally:
        leave(token)
