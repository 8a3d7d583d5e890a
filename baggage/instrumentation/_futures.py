"""What pools of threads and of processes share: a future knows the fork of its call.

Under which name it is kept is the pool's choice: an instrumentation follows its own futures alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

from baggage.boundary import Fork
from baggage.instrumentation._patching import Switch, wrap

Callback = Callable[[Future[Any]], object]


def follow(kept: str, switch: Switch) -> None:
    """Wrap futures: whoever reads a result joins the fork that is kept there by this name."""

    def read(
        wrapped: Callable[..., Any],
        future: Future[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        try:
            return wrapped(*args, **kwargs)
        finally:
            fork: Fork | None = vars(future).get(kept)
            if fork is not None and future.done():
                fork.join()

    def call_back(
        wrapped: Callable[..., None],
        future: Future[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        fork: Fork | None = vars(future).get(kept)
        if fork is None:
            return wrapped(*args, **kwargs)
        return wrapped(_following(fork, *args, **kwargs))

    wrap(Future, "result", switch, read)
    wrap(Future, "exception", switch, read)
    wrap(Future, "add_done_callback", switch, call_back)


def _following(fork: Fork, fn: Callback) -> Callback:
    """Have a callback go on in the branch of the call, not in what its thread happens to carry.

    That of an event loop reads the result for whoever awaits it, and so runs as a part of that.
    """
    if getattr(fn, "__module__", None) == "asyncio.futures":
        context = copy_context()
        return lambda future: context.run(fn, future)
    return lambda future: fork.resume(lambda: fn(future))
