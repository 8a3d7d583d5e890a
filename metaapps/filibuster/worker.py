"""Workers: who runs at a moment, told apart cheaply: a thread, and a task or greenlet in it.

Several may share one branch of execution, where a context was copied and nothing was split.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, Final, NamedTuple

_HANDED_OVER: Final = frozenset({"anyio", "concurrent", "grpc"})
"""Packages whose threads go on with a branch where another thread has left off, and one waits."""


class Worker(NamedTuple):
    """Who runs: a thread, the task or greenlet in it (0 for none), and what runs that thread."""

    thread: int
    task: int
    pool: str


def worker() -> Worker:
    """Return who runs here."""
    thread = threading.current_thread()
    return Worker(thread.ident or 0, _task(), _pool(thread))


def racing(one: Worker, other: Worker) -> bool:
    """Say whether two workers of one branch may run at the same time, as far as one can tell.

    Tasks of one thread are said to take turns, as they do where a framework starts one for a step
    of a request.
    """
    if one.thread == other.thread:
        return False
    return not (one.pool in _HANDED_OVER or other.pool in _HANDED_OVER)


def _task() -> int:
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None:
        loop = asyncio._get_running_loop()  # `current_task` raises where there is none
        if loop is not None:
            return id(asyncio.current_task(loop))
    greenlet: Any = sys.modules.get("greenlet")
    return 0 if greenlet is None else id(greenlet.getcurrent())


def _pool(thread: threading.Thread) -> str:
    """Return the package that a thread works for, as far as it's told by its class or target."""
    package = type(thread).__module__.partition(".")[0]
    if package != "threading":
        return package
    target = getattr(thread, "_target", None)
    return str(getattr(target, "__module__", "")).partition(".")[0]
