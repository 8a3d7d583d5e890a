"""Which executions services ended for, and how an execution failed that they did not survive.

A service may end a while after its answer, when its execution has been judged. Who may have been
the reason is kept here; running them again is the runner's business.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from metaapps.filibuster.observation import Death, Execution, Failure
from metaapps.filibuster.plan import Plan

_WITHIN: Final = 5.0
"""Who ended so many seconds before at most may be the reason."""
_MOST: Final = 8
_MOST_CASES: Final = 20


@dataclass(frozen=True, slots=True)
class Case:
    """Services that ended, after executions of these plans; the last one comes first.

    `words` are the last lines that they wrote.
    """

    deaths: tuple[Death, ...]
    plans: tuple[Plan, ...]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Late:
    """What became of a case: the execution after which services ended once more, None for none."""

    case: Case
    execution: Execution | None


class Blame:
    """The executions of one run, and the deaths that are laid to none of them. Safe in any thread.

    Those that were under way when a service ended are suspects, and run again, alone: if one of
    them is the reason, it's known then.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of no execution."""
        self._clock = clock
        self._lock = Lock()
        self._recent: deque[tuple[float, Plan]] = deque(maxlen=_MOST)
        self._suspects: set[Plan] = set()
        self._explained: frozenset[Death] = frozenset()
        self._cases: list[tuple[Case, frozenset[Plan]]] = []

    def suspect(self, plan: Plan) -> None:
        """Note that services ended while an execution was under way, which will run again."""
        with self._lock:
            self._suspects.add(plan)

    def judged(self, execution: Execution) -> None:
        """Note an execution that ended, and the deaths that it is the reason for."""
        plan = execution.plan
        with self._lock:
            if not execution.deaths:
                self._recent.append((self._clock(), plan))
                return
            self._explained = frozenset(execution.deaths)
            self._cases = [each for each in self._cases if plan not in each[1]]

    def starting_again(self, deaths: Sequence[Death], words: Callable[[Death], str]) -> None:
        """Note that services ended, and start again now."""
        with self._lock:
            left = self._left(deaths)
            if left and len(self._cases) < _MOST_CASES:
                said = "\n".join(filter(None, map(words, left)))
                case = Case(left, tuple(self._before()), said)
                self._cases.append((case, frozenset(self._suspects)))
            self._recent.clear()
            self._suspects.clear()
            self._explained = frozenset()

    def unexplained(self, deaths: Sequence[Death]) -> tuple[Death, ...]:
        """Return the deaths that are not laid to an execution."""
        with self._lock:
            return self._left(deaths)

    def take_cases(self) -> tuple[Case, ...]:
        """Return the deaths that nothing explains, and forget them."""
        with self._lock:
            cases, self._cases = self._cases, []
        return tuple(case for case, _ in cases)

    def _left(self, deaths: Sequence[Death]) -> tuple[Death, ...]:
        return tuple(death for death in deaths if death not in self._explained)

    def _before(self) -> Iterator[Plan]:
        since = self._clock() - _WITHIN
        found = (plan for at, plan in reversed(self._recent) if at >= since and plan.faults)
        yield from dict.fromkeys(found)


def is_laid_to(execution: Execution) -> bool:
    """Say whether services that ended did so for an execution, which ran alone: without doubt.

    Each of them met a fault in it, and did not answer. Without faults there is nothing else that it
    could be laid to.
    """
    hit = {seen.source for seen in execution.observations if seen.injected is not None}
    mute = {seen.target for seen in execution.observations if seen.raised is not None}
    return not execution.plan.faults or hit & mute >= {one.service for one in execution.deaths}


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
        name = death.service
        silent = f"{name!r} wrote nothing since this execution began"
        told.append(f"{name!r} wrote last:\n{said}" if said else silent)
    return Failure(f"{told_of(deaths)} {when} this execution ran", "\n".join(filter(None, told)))
