"""What pools of threads and of processes share: a future knows the fork of its call.

Under which name it is kept is the pool's choice: an instrumentation follows its own futures alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

from baggage.boundary import Blank, Fork
from baggage.instrumentation._patching import Function, Switch, replace

Callback = Callable[[Future[Any]], object]


def follow(kept: str, switch: Switch) -> None:
    """Replace methods of futures: who reads a result joins the fork that is kept by this name."""

    def reading(original: Function) -> Function:
        def read(self: Future[Any], timeout: float | None = None) -> Any:
            try:
                result = original(self, timeout)
            except BaseException:
                if switch.on and self.done():
                    _join(getattr(self, kept, None))
                del self  # from the traceback of what was raised, which the future keeps
                raise
            if switch.on:
                fork = getattr(self, kept, None)
                if fork is not None:
                    fork.join()
            return result

        return read

    def calling_back(original: Function) -> Function:
        def add_done_callback(self: Future[Any], fn: Callback) -> None:
            fork = getattr(self, kept, None) if switch.on else None
            original(self, fn if fork is None else _following(fork, fn))

        return add_done_callback

    replace(Future, "result", reading)
    replace(Future, "exception", reading)
    replace(Future, "add_done_callback", calling_back)


def _join(fork: Fork | Blank | None) -> None:
    if fork is not None:
        fork.join()


def _following(fork: Fork | Blank, fn: Callback) -> Callback:
    """Have a callback go on in the branch of the call, not in what its thread happens to carry.

    That of an event loop reads the result for whoever awaits it, and so runs as a part of that.
    """
    if getattr(fn, "__module__", None) == "asyncio.futures":
        context = copy_context()
        return lambda future: context.run(fn, future)
    return lambda future: fork.resume(lambda: fn(future))
