"""Consumer scopes: a worker that took a message works in its branch until it takes the next one.

Such a scope has no end that a block could tell, so it lives in the worker's context, and is ended
from there: by `finish`, by `conclude`, or with that context. What a message is, and who gets a
scope for it, is in `message`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, Final

from baggage.context import Branch, branch, branch_in, enter, leave


class Consumption:
    """One consumer scope: opened when it is made, ended once, by the worker that made it.

    `channel` is where the message came from. `close` is called at the end, in the branch.
    """

    __slots__ = ("_around", "_close", "_ended", "_worker", "branch", "channel")

    def __init__(self, running: Branch, channel: object, close: Callable[[], None]) -> None:
        """Open the scope: what runs here from now on, runs in this branch."""
        # No tokens: they hold the context, which holds this, and so would outlive their thread.
        self._around = branch()
        self._worker = _worker()
        self._close = close
        self._ended = False
        self.branch = running
        self.channel = channel
        enter(running)
        _consuming.set(self)

    @property
    def mine(self) -> bool:
        """Whether it is this worker's, not one in a copied context."""
        return self._worker == _worker()

    def end(self) -> None:
        """Leave the branch."""
        if self._ended:
            return
        self._ended = True
        _consuming.set(None)
        try:
            self._close()
        finally:
            around = self._around
            # Who takes messages of others is done with the request that once started him.
            enter(None if around is not None and around.over else around)

    def conclude(self) -> Branch | None:
        """End for a worker that is done, in any context; return the branch that it had left."""
        if not self._ended:
            self._ended = True
            token = enter(self.branch)
            try:
                self._close()
            finally:
                leave(token)
        return self._around

    def __del__(self) -> None:
        """End with the context of a worker that ends without a word."""
        if not sys.is_finalizing():
            self.conclude()


_consuming: Final[ContextVar[Consumption | None]] = ContextVar("baggage.consuming", default=None)


def standing() -> Consumption | None:
    """Return the consumer scope that this worker stands in; None in any other branch."""
    held = _consuming.get()
    return held if held is not None and held.branch is branch() and held.mine else None


def finish(channel: object = None) -> None:
    """End the consumer scope that this worker stands in: that of one channel, or any."""
    held = standing()
    if held is not None and (channel is None or held.channel is channel):
        held.end()


def conclude(context: Context) -> Branch | None:
    """Return the branch of a worker that is done, by its context: no message's, whose scope ends.

    The context need not be entered for that.
    """
    running = branch_in(context)
    held = context.get(_consuming)
    if held is None or held.branch is not running:
        return running
    return held.conclude()


def _worker() -> tuple[int, Any]:
    """Tell workers apart: threads (greenlets), and in these tasks."""
    import asyncio  # here: it takes longer to import than all of `baggage`

    loop = asyncio._get_running_loop()
    task = None if loop is None else asyncio.current_task(loop)
    return threading.get_ident(), task if task is None else id(task)
