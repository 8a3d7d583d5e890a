"""The published criterion, against a plain reading of it that looks through all executions."""

from __future__ import annotations

from collections import defaultdict

import pytest

from baggage.boundary import FaultKind
from metaapps.filibuster.explore import DepthFirstFrontier, Limits, explore
from metaapps.filibuster.finding import Finding
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import Prediction, Published, Varying
from metaapps.filibuster.tree import Tree
from tests.filibuster.random_app import random_application
from tests.filibuster.searching import SHORT, done, pruned


class Checked:
    """The published criterion, which says whenever it differs from the plain reading."""

    varying: tuple[Varying, ...] = ()

    def __init__(self) -> None:
        self.published = Published()
        self.ran: list[tuple[Execution, Tree]] = []
        self.judged = 0

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        self.ran.append((execution, tree))
        return self.published.learn(number, execution, tree)

    def predict(self, plan: Plan) -> Prediction | None:
        found = self.published.predict(plan)
        numbers = self._plainly(plan) if plan.faults else None
        assert (found and found.predicted_by) == numbers, plan
        self.judged += 1
        return found

    def _plainly(self, plan: Plan) -> tuple[int, ...] | None:
        """Return the first executions that have each group of calls, None if one has none."""
        groups: dict[bytes, list[tuple[int, Observation]]] = defaultdict(list)
        for place, call in self._known_calls(plan):
            groups[self._request_of(call)].append((place, call))
        numbers = set()
        for group in groups.values():
            having = (
                number
                for number, (_, tree) in enumerate(self.ran, 1)
                if all(self._has(tree, plan, place, call) for place, call in group)
            )
            number = next(having, None)
            if number is None:
                return None
            numbers.add(number)
        return tuple(sorted(numbers))

    def _known_calls(self, plan: Plan) -> list[tuple[int, Observation]]:
        *base, newest = plan.faults
        grown_from = next(
            tree for execution, tree in self.ran if execution.plan.key == Plan(tuple(base)).key
        )
        calls = services_calls(grown_from)
        last = next(place for place, call in calls if call.index == newest.index)
        return calls[: last + 1]

    def _request_of(self, call: Observation) -> bytes:
        """Return which call enclosed this one; those of the test stand for the test."""
        for _, tree in self.ran:
            by_index = {seen.index: seen for seen in tree.preorder}
            if call.index in by_index:
                above = by_index.get(call.parent)
                while above is not None and above.role is not call.role:
                    above = by_index.get(above.parent)
                return ROOT if above is None or above.by_test else above.index
        raise AssertionError("every known call was made")

    def _has(self, tree: Tree, plan: Plan, place: int, call: Observation) -> bool:
        return any(
            self._same(plan, place, call, number, earlier)
            for number, earlier in services_calls(tree)
            if earlier.index == call.index
        )

    def _same(
        self, plan: Plan, place: int, call: Observation, number: int, earlier: Observation
    ) -> bool:
        fault = plan.fault_for(call.index)
        if fault is None:
            same_call = (place, call.timeout) == (number, earlier.timeout)
            return earlier.injected is None and same_call
        if fault.kind is FaultKind.STATUS:
            return earlier.status == fault.status
        return earlier.injected == fault


def services_calls(tree: Tree) -> list[tuple[int, Observation]]:
    return list(enumerate(call for call in tree.calls if not call.by_test))


@pytest.mark.parametrize("part", range(4))
def test_it_prunes_what_a_plain_reading_prunes_for_the_same_executions(part: int) -> None:
    some = 0
    for seed in range(part * 100, part * 100 + 25):
        checked = Checked()
        limits = Limits(max_executions=40)
        application = random_application(seed)
        events = list(explore(application.run, SHORT, checked, limits, frontier=DepthFirstFrontier))
        some += len(pruned(events))
        assert checked.judged >= done(events).ran
    assert some > 0
