"""Which executions services ended for, and how an execution failed that they did not survive.

A service may end a while after its answer, when its execution has been judged. Who may have been
the reason is kept here; running them again is the runner's business.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from threading import Lock
from typing import Final

from metaapps.filibuster.deaths import Case, Late
from metaapps.filibuster.observation import Death, Execution, Failure
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.store import Deaths

_WITHIN: Final = 5.0
"""Who ended so many seconds before at most may be the reason, and the last one in any case."""
_MOST: Final = 8
_MOST_CASES: Final = 20


class Blame:
    """The executions of one run, and the deaths that are laid to none of them. Safe in any thread.

    Those that were under way when a service ended are suspects, and run again, alone: if one of
    them is the reason, it's known then.
    """

    def __init__(
        self, kept: Deaths | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Know of no execution, and of the deaths that are `kept`, as all others will be."""
        self._kept = kept
        self._clock = clock
        self._lock = Lock()
        self._recent: deque[tuple[float, Plan]] = deque(maxlen=_MOST)
        self._suspects: dict[Plan, None] = {}
        self._explained: frozenset[Death] = frozenset()
        late = () if kept is None else tuple(kept)
        self._cases = [each.case for each in late if not each.judged]
        self._known = tuple(each for each in late if each.judged)

    @property
    def known(self) -> tuple[Late, ...]:
        """What became of those deaths that were looked into before this run was resumed."""
        return self._known

    def suspect(self, plan: Plan) -> None:
        """Note that services ended while an execution was under way, which will run again."""
        with self._lock:
            self._suspects[plan] = None

    def judged(self, execution: Execution) -> None:
        """Note an execution that ended, and the deaths that it is the reason for."""
        plan = execution.plan
        with self._lock:
            if not execution.deaths:
                self._recent.append((self._clock(), plan))
                return
            self._explained = frozenset(execution.deaths)
            self._drop([each for each in self._cases if plan in each.suspects])

    def starting_again(self, deaths: Sequence[Death], words: Callable[[Death], str]) -> None:
        """Note that services ended, and start again now."""
        with self._lock:
            left = self._left(deaths)
            if left and len(self._cases) < _MOST_CASES:
                said = "\n".join(map(_worded, left, map(words, left)))
                case = Case(left, tuple(self._before()), said, tuple(self._suspects))
                self._cases.append(case)
                if self._kept is not None:
                    self._kept.open(case)
            self._recent.clear()
            self._suspects.clear()
            self._explained = frozenset()

    def unexplained(self, deaths: Sequence[Death]) -> tuple[Death, ...]:
        """Return the deaths that are not laid to an execution."""
        with self._lock:
            return self._left(deaths)

    def cases(self) -> tuple[Case, ...]:
        """Return the deaths that nothing explains so far."""
        with self._lock:
            return tuple(self._cases)

    def judge(self, late: Late) -> None:
        """Note what became of one of them."""
        with self._lock:
            if self._kept is not None:
                self._kept.judge(late)
            self._drop([late.case])

    def forget_cases(self) -> None:
        """Note that whatever is left is explained."""
        with self._lock:
            self._drop(self._cases)

    def _drop(self, cases: Collection[Case]) -> None:
        if self._kept is not None:
            self._kept.drop(*cases)
        self._cases = [each for each in self._cases if each not in cases]

    def _left(self, deaths: Sequence[Death]) -> tuple[Death, ...]:
        return tuple(death for death in deaths if death not in self._explained)

    def _before(self) -> Iterator[Plan]:
        since = self._clock() - _WITHIN
        found = [(at, plan) for at, plan in reversed(self._recent) if plan.faults]
        # Who ended in a long execution is noticed at its end: so the last one before it counts.
        near = (plan for at, plan in found if at >= since or plan == found[0][1])
        yield from dict.fromkeys(near)


def is_laid_to(execution: Execution) -> bool:
    """Say whether services that ended did so for an execution, which ran alone: without doubt.

    Each of them met a fault in it, and did not answer. Without faults there is nothing else that it
    could be laid to.
    """
    hit = {seen.source for seen in execution.observations if seen.injected is not None}
    mute = {seen.target for seen in execution.observations if seen.raised is not None}
    return not execution.plan.faults or hit & mute >= {one.service for one in execution.deaths}


def _worded(death: Death, said: str, since: str = "") -> str:
    """Return for people what a service wrote last, or that it `said` nothing."""
    name = repr(death.service)
    return f"{name} wrote last:\n{said}" if said else f"{name} wrote nothing {since}".rstrip()


def told_of(deaths: Iterable[Death]) -> str:
    """Return deaths for people."""
    return ", ".join(map(str, deaths))


def fatal(
    deaths: Iterable[Death], when: str, failure: Failure | None, words: Iterable[str]
) -> Failure:
    """Return how an execution failed that services did not survive, with their last words in it."""
    told = ["the test passed" if failure is None else f"the test failed: {failure.summary}"]
    if failure is not None:
        told.append(failure.details)
    for death, said in zip(deaths, words, strict=True):
        told.append(_worded(death, said, "since this execution began"))
    return Failure(f"{told_of(deaths)} {when} this execution ran", "\n".join(filter(None, told)))
