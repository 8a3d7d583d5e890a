"""Dynamic reduction: which plans need no run, since earlier executions predict them entirely.

A reducer learns every execution and predicts plans. Which plans there are, and in which order they
are judged, is `explore`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

from metaapps.filibuster.finding import Finding
from metaapps.filibuster.index import ROOT, ask, child
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.reduce.knowledge import (
    TEST,
    Answer,
    End,
    Event,
    Knowledge,
    State,
    Step,
    Verdict,
    answer_state,
    branch_state,
    fold,
    request_state,
)
from metaapps.filibuster.reduce.lesson import MAX_DEPTH, Lesson, asked, was_hit
from metaapps.filibuster.tree import Tree

MAX_EVENTS: Final = 100_000
"""A prediction of more events than this is given up."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a plan would lead to, and the numbers of the executions that show it, ascending."""

    execution: Execution
    predicted_by: tuple[int, ...]


class Reducer(Protocol):
    """Learns executions and says what needs no run. Called from one thread, in order."""

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        """Learn an execution; return what it shows to be nondeterministic."""

    def predict(self, plan: Plan) -> Prediction | None:
        """Return what would come of a plan, None if only a run can tell."""


class NoReduction:
    """Predicts nothing: every plan is run."""

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        return ()

    def predict(self, plan: Plan) -> Prediction | None:
        return None


class Predictor:
    """Predicts a plan if every step of every invocation in it has been seen in the same state."""

    def __init__(self) -> None:
        self._knowledge = Knowledge()

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        lesson = Lesson(self._knowledge, number, tree)
        lesson.learn(execution)
        return tuple(lesson.findings)

    def predict(self, plan: Plan) -> Prediction | None:
        walk = _Walk(self._knowledge, plan)
        try:
            return walk.prediction()
        except _UnknownError:
            return None


class _UnknownError(Exception):
    """Some step of the plan has never been seen."""


@dataclass(frozen=True, slots=True)
class _At:
    """A place in the predicted execution."""

    parent: bytes
    position: int


def _moved(event: Observation, index: bytes, at: _At) -> Observation:
    return replace(event, index=index, parent=at.parent, position=at.position)


class _Walk:
    """One plan being walked through what is known, in the order in which events begin."""

    def __init__(self, knowledge: Knowledge, plan: Plan) -> None:
        self._knowledge = knowledge
        self._plan = plan
        self._faults = {planned.index: planned for planned in plan.faults}
        self._observations: list[Observation] = []
        self._teachers: set[int] = set()
        self._hits: set[str] = set()
        self._depth = 0

    def prediction(self) -> Prediction:
        """Return what comes of the plan; raises `_UnknownError` if that isn't known."""
        _, verdict = self._follow(ROOT, TEST)
        # A fault that wouldn't fire here was planned from an execution that contradicts this one.
        unhit = any(not planned.optional for planned in self._faults.values())
        if not isinstance(verdict, Verdict) or unhit:
            raise _UnknownError
        execution = Execution(self._plan, tuple(self._observations), verdict.failure)
        return Prediction(execution, tuple(sorted(self._teachers)))

    def _look(self, state: State) -> Step:
        known = self._knowledge.step(state)
        if known is None:
            raise _UnknownError
        self._teachers.add(known.number)
        return known.step

    def _follow(self, index: bytes, state: State) -> tuple[State, Step]:
        """Walk one invocation to its last state, and to what follows that."""
        if self._depth > MAX_DEPTH:
            raise _UnknownError
        self._depth += 1
        position = 0
        while isinstance(step := self._look(state), Event):
            if len(self._observations) >= MAX_EVENTS:
                raise _UnknownError
            state = fold(state, step.key, self._outcome(step.template, _At(index, position), state))
            position += 1
        self._depth -= 1
        return state, step

    def _outcome(self, event: Observation, at: _At, state: State) -> bytes:
        if event.role is Role.ASK:
            return self._question(event, at)
        index = child(at.parent, event.frame)
        if event.role is Role.BRANCH:
            self._observations.append(_moved(event, index, at))
            return self._follow(index, branch_state(state, event))[0]
        return self._call(event, index, at, state).encoded()

    def _question(self, event: Observation, at: _At) -> bytes:
        hit = was_hit(event.target, self._hits)
        index = ask(at.parent, at.position)
        self._observations.append(replace(_moved(event, index, at), ok=hit))
        return asked(hit)

    def _call(self, call: Observation, index: bytes, at: _At, state: State) -> Answer:
        place = len(self._observations)
        self._observations.append(call)
        planned = self._faults.pop(index, None)
        if planned is None:
            last, end = self._follow(index, request_state(state, call))
            answer = self._look(answer_state(last, call)) if end is End.END else end
        else:
            answer = self._fail(call, planned)
        if not isinstance(answer, Answer):
            raise _UnknownError
        fault = None if planned is None else planned.fault
        self._observations[place] = answer.onto(_moved(call, index, at), fault)
        return answer

    def _fail(self, call: Observation, planned: PlannedFault) -> Answer:
        known = self._knowledge.fault(call.library, planned.fault)
        if known is None:
            raise _UnknownError
        answer, number = known
        if number is not None:
            self._teachers.add(number)
        self._hits.add(call.target or planned.target)
        return answer
