"""threading: a thread is a branch, forked where it is started and joined where it is waited for.

Hooked at the start, not at `run`, so that subclasses that override `run`, and timers, are covered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from baggage.boundary import Boundary, Fork
from baggage.instrumentation._forking import ForkAdapter, handed
from baggage.instrumentation._patching import Switch, wrap

_FORK: Final = "_baggage_fork"
_POOLS: Final = frozenset({"anyio", "celery"})
"""Packages whose threads serve many: they hand over the context with each piece of work."""
_WORKERS: Final = frozenset(
    {
        *("celery.contrib.testing.worker", "celery.worker.worker", "concurrent.futures.thread"),
        "asgiref.sync",  # whose own thread ends a pool
    }
)
"""Where the work of a pool's threads begins: a job is a branch of whoever submits it."""


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap threads, once."""

    def start(
        wrapped: Callable[[], None],
        thread: threading.Thread,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        alone = thread.ident is not None or _serves_many(thread)
        fork = None if alone else boundary.fork(_ADAPTER, None)
        if fork is None:
            return wrapped(*args, **kwargs)
        run = vars(thread).get("run")
        _run_in(fork, thread)
        try:
            return fork.start(lambda: wrapped(*args, **kwargs))
        except BaseException:
            _undo(thread, run)
            raise

    def join(
        wrapped: Callable[..., None],
        thread: threading.Thread,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        wrapped(*args, **kwargs)
        fork: Fork | None = vars(thread).get(_FORK)
        if fork is not None and not thread.is_alive():
            fork.join()

    wrap(threading.Thread, "start", switch, start)
    wrap(threading.Thread, "join", switch, join)


def _serves_many(thread: threading.Thread) -> bool:
    """Say whether a thread is no branch of whoever happens to need it first."""
    if type(thread).__module__.partition(".")[0] in _POOLS:
        return True
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", "") in _WORKERS


def _run_in(fork: Fork, thread: threading.Thread) -> None:
    """Have the thread run in the fork's branch, whatever its class says `run` is."""
    run = thread.run

    def run_in_branch() -> None:
        # Gone before the work starts: the thread must not keep itself alive through it.
        vars(thread).pop("run", None)
        plain = getattr(run, "__func__", None) is threading.Thread.run
        work = handed(fork, getattr(thread, "_target", None)) if plain else None
        if work is None:
            fork.run(run)
        else:
            vars(thread)["_target"] = work
            run()

    vars(thread)[_FORK] = fork
    vars(thread)["run"] = run_in_branch


def _undo(thread: threading.Thread, run: object) -> None:
    """Leave a thread that could not be started as it was: the application may try again."""
    del vars(thread)[_FORK]
    vars(thread).pop("run", None)
    if run is not None:
        vars(thread)["run"] = run


_ADAPTER: Final = ForkAdapter(
    "threading",
    "Thread.start",
    frozenset({"threading"}),
    # Whose own threads serve all callers, or look up an address.
    below=frozenset({"grpc", "grpc.aio", "pika"}),
)
