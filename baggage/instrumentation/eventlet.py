"""eventlet: a green thread is a branch, forked where it is made, joined by whoever waits for it.

A green thread starts with an empty context. `spawn_n` makes one that nobody can wait for, unless it
is a pool's. What ended in a pool before somebody waited for all of it is kept for him, as far as
memory allows. A call by `tpool` is a part of its caller, who waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final

from eventlet import greenthread, tpool
from eventlet.greenpool import GreenPool
from eventlet.greenthread import GreenThread

from baggage.boundary import Boundary, Fork
from baggage.instrumentation._forking import ForkAdapter, join_ended, keep_ended
from baggage.instrumentation._patching import Switch, wrap

_FORK: Final = "_baggage_fork"
Arguments = tuple[Any, ...]
Named = dict[str, Any]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap green threads, pools of them, and calls in native threads, once."""

    def make(
        wrapped: Callable[..., None], thread: GreenThread, args: Arguments, kwargs: Named
    ) -> None:
        fork = boundary.fork(_ADAPTER, None)
        if fork is None:
            return wrapped(*args, **kwargs)
        vars(thread)[_FORK] = fork
        return fork.start(lambda: wrapped(*args, **kwargs))

    def spawn_n(wrapped: Callable[..., Any], _: object, args: Arguments, kwargs: Named) -> Any:
        seconds, work, *rest = args
        fork = boundary.fork(_ADAPTER, None)
        if fork is None:
            return wrapped(*args, **kwargs)

        def run(*args: Any, **kwargs: Any) -> Any:
            return fork.run(lambda: work(*args, **kwargs))

        timer, thread = fork.start(lambda: wrapped(seconds, run, *rest, **kwargs))
        vars(thread)[_FORK] = fork
        return timer, thread

    wrap(GreenThread, "__init__", switch, make)
    wrap(GreenThread, "main", switch, _main)
    wrap(GreenThread, "wait", switch, _wait)
    wrap(GreenPool, "_spawn_done", switch, _spawn_done)
    wrap(GreenPool, "waitall", switch, _wait_all)
    # Looked up in their modules where they are called, however they were imported.
    wrap(greenthread, "_spawn_n", switch, spawn_n)
    wrap(tpool, "execute", switch, _execute)


def _main(
    wrapped: Callable[..., None], thread: GreenThread, args: Arguments, kwargs: Named
) -> None:
    """Let a green thread work in its branch, and what is linked to it go on there."""
    fork: Fork | None = vars(thread).get(_FORK)
    if fork is None:
        return wrapped(*args, **kwargs)
    work, *rest = args

    def run(*args: Any, **kwargs: Any) -> Any:
        return fork.run(lambda: work(*args, **kwargs))

    return fork.resume(lambda: wrapped(run, *rest, **kwargs))


def _wait(wrapped: Callable[..., Any], thread: GreenThread, args: Arguments, kwargs: Named) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        fork: Fork | None = vars(thread).get(_FORK)
        if fork is not None and thread._exit_event.ready():
            fork.join()


def _spawn_done(
    wrapped: Callable[..., None], pool: GreenPool, args: Arguments, kwargs: Named
) -> None:
    """Keep what a green thread brings, for whoever waits for all of its pool."""
    keep_ended(pool, getattr(args[0], _FORK, None) if args else None)
    wrapped(*args, **kwargs)


def _wait_all(wrapped: Callable[..., Any], pool: GreenPool, args: Arguments, kwargs: Named) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        join_ended(pool)


def _execute(wrapped: Callable[..., Any], _: object, args: Arguments, kwargs: Named) -> Any:
    if not args:
        return wrapped(*args, **kwargs)
    return wrapped(copy_context().run, *args, **kwargs)


_ADAPTER: Final = ForkAdapter(
    "eventlet",
    "GreenThread",
    frozenset({"eventlet", "greenlet"}),
    below=frozenset({"threading", "concurrent.futures"}),
)
