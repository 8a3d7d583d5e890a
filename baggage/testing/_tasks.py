"""What suites of tasks share: running a test on a loop, and work that needs none."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ClassVar

from baggage.context import pack
from baggage.testing._watched import WatchedSuite

AsyncWork = Callable[[], Coroutine[Any, Any, object]]
AsyncWait = Callable[[], Awaitable[object]]
"""Waits for the work, any number of times; tells what it returned, if the library can."""

_PATIENCE = 60.0


async def until(holds: Callable[[], object]) -> None:
    """Let others run until something holds; fail after a long time. Needs no event loop."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0)


def by_hand(work: AsyncWork) -> object:
    """Run a coroutine of this suite without an event loop: in a thread, say."""
    running = work()
    while True:
        try:
            running.send(None)
        except StopIteration as end:
            return end.value
        time.sleep(0.001)


async def failure_of(waiting: Awaitable[object]) -> BaseException:
    """Return the exception that waiting raises."""
    try:
        outcome = await waiting
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - any library's
        return error
    raise AssertionError(f"returned {outcome!r}")


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Have a test of a suite run on the suite's event loop."""

    @wraps(test)
    def run(suite: Tasks, **arguments: Any) -> None:
        suite.run(lambda: test(suite, **arguments))

    return run


class Tasks(WatchedSuite):
    """How a library starts and waits for coroutines.

    `tells` is whether waiting returns what the work returned, and raises what it raised.
    """

    tells: ClassVar[bool] = True

    @abstractmethod
    def spawn(self, work: AsyncWork) -> AsyncWait:
        """Start work that runs beside the caller, who is a coroutine; return what waits for it."""

    def run(self, main: AsyncWork) -> None:
        """Run a test on an event loop: asyncio's own, unless you say another."""
        asyncio.run(main())

    async def seen_by_a_child(self, look: Callable[[], object]) -> object:
        """Return what a child sees."""
        seen: list[object] = []

        async def work() -> None:
            seen.append(look())

        await self.spawn(work)()
        return seen[0]

    def packing(self, *packed: tuple[Any, Any]) -> AsyncWork:
        """Return work that packs these."""

        async def work() -> None:
            for key, value in packed:
                pack(key, value)
                await asyncio.sleep(0)

        return work
