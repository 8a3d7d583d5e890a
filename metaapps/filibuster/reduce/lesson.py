"""Learning from one execution: each of its invocations, folded event by event.

Whatever isn't certain teaches nothing: what comes after a gap, after an answer without a digest, or
within an execution that has pieces of unknown place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.reduce.knowledge import (
    TEST,
    End,
    Event,
    Knowledge,
    Known,
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
from metaapps.filibuster.reduce.reading import Answer
from metaapps.filibuster.tree import Tree, describe

MAX_DEPTH: Final = 100
"""What is nested deeper than this (branches, and calls when predicting) counts as unknown."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Where an invocation has come to; `slow` if something in it took longer on purpose."""

    state: State
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A call's answer that was another one in an earlier execution, after the same requests."""

    call: Observation
    first: Known


class Lesson:
    """One execution being learnt; `findings` tell what contradicts earlier ones."""

    def __init__(self, knowledge: Knowledge, number: int, tree: Tree) -> None:
        self.findings: list[Finding] = []
        self.contradictions: list[Contradiction] = []
        self._reading = knowledge.reading
        self._knowledge = knowledge
        self._number = number
        self._tree = tree
        self._edits: Mapping[bytes, Fault] = {}
        self._invoked: deque[tuple[Observation, State]] = deque()
        self._hits = tuple((o.target, tree.paths[o.index]) for o in tree.preorder if o.injected)

    def learn(self, execution: Execution) -> None:
        """Learn what the execution's faults looked like, then all its invocations."""
        edits = (each for each in execution.plan.faults if each.fault.edit is not None)
        self._edits = {each.index: each.fault for each in edits}
        for call in self._tree.calls:
            if call.injected is not None and looks_alike(call.injected):
                self._learn_fault(call, call.injected)
        if not self._tree.whole:
            return
        last = self._fold(ROOT, Trail(TEST))
        if last is not None:
            self._note(last.state, Verdict.of(execution.failure), ROOT)
        while self._invoked:
            self._learn_invocation(*self._invoked.popleft())

    def _learn_fault(self, call: Observation, fault: Fault) -> None:
        # Where the call was not to be made, and something happened within, that made the answer.
        odd = self._tree.within(call.index) and not befalls_answer(fault)
        answer = None if odd else self._reading.exact(replace(call, delayed=0.0))
        self._knowledge.learn_fault(call.library, fault, answer, self._number)

    def _learn_invocation(self, call: Observation, state: State) -> None:
        last = self._fold(call.index, Trail(state))
        if last is None:
            return
        self._note(last.state, End.END, call.index)
        answer = self._reading.answer(call)
        if call.injected is not None and looks_alike(call.injected):
            return
        if answer.certain:
            kept = answer_state(last.state, call, call.injected, slow=last.slow)
            self._note(kept, answer, call.index)
        edit = self._edits.get(call.index)
        if edit is not None and call.injected is None and answer.certain:
            # There was nothing to edit in this answer, and won't be.
            kept = answer_state(last.state, call, edit, slow=last.slow)
            self._note(kept, replace(answer, spared=True), call.index)

    def _fold(self, index: bytes, trail: Trail, depth: int = 0) -> Trail | None:
        """Learn one invocation's events; return its last state, None if that isn't certain."""
        flaw = self._tree.flaws.get(index)
        # Up to the flaw, events hold the positions 0, 1, 2, ….
        for seen in self._tree.within(index)[:flaw]:
            if _is_silent_process(seen) and not self._tree.within(seen.index):
                continue
            event = self._named(seen, trail.state)
            step = Event.of(event)
            self._note(trail.state, step, index, many=depth > 0)
            outcome = self._outcome(event, trail.state, depth)
            if outcome is None:
                return None
            slow = trail.slow or outcome.slow
            trail = Trail(fold(trail.state, step.key, outcome.state), slow)
        return trail if flaw is None else None

    def _named(self, seen: Observation, state: State) -> Observation:
        target = self._knowledge.target(state, seen)
        return seen if target == seen.target else replace(seen, target=target)

    def _outcome(self, event: Observation, state: State, depth: int) -> Trail | None:
        if event.role is Role.ASK:
            return self._asked(event, state)
        if event.role is Role.BRANCH:
            return self._branched(event, state, depth)
        fault = event.injected
        # A call that was given up after simulated seconds was served to its end all the same.
        served = not event.unanswered if fault is None else befalls_answer(fault)
        if served or (fault is None and event.delayed):
            self._invoked.append((event, request_state(state, event)))
        answer = self._reading.answer(event)
        return outcome_of(answer, fault) if answer.certain else None

    def _branched(self, branch: Observation, state: State, depth: int) -> Trail | None:
        if depth >= MAX_DEPTH:
            return None
        last = self._fold(
            branch.index, Trail(branch_state(state, branch, branch.injected)), depth + 1
        )
        if last is not None:
            self._note(last.state, End.END, branch.index, many=True)
        return last

    def _asked(self, question: Observation, state: State) -> Trail | None:
        path = self._tree.paths[question.index]
        hit = was_hit(question.target, {target for target, at in self._hits if at < path})
        if question.ok is hit:
            return asked(hit)
        self._knowledge.distrust(state)
        text = f"asked whether a fault was injected, got {question.ok}, though it is {hit}"
        if hit:
            # Its place in the tree is before the question; its moment may have been after it.
            text += ": one that a consumer or a branch meets may come later than the question"
        self.findings.append(Finding(FindingKind.NONDETERMINISTIC, question.index, text))
        return None

    def _note(self, state: State, step: Step, index: bytes, *, many: bool = False) -> None:
        doubted = not self._knowledge.is_known(state)
        before = self._knowledge.learn(state, step, self._number, many=many)
        if before is None:
            return
        if isinstance(step, Answer):
            call = next(o for o in self._tree.preorder if o.index == index)
            self.contradictions.append(Contradiction(call, before))
        if not doubted:
            text = self._contradicted(step, before, index)
            self.findings.append(Finding(FindingKind.NONDETERMINISTIC, index, text))

    def _contradicted(self, step: Step, before: Known, index: bytes) -> str:
        name, first, second = self._name(index), before.number, self._number
        if isinstance(step, Answer):
            return (
                f"{name} answered differently in executions {first} and {second} after the same"
                f" requests: {before.step}, then {step}"
            )
        return (
            f"{name}: {step} in execution {second}, but {before.step} in execution {first},"
            " after the same requests and answers"
        )

    def _name(self, index: bytes) -> str:
        if index == ROOT:
            return "the test"
        place = next(o for o in self._tree.preorder if o.index == index)
        return describe(place) if place.role is Role.CALL else "a branch"


def outcome_of(answer: Answer, fault: Fault | None) -> Trail:
    """Return what a call's answer, from a fault or by itself, adds to its caller's past."""
    slow = bool(answer.delayed) or (fault is not None and fault.kind is FaultKind.DELAY)
    return Trail(answer.encoded(), slow)


def _is_silent_process(event: Observation) -> bool:
    """Say whether an event started a process, which nothing depends on if it made no calls.

    Libraries start some once, when they are first used (to ask for the platform, say).
    """
    return event.role is Role.BRANCH and event.library == "subprocess"


def was_hit(target: str, hits: set[str]) -> bool:
    """Whether a fault was injected on calls to `target`, or on any if that is empty."""
    return target in hits if target else bool(hits)


def asked(hit: bool) -> Trail:
    """Return the outcome of a question."""
    return Trail(b"yes" if hit else b"no")
