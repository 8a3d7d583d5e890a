"""Reducers: they learn every execution, and say which plans need no run.

Which plans there are, and in which order they are judged, is `explore`. Prediction itself is
`walk`; the published criterion is `published`.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol, TypeVar

from metaapps.filibuster.finding import Finding
from metaapps.filibuster.observation import Execution, Observation
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce.knowledge import Knowledge, State, Varying
from metaapps.filibuster.reduce.lesson import Contradiction, Lesson
from metaapps.filibuster.reduce.reading import Reading
from metaapps.filibuster.reduce.walk import Atlas, Prediction, UnknownError, predicted
from metaapps.filibuster.tree import Tree, describe

T = TypeVar("T")

MOST_REMEMBERED: Final = 10_000
"""Of so many plans it is remembered why they can't be predicted."""


class Reducer(Protocol):
    """Learns executions and says what needs no run. Called from one thread, in order."""

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        """Learn an execution; return what it shows to be nondeterministic."""

    def predict(self, plan: Plan) -> Prediction | None:
        """Return what would come of a plan, None if only a run can tell."""

    @property
    def varying(self) -> tuple[Varying, ...]:
        """The calls whose answers differed after the same requests, most often varying first."""


class NoReduction:
    """Predicts nothing: every plan is run."""

    varying: tuple[Varying, ...] = ()

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        return ()

    def predict(self, plan: Plan) -> Prediction | None:
        return None


class Predictor:
    """Predicts a plan if every step of every invocation in it has been seen in the same state.

    `reading` says which answers are taken for equal.
    """

    def __init__(self, reading: Reading | None = None) -> None:
        """Know nothing yet."""
        self._knowledge = Knowledge(reading or Reading())
        self._atlas = Atlas()
        self._varying = _Varying()
        self._blocked: dict[Plan, tuple[int, State]] = {}
        self._predicted: dict[Plan, tuple[int, Prediction]] = {}

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        self._blocked.pop(execution.plan, None)
        if execution.deaths:
            return ()  # What is missing of it may be the reason for what came of it.
        lesson = Lesson(self._knowledge, number, tree)
        lesson.learn(execution)
        self._varying.note(lesson.contradictions)
        return tuple(lesson.findings)

    def predict(self, plan: Plan) -> Prediction | None:
        # Who looks ahead asks for the same plans again and again.
        now = self._knowledge.revision
        revision, blocked = self._blocked.get(plan, (-1, b""))
        if revision == now and not self._knowledge.is_known(blocked):
            return None
        revision, prediction = self._predicted.get(plan, (-1, None))
        if revision == now:
            return prediction
        try:
            prediction = predicted(self._knowledge, self._atlas, plan)
        except UnknownError as error:
            if error.state is not None:
                _remember(self._blocked, plan, (now, error.state))
            return None
        _remember(self._predicted, plan, (now, prediction))
        return prediction

    @property
    def varying(self) -> tuple[Varying, ...]:
        return self._varying.told()


def _remember(memory: dict[Plan, T], plan: Plan, what: T) -> None:
    if len(memory) >= MOST_REMEMBERED:
        del memory[next(iter(memory))]
    memory[plan] = what


class _Varying:
    """Counts, by call, the executions whose answers differ from the first ones."""

    def __init__(self) -> None:
        self._calls: dict[str, Observation] = {}
        self._counts: Counter[str] = Counter()

    def note(self, contradictions: list[Contradiction]) -> None:
        """Note what one execution contradicts."""
        calls = {_named(each.call): each.call for each in contradictions}
        self._calls.update(calls)
        self._counts.update(calls.keys())

    def told(self) -> tuple[Varying, ...]:
        return tuple(
            Varying(name, _pattern(self._calls[name]), executions)
            for name, executions in sorted(self._counts.items(), key=lambda each: (-each[1], each))
        )


def _named(call: Observation) -> str:
    """Return a call for people, whichever time it was."""
    return describe(call).partition(" #")[0]


def _pattern(call: Observation) -> str:
    return f"{call.source or 'test'}→{call.target or '*'} {call.operation}".strip()
