"""Compares what searches find in an application with what every plan there is would show.

Every plan runs at most once: applications here are deterministic, which `Network.run` twice shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.explore import (
    Done,
    Event,
    Limits,
    Order,
    Pruned,
    Ran,
    StopReason,
    explore,
    planned_trial,
    search_for,
)
from metaapps.filibuster.finding import Finding
from metaapps.filibuster.observation import Execution, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.reduce import NoReduction, Strength
from metaapps.filibuster.tree import build
from tests.filibuster.apps.network import Network

Outcome = tuple[str, tuple[object, ...]]
"""How the test failed, and what each of its calls was answered."""
_USUAL_ENDS: Final = (StopReason.COMPLETE, StopReason.MAX_FAULTS)


def answers(execution: Execution, *, bodies: bool) -> tuple[object, ...]:
    """Return what the test was answered; of errors without the bodies, unless they're wanted."""
    tree = build(execution.observations)
    calls = (call for call in tree.calls if call.by_test)
    return tuple((c.raised, c.status, c.digest if c.ok or bodies else None) for c in calls)


def failing(executions: Iterable[Execution], *, bodies: bool) -> set[Outcome]:
    """Return the failing outcomes among executions."""
    return {
        (execution.failure.summary, answers(execution, bodies=bodies))
        for execution in executions
        if execution.failure is not None
    }


@dataclass
class Compared:
    """One application, under a bound on the faults of a plan that lets all plans be run.

    `every` are the executions of all plans, `events` those of the search without reduction.
    """

    network: Network
    max_faults: int | None
    every: list[Execution]
    events: list[Event]
    _ran: dict[object, Execution] = field(default_factory=dict)

    def searched(
        self, strength: Strength, order: Order = Order.CANONICAL, seed: int = 0
    ) -> list[Event]:
        """Search again, with a reduction; nothing runs that has run already."""
        search = search_for(
            reduction=strength.value,
            order=order.value,
            seed=seed,
            limits=Limits(max_faults=self.max_faults),
            exhaustive=True,
        )
        return _to_the_end(search.explore(self.run, self.network.application.catalogue))

    def run(self, plan: Plan) -> Execution:
        """Return the execution of a plan."""
        if plan.key not in self._ran:
            self._ran[plan.key] = self.network.run(plan)
        return self._ran[plan.key]

    def missed(self, events: Iterable[Event], *, bodies: bool) -> set[Outcome]:
        """Return the failing outcomes that a search did not run into."""
        found = failing(executions(events), bodies=bodies)
        return failing(self.every, bodies=bodies) - found

    def mispredicted(self, events: Iterable[Event], *, bodies: bool) -> Iterator[Plan]:
        """Yield the pruned plans that would have come out otherwise than was predicted."""
        for event in events:
            if isinstance(event, Pruned) and event.predicted:
                real = self.run(event.plan)
                if _shown(real, bodies=bodies) != _shown(event.execution, bodies=bodies):
                    yield event.plan


def compared(network: Network, most: int) -> Compared | None:
    """Run every plan of an application, or those of fewer faults if they are more than `most`.

    None where there is nothing to compare: no call to fail, or a test that fails anyhow.
    """
    ran: dict[object, Execution] = {}
    made = Compared(network, None, [], [], ran)
    catalogue = network.application.catalogue
    events = list(explore(made.run, catalogue, NoReduction(), Limits(max_executions=most)))
    done = events[-1]
    assert isinstance(done, Done)
    if done.stopped_because is StopReason.MAX_EXECUTIONS:
        made.max_faults = max(execution.plan.size for execution in ran.values()) - 1
        if made.max_faults < 1:
            return None
        events = made.searched(Strength.NONE)
    elif done.stopped_because is not StopReason.COMPLETE:
        return None
    made.events, made.every = events, executions(events)
    return made


def in_any_order(made: Compared) -> Iterator[Execution]:
    """Yield the executions of all plans, grown by any call whatsoever that another one reaches.

    So this depends neither on the search's order nor on its rule for which calls may be next.
    """
    catalogue = made.network.application.catalogue
    waiting, known = [FAULT_FREE], {FAULT_FREE.key}
    while waiting:
        execution = made.run(waiting.pop())
        yield execution
        if execution.plan.size == made.max_faults or not _all_fired(execution):
            continue
        for plan in _one_more(execution, catalogue):
            if plan.key not in known:
                known.add(plan.key)
                waiting.append(plan)


def executions(events: Iterable[Event]) -> list[Execution]:
    """Return what a search ran."""
    return [event.execution for event in events if isinstance(event, Ran)]


def findings(events: Iterable[Event]) -> list[Finding]:
    """Return what a search found besides verdicts."""
    return [finding for event in events if isinstance(event, Ran) for finding in event.findings]


def _to_the_end(search: Iterable[Event]) -> list[Event]:
    events = list(search)
    done = events[-1]
    assert isinstance(done, Done)
    assert done.stopped_because in _USUAL_ENDS, done
    return events


def _one_more(execution: Execution, catalogue: Catalogue) -> Iterator[Plan]:
    tree = build(execution.observations)
    for call in tree.calls:
        if not call.by_test and call.injected is None:
            for trial in catalogue.trials_for(call, tree):
                yield execution.plan.with_fault(*planned_trial(call, trial))


def _all_fired(execution: Execution) -> bool:
    return execution.fired >= {planned.index for planned in execution.plan.faults}


def _shown(execution: Execution, *, bodies: bool) -> object:
    calls = frozenset(
        (one.index, one.raised, one.status, one.ok, one.injected)
        for one in execution.observations
        if one.role is Role.CALL
    )
    verdict = None if execution.failure is None else execution.failure.summary
    return verdict, answers(execution, bodies=bodies), calls
