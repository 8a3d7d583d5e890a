"""The search: which plans there are, in which order they are judged, and when to stop.

Pure: running a plan, predicting one, choosing faults for a call and telling the time are handed in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.deliveries import is_delivery
from metaapps.filibuster.explore.completeness import amiss, completeness, unfired
from metaapps.filibuster.explore.events import (
    NO_LIMITS,
    Done,
    Event,
    Limits,
    Pruned,
    Ran,
    StopReason,
)
from metaapps.filibuster.explore.frontier import (
    Candidate,
    CanonicalFrontier,
    Frontier,
    Growth,
    Loose,
    NewFrontier,
)
from metaapps.filibuster.explore.growth import Timing, can_fail, happened, reached
from metaapps.filibuster.explore.possible import Possible
from metaapps.filibuster.explore.steps import Step, StepBook, plan_name
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.reduce import Prediction, Reducer
from metaapps.filibuster.tree import Tree, build

Run = Callable[[Plan], Execution]
LookAhead = Callable[[Iterator[Plan]], None]
"""Is shown the plans that will likely be run next, in order, as far as it cares to read."""
Clock = Callable[[], float]
"""Tells the time, in seconds since whenever."""

FARTHEST: Final = 256
"""So many plans are considered for looking ahead, predicted ones included."""


def explore(
    run: Run,
    catalogue: Catalogue,
    reducer: Reducer,
    limits: Limits = NO_LIMITS,
    look_ahead: LookAhead | None = None,
    *,
    frontier: NewFrontier = CanonicalFrontier,
    clock: Clock = time.monotonic,
) -> Iterator[Event]:
    """Judge plans in order, running those that the reducer can't predict.

    The fault-free plan comes first, and every plan after one that it grew from. `frontier` settles
    the rest; by default the order is canonical: by number of faults, then by the faults in the
    order of their calls, each by its call (callee before caller, then position) and its place in
    the catalogue; plans that contain one that failed come after all others. Each plan is judged at
    its turn, against all executions before it; `run` is called then. What `run` raises ends the
    search. The last event is `Done`.

    `look_ahead` is called before every `run`, with plans that a worker may run already; what it
    does changes no event. It must have read them before it returns.
    """
    return _Search(run, catalogue, reducer, limits, look_ahead, frontier(), clock).events()


class _Search:
    def __init__(
        self,
        run: Run,
        catalogue: Catalogue,
        reducer: Reducer,
        limits: Limits,
        look_ahead: LookAhead | None,
        frontier: Frontier,
        clock: Clock,
    ) -> None:
        self._run = run
        self._catalogue = catalogue
        self._reducer = reducer
        self._limits = limits
        self._look_ahead = look_ahead
        self._frontier = frontier
        self._clock = clock
        self._book = StepBook()
        self._judged: set[bytes] = set()
        self._possible = Possible()
        self._ran = 0
        self._pruned = 0
        self._withheld = 0

    def events(self) -> Iterator[Event]:
        limit = self._limits.max_time
        deadline = None if limit is None else self._clock() + limit
        candidate: Candidate | None = Candidate(FAULT_FREE)
        while candidate is not None:
            if deadline is not None and self._ran and self._clock() >= deadline:
                yield self._done(StopReason.MAX_TIME, unjudged=1)
                return
            if candidate.deferred and self._limits.minimal:
                yield self._done(StopReason.MINIMAL, unjudged=1)
                return
            prediction = self._reducer.predict(candidate.plan)
            if prediction is not None:
                yield self._prune(candidate, prediction)
            elif self._ran == self._limits.max_executions:
                yield self._done(StopReason.MAX_EXECUTIONS, unjudged=1)
                return
            else:
                event, tree = self._execute(candidate)
                yield event
                reason = self._reason_to_stop(event.execution, tree)
                if reason is not None:
                    yield self._done(reason)
                    return
            candidate = self._next()
        yield self._done(StopReason.MAX_FAULTS if self._withheld else StopReason.COMPLETE)

    def _next(self) -> Candidate | None:
        """Return the plan whose turn it is; not one that was judged already, or can't happen."""
        while self._frontier:
            candidate = self._frontier.pop()
            if plan_name(candidate.plan.faults) in self._judged:
                continue
            if not self._can_happen(candidate):
                self._possible.rule_out(candidate.plan)
                continue
            return candidate
        return None

    def _can_happen(self, candidate: Candidate) -> bool:
        """Say whether smaller plans don't show that one fault keeps out another one's call."""
        return not candidate.loose or self._possible.can_happen(candidate.plan)

    def _prune(self, candidate: Candidate, prediction: Prediction) -> Pruned:
        self._pruned += 1
        self._judged.add(plan_name(candidate.plan.faults))
        execution = prediction.execution
        if prediction.whole:
            self._note(execution)
            self._grow(candidate, execution, build(execution.observations))
        numbers = prediction.predicted_by
        return Pruned(candidate.plan, execution, numbers, self._remaining, prediction.whole)

    def _execute(self, candidate: Candidate) -> tuple[Ran, Tree]:
        if self._look_ahead is not None:
            self._look_ahead(self._upcoming())
        execution = self._run(candidate.plan)
        self._ran += 1
        self._judged.add(plan_name(candidate.plan.faults))
        tree = build(execution.observations)
        learnt = self._reducer.learn(self._ran, execution, tree)
        fates = completeness(candidate.plan, execution, tree)
        findings = (
            *unfired(candidate.plan, fates, candidate.loose),
            *amiss(execution, tree),
            *learnt,
        )
        self._note(execution)
        if execution.passed or candidate.plan.faults:
            self._grow(candidate, execution, tree)
        return Ran(self._ran, execution, findings, self._remaining, fates), tree

    def _note(self, execution: Execution) -> None:
        """Note that a plan failed, if it did."""
        if execution.plan.faults and not execution.passed:
            self._frontier.failed(execution.plan)

    def _upcoming(self) -> Iterator[Plan]:
        """Yield the plans to run next, as far as is known; bounded, for it is asked every time."""
        plans = (
            candidate.plan
            for candidate in islice(self._frontier.upcoming(), FARTHEST)
            if plan_name(candidate.plan.faults) not in self._judged
            and self._can_happen(candidate)
            and not (candidate.deferred and self._limits.minimal)
            and self._reducer.predict(candidate.plan) is None
        )
        limit = self._limits.max_executions
        return plans if limit is None else islice(plans, limit - self._ran - 1)

    def _reason_to_stop(self, execution: Execution, tree: Tree) -> StopReason | None:
        if self._ran == 1:
            if not execution.passed:
                return StopReason.FAULT_FREE_FAILED
            if not self._remaining:
                inside = any(can_fail(event) for event in tree.preorder)
                return StopReason.NO_FAULTS if inside else StopReason.NO_CALLS
        if self._limits.fail_fast and not execution.passed:
            return StopReason.FIRST_FAILURE
        return None

    def _grow(self, candidate: Candidate, execution: Execution, tree: Tree) -> None:
        """Add the plans with one more trial; `growth` says at which calls."""
        timing = Timing(tree)
        calls = self._possible.note(plan_name(candidate.plan.faults), tree, timing)
        base = happened(candidate, execution.fired)
        if base is not candidate and plan_name(base.plan.faults) in self._judged:
            return  # What did not happen made no difference: the rest of the plan has grown.
        full = base.plan.size == self._limits.max_faults
        steps: list[Step] = []
        loose: list[Loose] = []
        deliveries = {each.index: each for each in tree.preorder if is_delivery(each)}
        for each in reached(base, tree, timing):
            trials = self._catalogue.trials_for(each.call, tree)
            if full:
                self._withheld += len(trials)
                continue
            within = deliveries.get(each.call.parent)
            found = self._book.at(each.call, tree.paths[each.call.index], trials, within)
            steps.extend(found)
            loose.extend([each.loose] * len(found))
        row = self._book.row(tuple(steps))
        some = tuple(loose) if any(loose) else ()
        self._frontier.add(Growth(base.plan, base.keys, row, some, calls))

    @property
    def _remaining(self) -> int:
        return len(self._frontier) + self._withheld

    def _done(self, reason: StopReason, unjudged: int = 0) -> Done:
        return Done(
            self._ran,
            self._pruned,
            self._remaining + unjudged,
            reason,
            self._possible.impossible,
            self._reducer.varying,
            len(self._frontier) + unjudged if reason is StopReason.MINIMAL else 0,
        )
