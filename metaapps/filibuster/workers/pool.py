"""Runs plans ahead of their turn, so that a search that asks for one at a time waits for none.

Which plans are run, and in which order their executions are taken, is the search's business: what
the pool runs ahead changes when an execution is there, never which one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, Generic, TypeVar

from baggage.boundary import Fault
from baggage.context import suppressed
from metaapps.filibuster.plan import Plan

_AHEAD_PER_WORKER: Final = 2
# Looking ahead costs a prediction for each plan that is seen, so not every turn is worth it.
_REFILL_BELOW: Final = 1.5

T = TypeVar("T")
_Key = frozenset[tuple[bytes, Fault]]


class Pool(Generic[T]):
    """Threads that each see one execution through at a time. For one thread, that of the search.

    `run` and `look_ahead` are what `explore` asks for. What runs ahead is bounded: at most two
    plans per worker are begun, or wait to be, before their turn.
    """

    def __init__(self, execute: Callable[[Plan], T], workers: int) -> None:
        """`execute` runs a plan, in any of `workers` threads."""
        self._execute = execute
        self._workers = workers
        # These threads belong to no execution.
        with suppressed():
            self._threads = ThreadPoolExecutor(workers, thread_name_prefix="execution")
        self._begun: dict[_Key, Future[T]] = {}
        self._upcoming: list[Plan] = []
        self._discarded = 0

    @property
    def ran_ahead(self) -> int:
        """How many executions have run, or run still, that the search had no use for so far."""
        return self._discarded + sum(
            future.running() or future.done() for future in self._begun.values()
        )

    def look_ahead(self, plans: Iterator[Plan]) -> None:
        """Take note of the plans that will likely be run next."""
        busy = sum(not future.done() for future in self._begun.values())
        if busy < self._workers * _REFILL_BELOW:
            self._upcoming = list(islice(plans, self._workers * _AHEAD_PER_WORKER))

    def run(self, plan: Plan) -> T:
        """Return what became of a plan, as soon as that is known; raises what running it raises."""
        mine = self._begin(plan)
        if self._upcoming:
            self._forget({plan.key, *(other.key for other in self._upcoming)})
        for other in self._upcoming:
            self._begin(other)
        self._upcoming = []
        done = mine.result()
        del self._begun[plan.key]
        return done

    def rest(self) -> None:
        """Begin nothing that was not asked for by `run`."""
        self._upcoming = []
        self._forget(frozenset())

    def close(self) -> None:
        """Begin nothing more, and wait for what runs."""
        self._threads.shutdown(cancel_futures=True)

    def _begin(self, plan: Plan) -> Future[T]:
        future = self._begun.get(plan.key)
        if future is None:
            with suppressed():
                future = self._begun[plan.key] = self._threads.submit(self._execute, plan)
        return future

    def _forget(self, wanted: Set[_Key]) -> None:
        """Give up what has turned out to be redundant, as far as that can be told.

        What is not among the next plans may just have been put off; so what is there already is
        kept for a while.
        """
        others = [key for key in self._begun if key not in wanted]
        keep = self._workers * _AHEAD_PER_WORKER
        for place, key in enumerate(reversed(others)):
            if self._begun[key].cancel():
                del self._begun[key]
            elif place >= keep and self._begun[key].done():
                del self._begun[key]
                self._discarded += 1
