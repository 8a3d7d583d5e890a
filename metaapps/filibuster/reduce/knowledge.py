"""What executions have taught: the next step of every invocation, by the hash of its past.

An invocation (the functional test, a service handling one request, a branch) is taken for a
deterministic function of what was asked of it and of what came back so far. Its state is a hash of
both; the table maps a state to the next event, or to how the invocation ends. Teaching it is
`lesson`, asking it is `walk`.

A branch runs at the same time as what follows its start, and may go by that: so after the same past
it may go on in several ways, of which the table keeps all. Which one is right shows where the whole
invocation ends: its last state is a hash of all that happened in it, in its branches too, and is
known only if just that has been seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeGuard

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.index import DIGEST_SIZE
from metaapps.filibuster.observation import Failure, Observation, Role
from metaapps.filibuster.reduce.reading import Answer, Reading
from metaapps.filibuster.tree import describe

State = bytes


def fold(state: State, *parts: bytes) -> State:
    """Return the state that follows `state` after `parts`."""
    whole = [state]
    for part in parts:
        whole += (len(part).to_bytes(4, "big"), part)
    return blake2b(b"".join(whole), digest_size=DIGEST_SIZE).digest()


TEST: Final[State] = fold(b"", b"test")
"""The functional test's first state."""


@lru_cache(maxsize=1 << 16)
def _event_key(*parts: object) -> bytes:
    return fold(b"", repr(parts).encode())


@dataclass(frozen=True, slots=True)
class Event:
    """A call, a branch or a question that comes next; `template` is one that was observed."""

    key: bytes
    template: Observation = field(compare=False)

    @classmethod
    def of(cls, seen: Observation) -> Event:
        """Return the event without its outcome and without the path that led to it."""
        # A target may be known in one execution and not in another: the call is the same.
        asked = seen.target if seen.role is Role.ASK else ""
        site = (seen.site.module, seen.site.function)
        call = (seen.source, seen.library, seen.method, seen.operation, seen.payload)
        modes = (seen.occurrence, seen.timeout is not None, seen.by_test)
        return cls(_event_key(seen.role.value, asked, site, call, modes), seen)

    def __str__(self) -> str:
        if self.template.role is Role.CALL:
            content = (self.template.payload or b"").hex()[:8]
            return f"calls {describe(self.template)}" + (f" with {content}" if content else "")
        return "starts a branch" if self.template.role is Role.BRANCH else "asks about faults"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the functional test ends; its failure counts by the summary."""

    summary: str | None
    failure: Failure | None = field(compare=False)

    @classmethod
    def of(cls, failure: Failure | None) -> Verdict:
        """Return the verdict of a test that failed so, or passed."""
        return cls(None if failure is None else failure.summary, failure)

    def __str__(self) -> str:
        return "passes" if self.summary is None else f"fails ({self.summary})"


class End(Enum):
    """A branch or a service's invocation is over; its answer is kept for each kind of caller."""

    END = "ends"

    def __str__(self) -> str:
        return self.value


Step = Event | Answer | Verdict | End


@dataclass(frozen=True, slots=True)
class Known:
    """A step, and the number of the execution that taught it."""

    step: Step
    number: int


def request_state(caller: State, call: Observation) -> State:
    """Return the first state of the service that a call asks.

    Equal requests to a service are one, wherever they come from. Where the content or the target
    isn't known, they follow from the caller's state, since the caller is deterministic.
    """
    if call.target and call.payload is not None:
        return fold(b"", b"request", call.target.encode(), call.operation.encode(), call.payload)
    return fold(caller, b"request", Event.of(call).key)


def branch_state(parent: State, branch: Observation, fault: Fault | None) -> State:
    """Return the first state of a branch that starts when its parent is in `parent`.

    What befell a message on its way is a part of that.
    """
    return fold(parent, b"branch", str(branch.occurrence).encode(), _told(fault))


@lru_cache(maxsize=4096)
def _told(fault: Fault | None) -> bytes:
    return b"" if fault is None else repr(fault).encode()


def answer_state(last: State, call: Observation, fault: Fault | None, *, slow: bool) -> State:
    """Return where the answer is kept for callers who would see it alike.

    Another library tells the same answer in other words, and only with a timeout can it be late.
    Where something was `slow` on purpose, it depends on how long the timeout is. `fault` is what
    befell the answer on its way.
    """
    patience = call.timeout if slow or fault is not None else call.timeout is not None
    parts = (call.library.encode(), str(patience).encode())
    return fold(last, b"answer", *parts, _told(fault))


def befalls_answer(fault: Fault) -> bool:
    """Say whether the call is made under a fault, which changes what comes of it."""
    kinds = (FaultKind.DELAY, FaultKind.DUPLICATE)
    return fault.late or fault.edit is not None or fault.kind in kinds


def looks_alike(fault: Fault) -> bool:
    """Say whether a fault shows its callers the same, whatever the answer would have been."""
    changed = (FaultKind.BODY, FaultKind.DELAY, FaultKind.DUPLICATE)
    return not befalls_answer(fault) or (fault.late and fault.kind not in changed)


def _is(step: Step, event: Event | None) -> TypeGuard[Event]:
    return isinstance(step, Event) and step == event


def _targets(step: Step) -> int:
    return int(isinstance(step, Event) and bool(step.template.target))


@dataclass(frozen=True, slots=True)
class Varying:
    """A call whose answers differ after the same requests, in so many executions.

    `call` is for people, `pattern` for `--ignore-answers`.
    """

    call: str
    pattern: str
    executions: int


class Knowledge:
    """The table of steps, and what each fault looks like to its caller. Not thread-safe.

    What is learnt twice and differs is unknown from then on.
    """

    def __init__(self, reading: Reading) -> None:
        """Take answers for equal as `reading` says."""
        self.reading = reading
        self.revision = 0
        """Grows whenever something known changes; not with what is merely new."""
        self._steps: dict[State, tuple[Known, ...] | None] = {}
        self._doubted: dict[State, Known] = {}
        self._faults: dict[tuple[str, Fault], tuple[Answer, int | None] | None] = {}
        # A call is asked for in many states: what is known of it is kept once.
        self._same: dict[tuple[Step, str], Step] = {}

    def steps(self, state: State) -> tuple[Known, ...]:
        """Return what may come next: nothing if that is unknown or not certain."""
        return self._steps.get(state) or ()

    def is_known(self, state: State) -> bool:
        """Whether anything is known of what comes next."""
        return bool(self._steps.get(state))

    def target(self, state: State, seen: Observation) -> str:
        """Return the target of an event after `state`: as seen, or else as seen before."""
        known = () if seen.target else self._steps.get(state) or ()
        key = Event.of(seen) if known else None
        found = (each.step.template.target for each in known if _is(each.step, key))
        return next(found, seen.target)

    def learn(self, state: State, step: Step, number: int, *, many: bool = False) -> Known | None:
        """Note what came next; return what came first if this contradicts it.

        Contradicted once, a state is unknown for good, and further contradictions are told too.
        Where there may be `many` ways to go on, nothing is a contradiction.
        """
        if state not in self._steps:
            self._steps[state] = (Known(self._kept(step), number),)
            return None
        known = self._steps[state]
        if known is None:
            first = self._doubted.get(state)
            return None if first is None or first.step == step else first
        for place, each in enumerate(known):
            if each.step == step:
                self._learn_target(state, place, step)
                return None
        if many:
            self._steps[state] = (*known, Known(self._kept(step), number))
            self.revision += 1
            return None
        self.distrust(state)
        self._doubted[state] = known[0]
        return known[0]

    def _learn_target(self, state: State, place: int, step: Step) -> None:
        known = self._steps[state] or ()
        if _targets(step) > _targets(known[place].step):
            better = Known(self._kept(step), known[place].number)
            self._steps[state] = (*known[:place], better, *known[place + 1 :])
            self.revision += 1

    def _kept(self, step: Step) -> Step:
        key = (step, step.template.target if isinstance(step, Event) else "")
        kept = self._same.get(key)
        if kept is None:
            if isinstance(step, Event):
                # Clocks belong to one place in one execution; a prediction would tell wrong ones.
                step = replace(step, template=replace(step.template, clock={}, origin={}))
            kept = self._same[(step, key[1])] = step
        return kept

    def distrust(self, state: State) -> None:
        """Take what follows `state` for unknown from now on."""
        self._steps[state] = None
        self.revision += 1

    def fault(self, call: Observation, fault: Fault) -> tuple[Answer, int | None] | None:
        """Return what a fault looks like there, and which execution taught it (None: no need)."""
        key = (call.library, fault)
        found = self._faults[key] if key in self._faults else self._foreseen(fault)
        return None if found is None else (self.reading.fault(found[0], call), found[1])

    def _foreseen(self, fault: Fault) -> tuple[Answer, None] | None:
        if fault.kind is FaultKind.STATUS and not self.reading.strict:
            return Answer(status=fault.status), None
        if fault.kind is FaultKind.RAISE:
            return Answer(raised=fault.name), None
        return None

    def learn_fault(self, library: str, fault: Fault, answer: Answer | None, number: int) -> None:
        """Note what a fault looked like; None: that can't be told from the fault alone."""
        key = (library, fault)
        if answer is None or not answer.certain:
            self._doubt_fault(key)
            return
        if key not in self._faults:
            # Predictions that rest on what was foreseen name no teacher yet.
            self.revision += self._foreseen(fault) is not None
            self._faults[key] = (answer, number)
            return
        known = self._faults[key]
        if known is not None and known[0] != answer:
            self._doubt_fault(key)

    def _doubt_fault(self, key: tuple[str, Fault]) -> None:
        if self._faults.get(key, 0) is not None:
            self.revision += 1
        self._faults[key] = None
