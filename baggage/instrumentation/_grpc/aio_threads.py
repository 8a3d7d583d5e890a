"""What the event loop's library does in threads for its own ends, which is no branch of anyone's.

It hands messages between its loop and generators that are plain functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from baggage.boundary import underway


class OwnJobs(Executor):
    """A pool whose jobs are the library's; without `pool` the loop's own."""

    def __init__(
        self, library: str, loop: asyncio.AbstractEventLoop, pool: Executor | None
    ) -> None:
        """Put jobs in that pool."""
        self._library, self._loop, self._pool = library, loop, pool

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do as the pool does."""
        job = partial(self._run, partial(fn, *args, **kwargs))
        if self._pool is not None:
            return self._pool.submit(job)
        done: Future[Any] = Future()
        self._loop.run_in_executor(None, job).add_done_callback(partial(_follow, done))
        return done

    def _run(self, job: Callable[[], Any]) -> Any:
        with underway.inside(self._library):
            return job()


class OwnSteps:
    """An iterator of the library's, whose steps it takes by tasks of its own."""

    __slots__ = ("_library", "_steps")

    def __init__(self, library: str, steps: Iterator[Any]) -> None:
        """Take the steps of that iterator."""
        self._library, self._steps = library, steps

    def __iter__(self) -> OwnSteps:
        return self

    def __next__(self) -> Any:
        with underway.inside(self._library):
            return next(self._steps)


def _follow(done: Future[Any], call: asyncio.Future[Any]) -> None:
    if call.cancelled():
        done.cancel()
    elif (error := call.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(call.result())
