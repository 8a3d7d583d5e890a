"""Which plans can't happen, as far as the executions of smaller ones show.

Only where branches run: else a plan grows only by what comes later, and every plan can happen.
"""

from __future__ import annotations

from itertools import chain
from typing import Final

from metaapps.filibuster.explore.growth import Timing
from metaapps.filibuster.explore.steps import plan_name, trials_of
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.tree import Tree

MOST_FAULTS: Final = 6
"""For plans of more faults only the plans of one less are asked, which show most of it."""


class Possible:
    """What judged plans reached, and what follows for bigger ones.

    The faults of a plan that can happen begin in some order. What begins in an execution depends on
    what failed before. So each fault's call is reached by all plans of those before it and of any
    of those after it. A plan for which there is no such order can't happen.
    """

    def __init__(self) -> None:
        """Know of no execution."""
        self._reached: dict[bytes, frozenset[bytes]] = {}
        self._sets: dict[frozenset[bytes], frozenset[bytes]] = {}
        self._impossible: set[bytes] = set()
        self._wanted = False

    @property
    def impossible(self) -> int:
        """How many plans were found to be impossible."""
        return len(self._impossible)

    def note(self, name: bytes, tree: Tree, timing: Timing) -> frozenset[bytes]:
        """Note what the plan of this name reached; return it, or nothing where no branches run."""
        self._wanted |= timing.concurrent
        if not self._wanted:
            return frozenset()
        calls = frozenset(tree.paths)
        calls = self._sets.setdefault(calls, calls)
        self._reached[name] = calls
        return calls

    def rule_out(self, plan: Plan) -> None:
        """Note that a plan can't happen."""
        self._impossible.add(plan_name(plan.faults))

    def can_happen(self, plan: Plan) -> bool:
        """Say whether there is such an order, as far as is known."""
        return _Orders(self._reached, self._impossible, plan).exist()


class _Orders:
    """The orders of one plan's trials; a set of them is a number, with a bit for each."""

    def __init__(
        self, reached: dict[bytes, frozenset[bytes]], impossible: set[bytes], plan: Plan
    ) -> None:
        self._reached_by = reached
        self._impossible = impossible
        self._trials = trials_of(plan)
        self._all = (1 << len(self._trials)) - 1
        self._names: dict[int, bytes] = {}
        self._exist: dict[int, bool] = {}

    def exist(self) -> bool:
        places = range(len(self._trials))
        if len(places) > MOST_FAULTS:
            return all(self._reaches(self._all & ~(1 << place), place) for place in places)
        return self._from(0)

    def _from(self, before: int) -> bool:
        """Say whether some order begins with these, in an order of theirs."""
        if before == self._all:
            return True
        found = self._exist.get(before)
        if found is None:
            places = (at for at in range(len(self._trials)) if not before & 1 << at)
            found = before == 0 or self._name(before) not in self._impossible
            found = found and any(
                self._may_follow(at, before) and self._from(before | 1 << at) for at in places
            )
            self._exist[before] = found
        return found

    def _may_follow(self, place: int, before: int) -> bool:
        """Say whether all plans of those before, and of some after, reach the call of a trial."""
        others = self._all & ~before & ~(1 << place)
        some = others
        while self._reaches(before | some, place):
            if not some:
                return True
            some = (some - 1) & others
        return False

    def _reaches(self, those: int, place: int) -> bool:
        calls = self._reached_by.get(self._name(those))
        return calls is None or self._trials[place][0].index in calls

    def _name(self, those: int) -> bytes:
        name = self._names.get(those)
        if name is None:
            trials = (trial for at, trial in enumerate(self._trials) if those & 1 << at)
            name = self._names[those] = plan_name(tuple(chain.from_iterable(trials)))
        return name
