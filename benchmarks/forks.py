"""New branches of execution: work handed to a warm pool, and tasks of a loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from benchmarks.measure import Pair, Run
from benchmarks.variants import around

_AT_ONCE = 100
"""Handed over in one go, so that few of them wake a thread, which costs more than all the rest."""


def nothing() -> None:
    """Do the work of a call."""


def submit() -> Run:
    pool = ThreadPoolExecutor(1)

    def run(calls: int) -> None:
        for _ in range(calls // _AT_ONCE):
            for future in [pool.submit(nothing) for _ in range(_AT_ONCE)]:
                future.result()

    return run


def create_task() -> Run:
    async def work() -> None:
        """Do the work of a task."""

    async def tasks(calls: int) -> None:
        for _ in range(calls // _AT_ONCE):
            for task in [asyncio.create_task(work()) for _ in range(_AT_ONCE)]:
                await task

    loop = asyncio.new_event_loop()
    return lambda calls: loop.run_until_complete(tasks(calls))


PAIRS = (
    Pair(
        "thread-pool-submit",
        around(submit, ("concurrent.futures", "threading"), ("threading:ThreadingInstrumentor",)),
        1000,
    ),
    Pair(
        "asyncio-create-task",
        around(create_task, ("asyncio",), ("asyncio:AsyncioInstrumentor",)),
        1000,
    ),
)
