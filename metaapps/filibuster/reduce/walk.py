"""Walking a plan through what is known, event by event, as its execution would go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from baggage.boundary import Fault
from metaapps.filibuster.index import ROOT, ask, child
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce.knowledge import (
    TEST,
    End,
    Event,
    Knowledge,
    State,
    Step,
    Verdict,
    answer_state,
    befalls_answer,
    branch_state,
    fold,
    looks_alike,
    request_state,
)
from metaapps.filibuster.reduce.lesson import MAX_DEPTH, Trail, asked, outcome_of, was_hit
from metaapps.filibuster.reduce.reading import Answer

MAX_EVENTS: Final = 100_000
"""A prediction of more events than this is given up."""
MOST_PLACES: Final = 1 << 16
MOST_WALKS: Final = 64
"""Where branches may go on in more ways together than these, a prediction is given up."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a plan would lead to, and the numbers of the executions that show it, ascending.

    `whole` is False where that is claimed to be nothing new, and not known: then the execution has
    the plan alone.
    """

    execution: Execution
    predicted_by: tuple[int, ...]
    whole: bool = True


class UnknownError(Exception):
    """Some step of the plan has never been seen. `state` is after what, if that is all."""

    def __init__(self, state: State | None = None) -> None:
        super().__init__()
        self.state = state


_Observed = tuple[int, bytes, int, Answer | bool | None, Fault | None]


class Atlas:
    """Where events stand, and what is seen of them there: the same in most predictions.

    Bounded, since it only saves time. Not thread-safe.
    """

    def __init__(self) -> None:
        """Know no place yet."""
        self._indices: dict[tuple[bytes, bytes], bytes] = {}
        self._observed: dict[_Observed, Observation] = {}

    def index(self, parent: bytes, event: Event) -> bytes:
        """Return the index of an event within a parent."""
        key = (parent, event.key)
        index = self._indices.get(key)
        if index is None:
            _make_room(self._indices)
            index = self._indices[key] = child(parent, event.template.frame)
        return index

    def observation(self, seen: _Foreseen) -> Observation:
        """Return the observation of an event."""
        # What is known of an event outlives this: ids stay what they are.
        key = (id(seen.template), seen.index, seen.position, seen.outcome, seen.fault)
        found = self._observed.get(key)
        if found is None:
            _make_room(self._observed)
            found = self._observed[key] = seen.observation()
        return found


def _make_room(memory: dict[Any, Any]) -> None:
    if len(memory) >= MOST_PLACES:
        memory.clear()


@dataclass(slots=True)
class _Foreseen:
    """An event of the predicted execution, to be made an observation if it comes to that.

    `outcome` is the answer of a call, or whether a fault was hit, for a question.
    """

    template: Observation
    index: bytes
    parent: bytes
    position: int
    outcome: Answer | bool | None = None
    fault: Fault | None = None

    def observation(self) -> Observation:
        place = {"index": self.index, "parent": self.parent, "position": self.position}
        if isinstance(self.outcome, Answer):
            return self.outcome.onto(self.template, self.fault, **place)
        seen = replace(self.template, **place, injected=self.fault)  # type: ignore[arg-type]
        return seen if self.outcome is None else replace(seen, ok=self.outcome)


@dataclass(slots=True)
class Fork:
    """A state with several ways to go on, and the one that was taken."""

    ways: int
    taken: int = 0


class Walk:
    """One plan being walked through what is known, in the order in which events begin.

    Where there are several ways to go on, it takes those of `forks` in turn, and then the first
    ones, which it adds to `forks`.
    """

    def __init__(self, knowledge: Knowledge, atlas: Atlas, plan: Plan, forks: list[Fork]) -> None:
        self._knowledge = knowledge
        self._atlas = atlas
        self._forks = forks
        self._passed = 0
        self._plan = plan
        self._faults = {planned.index: planned for planned in plan.faults}
        self._foreseen: list[_Foreseen] = []
        self._teachers: set[int] = set()
        self._hits: set[str] = set()
        self._depth = 0

    def prediction(self) -> Prediction:
        """Return what comes of the plan; raises `UnknownError` if that isn't known."""
        _, verdict = self._follow(ROOT, TEST)
        # A fault that wouldn't fire here was planned from an execution that contradicts this one.
        unhit = any(not planned.optional for planned in self._faults.values())
        if not isinstance(verdict, Verdict) or unhit:
            raise UnknownError
        observations = tuple(map(self._atlas.observation, self._foreseen))
        execution = Execution(self._plan, observations, verdict.failure)
        return Prediction(execution, tuple(sorted(self._teachers)))

    def _look(self, state: State) -> Step:
        ways = self._knowledge.steps(state)
        if not ways:
            raise UnknownError(state)
        known = ways[0] if len(ways) == 1 else ways[self._chosen(len(ways))]
        self._teachers.add(known.number)
        return known.step

    def _chosen(self, ways: int) -> int:
        if self._passed == len(self._forks):
            self._forks.append(Fork(ways))
        self._passed += 1
        return self._forks[self._passed - 1].taken

    def _follow(self, index: bytes, state: State) -> tuple[Trail, Step]:
        """Walk one invocation to its last state, and to what follows that."""
        if self._depth > MAX_DEPTH:
            raise UnknownError
        self._depth += 1
        position, slow = 0, False
        while isinstance(step := self._look(state), Event):
            if len(self._foreseen) >= MAX_EVENTS:
                raise UnknownError
            outcome = self._outcome(step, index, position, state)
            state = fold(state, step.key, outcome.state)
            slow |= outcome.slow
            position += 1
        self._depth -= 1
        return Trail(state, slow), step

    def _outcome(self, step: Event, parent: bytes, position: int, state: State) -> Trail:
        event = step.template
        if event.role is Role.ASK:
            hit = was_hit(event.target, self._hits)
            index = ask(parent, position)
            self._foreseen.append(_Foreseen(event, index, parent, position, hit))
            return asked(hit)
        index = self._atlas.index(parent, step)
        planned = self._faults.pop(index, None)
        fault = None if planned is None else planned.fault
        foreseen = _Foreseen(event, index, parent, position, fault=fault)
        self._foreseen.append(foreseen)
        answer = None
        if event.role is not Role.BRANCH:
            answer = foreseen.outcome = self._answer(event, index, state, fault)
            if answer.spared:
                planned = fault = foreseen.fault = None
        if planned is not None:
            self._hits.add(event.target or planned.target)
        if answer is None:
            return self._follow(index, branch_state(state, event, fault))[0]
        return outcome_of(answer, fault)

    def _answer(self, call: Observation, index: bytes, state: State, fault: Fault | None) -> Answer:
        if fault is not None and not befalls_answer(fault):
            return self._shown(call, fault)
        last, end = self._follow(index, request_state(state, call))
        if end is not End.END:
            raise UnknownError
        if fault is not None and looks_alike(fault):
            return self._shown(call, fault)
        step = self._look(answer_state(last.state, call, fault, slow=last.slow))
        if not isinstance(step, Answer):
            raise UnknownError
        return step

    def _shown(self, call: Observation, fault: Fault) -> Answer:
        known = self._knowledge.fault(call, fault)
        if known is None:
            raise UnknownError
        answer, number = known
        if number is not None:
            self._teachers.add(number)
        return answer


def predicted(knowledge: Knowledge, atlas: Atlas, plan: Plan) -> Prediction:
    """Return what comes of a plan; raises `UnknownError` if that isn't known, or not certain.

    Of the ways to go on in branches, all are tried: only one may lead to an end that was seen.
    """
    found: list[Prediction] = []
    forks: list[Fork] = []
    unknown = UnknownError()
    for _ in range(MOST_WALKS):
        try:
            found.append(Walk(knowledge, atlas, plan, forks).prediction())
        except UnknownError as error:
            unknown = error
            if not forks:
                raise
        while forks and forks[-1].taken + 1 == forks[-1].ways:
            forks.pop()
        if not forks:
            break
        forks[-1].taken += 1
    else:
        raise UnknownError
    if len(found) != 1:
        raise UnknownError from unknown
    return found[0]
