"""The search: which plans there are, in which order they are judged, and when to stop.

Pure: running a plan, predicting one and choosing faults for a call are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from baggage.boundary import Fault
from metaapps.filibuster.catalogue import Catalogue, Trial
from metaapps.filibuster.explore.events import (
    NO_LIMITS,
    Done,
    Event,
    Limits,
    Pruned,
    Ran,
    StopReason,
)
from metaapps.filibuster.explore.frontier import Candidate, Frontier
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import child
from metaapps.filibuster.observation import Execution, Observation
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.reduce import Prediction, Reducer
from metaapps.filibuster.status import shown_fault
from metaapps.filibuster.tree import Tree, build, canonical_key, describe

Run = Callable[[Plan], Execution]
LookAhead = Callable[[Iterator[Plan]], None]
"""Is shown the plans that will likely be run next, in order, as far as it cares to read."""


def explore(
    run: Run,
    catalogue: Catalogue,
    reducer: Reducer,
    limits: Limits = NO_LIMITS,
    look_ahead: LookAhead | None = None,
) -> Iterator[Event]:
    """Judge plans in canonical order, running those that the reducer can't predict.

    Fault-free first, then by number of faults, then by the faults in the order of their calls,
    each by its call (callee before caller, then position) and its place in the catalogue. Each
    plan is judged at its turn, against all executions before it; `run` is called then. What `run`
    raises ends the search. The last event is `Done`.

    `look_ahead` is called before every `run`, with plans that a worker may run already; what it
    does changes no event. It must have read them before it returns.
    """
    return _Search(run, catalogue, reducer, limits, look_ahead).events()


def planned_fault(call: Observation, fault: Fault) -> PlannedFault:
    """Return a fault at an observed call, with its label for people."""
    return PlannedFault(
        call.index, fault, call.target, f"{describe(call)}: {shown_fault(call.library, fault)}"
    )


def planned_trial(call: Observation, trial: Trial) -> Iterator[PlannedFault]:
    """Yield the faults of a trial at an observed call, and at the attempts that may follow it."""
    for more in range(trial.attempts):
        attempt = call if not more else _attempt(call, more)
        yield replace(planned_fault(attempt, trial.fault), optional=more > 0)


def _attempt(call: Observation, more: int) -> Observation:
    """Return a call that is made so many times more."""
    later = replace(call, occurrence=call.occurrence + more)
    return replace(later, index=child(call.parent, later.frame))


class _Search:
    def __init__(
        self,
        run: Run,
        catalogue: Catalogue,
        reducer: Reducer,
        limits: Limits,
        look_ahead: LookAhead | None,
    ) -> None:
        self._run = run
        self._catalogue = catalogue
        self._reducer = reducer
        self._limits = limits
        self._look_ahead = look_ahead
        self._frontier = Frontier()
        self._ran = 0
        self._pruned = 0
        self._withheld = 0

    def events(self) -> Iterator[Event]:
        self._frontier.add(Candidate(FAULT_FREE))
        while self._frontier:
            candidate = self._frontier.pop()
            prediction = self._reducer.predict(candidate.plan)
            if prediction is not None:
                yield self._prune(candidate, prediction)
                continue
            if self._ran == self._limits.max_executions:
                yield self._done(StopReason.MAX_EXECUTIONS, unjudged=1)
                return
            event, tree = self._execute(candidate)
            yield event
            reason = self._reason_to_stop(event.execution, tree)
            if reason is not None:
                yield self._done(reason)
                return
        yield self._done(StopReason.MAX_FAULTS if self._withheld else StopReason.COMPLETE)

    def _prune(self, candidate: Candidate, prediction: Prediction) -> Pruned:
        self._pruned += 1
        execution = prediction.execution
        self._grow(candidate, execution, build(execution.observations))
        return Pruned(candidate.plan, execution, prediction.predicted_by, self._remaining)

    def _execute(self, candidate: Candidate) -> tuple[Ran, Tree]:
        if self._look_ahead is not None:
            self._look_ahead(self._upcoming())
        execution = self._run(candidate.plan)
        self._ran += 1
        tree = build(execution.observations)
        learnt = self._reducer.learn(self._ran, execution, tree)
        findings = (
            *_missed(candidate.plan, execution),
            *tree.findings,
            *_unseen(execution),
            *learnt,
        )
        if execution.passed or candidate.plan.faults:
            self._grow(candidate, execution, tree)
        return Ran(self._ran, execution, findings, self._remaining), tree

    def _upcoming(self) -> Iterator[Plan]:
        unpredicted = (plan for plan in self._frontier if self._reducer.predict(plan) is None)
        limit = self._limits.max_executions
        return unpredicted if limit is None else islice(unpredicted, limit - self._ran - 1)

    def _reason_to_stop(self, execution: Execution, tree: Tree) -> StopReason | None:
        if self._ran == 1:
            if not execution.passed:
                return StopReason.FAULT_FREE_FAILED
            if not self._remaining:
                inside = any(not call.by_test for call in tree.calls)
                return StopReason.NO_FAULTS if inside else StopReason.NO_CALLS
        if self._limits.fail_fast and not execution.passed:
            return StopReason.FIRST_FAILURE
        return None

    def _grow(self, candidate: Candidate, execution: Execution, tree: Tree) -> None:
        """Add the plans with one more fault, at the calls from the last failed one on.

        A call that stands before it, but was not there without its fault, began after it all the
        same: another branch was waiting for the failure.
        """
        fired = execution.fired
        base = _only(candidate, fired)
        full = base.plan.size == self._limits.max_faults
        known = frozenset(tree.paths)
        last = max((tree.paths[index] for index in fired if index in tree.paths), default=())
        for call in tree.calls:
            earlier = tree.paths[call.index] < last and call.index in candidate.known
            if call.by_test or call.injected is not None or earlier:
                continue
            trials = self._catalogue.trials_for(call, tree)
            if full:
                self._withheld += len(trials)
                continue
            key = canonical_key(tree.paths[call.index])
            for place, trial in enumerate(trials):
                more = tuple(planned_trial(call, trial))
                keys = (*base.keys, *((key, place, each.index) for each in more))
                self._frontier.add(Candidate(base.plan.with_fault(*more), keys, known))

    @property
    def _remaining(self) -> int:
        return len(self._frontier) + self._withheld

    def _done(self, reason: StopReason, unjudged: int = 0) -> Done:
        return Done(self._ran, self._pruned, self._remaining + unjudged, reason)


def _missed(plan: Plan, execution: Execution) -> Iterator[Finding]:
    fired = execution.fired
    for planned in plan.faults:
        if planned.index not in fired and not planned.optional:
            text = f"{planned.label or planned.index.hex()} was planned and did not happen"
            yield Finding(FindingKind.MISSED, planned.index, text)


def _unseen(execution: Execution) -> Iterator[Finding]:
    """Yield what an execution could not show."""
    for branch in execution.unfinished:
        text = f"a branch that {branch.source} started at {branch.site} did not end in time"
        yield Finding(FindingKind.UNSEEN, branch.index, text)
    within = {seen.parent for seen in execution.observations}
    for call in execution.observations:
        if call.raised and call.injected is None and call.index not in within:
            text = f"{describe(call)} raised {call.raised} by itself: its callee's part isn't known"
            yield Finding(FindingKind.UNSEEN, call.index, text)


def _only(candidate: Candidate, fired: frozenset[bytes]) -> Candidate:
    """Return the part of a plan that really happened: only that can have more faults after it."""
    pairs = zip(candidate.plan.faults, candidate.keys, strict=True)
    kept = [(planned, key) for planned, key in pairs if planned.index in fired]
    plan = replace(candidate.plan, faults=tuple(planned for planned, _ in kept))
    return Candidate(plan, tuple(key for _, key in kept))
