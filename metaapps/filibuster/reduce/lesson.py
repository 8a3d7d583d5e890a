"""Learning from one execution: each of its invocations, folded event by event.

Whatever isn't certain teaches nothing: what comes after a gap, after an answer without a digest, or
within an execution that has pieces of unknown place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation, Role
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
from metaapps.filibuster.tree import Tree, describe

MAX_DEPTH: Final = 100
"""What is nested deeper than this (branches, and calls when predicting) counts as unknown."""


class Lesson:
    """One execution being learnt; `findings` tell what contradicts earlier ones."""

    def __init__(self, knowledge: Knowledge, number: int, tree: Tree) -> None:
        self.findings: list[Finding] = []
        self._knowledge = knowledge
        self._number = number
        self._tree = tree
        self._invoked: deque[tuple[Observation, State]] = deque()
        self._hits = tuple((o.target, tree.paths[o.index]) for o in tree.calls if o.injected)

    def learn(self, execution: Execution) -> None:
        """Learn what the execution's faults looked like, then all its invocations."""
        for call in self._tree.calls:
            if call.injected is not None:
                # What happened within depended on more than the fault.
                answer = None if self._tree.within(call.index) else Answer.of(call)
                self._knowledge.learn_fault(call.library, call.injected, answer, self._number)
        if not self._tree.whole:
            return
        last = self._fold(ROOT, TEST)
        if last is not None:
            self._note(last, Verdict.of(execution.failure), ROOT)
        while self._invoked:
            self._learn_invocation(*self._invoked.popleft())

    def _learn_invocation(self, call: Observation, state: State) -> None:
        last = self._fold(call.index, state)
        answer = Answer.of(call)
        if last is None:
            return
        self._note(last, End.END, call.index)
        if answer.known:
            self._note(answer_state(last, call), answer, call.index)

    def _fold(self, index: bytes, state: State, depth: int = 0) -> State | None:
        """Learn one invocation's events; return its last state, None if that isn't certain."""
        flaw = self._tree.flaws.get(index)
        # Up to the flaw, events hold the positions 0, 1, 2, ….
        for seen in self._tree.within(index)[:flaw]:
            event = self._named(seen, state)
            step = Event.of(event)
            self._note(state, step, index)
            outcome = self._outcome(event, state, depth)
            if outcome is None:
                return None
            state = fold(state, step.key, outcome)
        return state if flaw is None else None

    def _named(self, seen: Observation, state: State) -> Observation:
        target = self._knowledge.target(state, seen)
        return seen if target == seen.target else replace(seen, target=target)

    def _outcome(self, event: Observation, state: State, depth: int) -> bytes | None:
        if event.role is Role.ASK:
            return self._asked(event, state)
        if event.role is Role.BRANCH:
            return self._branched(event, state, depth)
        if not event.unanswered:
            self._invoked.append((event, request_state(state, event)))
        answer = Answer.of(event)
        return answer.encoded() if answer.known else None

    def _branched(self, branch: Observation, state: State, depth: int) -> State | None:
        if depth >= MAX_DEPTH:
            return None
        last = self._fold(branch.index, branch_state(state, branch), depth + 1)
        if last is not None:
            self._note(last, End.END, branch.index)
        return last

    def _asked(self, question: Observation, state: State) -> bytes | None:
        path = self._tree.paths[question.index]
        hit = was_hit(question.target, {target for target, at in self._hits if at < path})
        if question.ok is hit:
            return asked(hit)
        self._knowledge.distrust(state)
        text = f"asked whether a fault was injected, got {question.ok}, though it is {hit}"
        self.findings.append(Finding(FindingKind.NONDETERMINISTIC, question.index, text))
        return None

    def _note(self, state: State, step: Step, index: bytes) -> None:
        before = self._knowledge.learn(state, step, self._number)
        if before is None:
            return
        text = (
            f"{self._name(index)}: {step} in execution {self._number}, but {before.step} in"
            f" execution {before.number}, after the same requests and answers"
        )
        self.findings.append(Finding(FindingKind.NONDETERMINISTIC, index, text))

    def _name(self, index: bytes) -> str:
        if index == ROOT:
            return "the test"
        place = next(o for o in self._tree.preorder if o.index == index)
        return describe(place) if place.role is Role.CALL else "a branch"


def was_hit(target: str, hits: set[str]) -> bool:
    """Whether a fault was injected on calls to `target`, or on any if that is empty."""
    return target in hits if target else bool(hits)


def asked(hit: bool) -> bytes:
    """Return the outcome of a question."""
    return b"yes" if hit else b"no"
