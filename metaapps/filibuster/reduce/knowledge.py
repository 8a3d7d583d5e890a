"""What executions have taught: the next step of every invocation, by the hash of its past.

An invocation (the functional test, a service handling one request, a branch) is taken for a
deterministic function of what was asked of it and of what came back so far. Its state is a hash of
both; the table maps a state to the next event, or to how the invocation ends. Teaching it is
`lesson`, asking it is `reduce`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from hashlib import blake2b
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.index import DIGEST_SIZE
from metaapps.filibuster.observation import Failure, Observation, Role
from metaapps.filibuster.tree import describe

State = bytes


def fold(state: State, *parts: bytes) -> State:
    """Return the state that follows `state` after `parts`."""
    digest = blake2b(state, digest_size=DIGEST_SIZE)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


TEST: Final[State] = fold(b"", b"test")
"""The functional test's first state."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a call, as far as its caller's next step depends on it.

    Of a failure only its name and status count, since a fault shows no more. A success counts by
    the digest of what the caller read; without a digest it equals nothing, not even itself.
    """

    raised: str | None = None
    status: int | None = None
    ok: bool = False
    digest: bytes | None = None

    @classmethod
    def of(cls, call: Observation) -> Answer:
        """Return what an observed call got back."""
        if call.raised is not None:
            return cls(raised=call.raised, status=call.status)
        return cls(status=call.status, ok=call.ok, digest=call.digest if call.ok else None)

    @property
    def known(self) -> bool:
        """Whether the caller's next step follows from this."""
        return not self.ok or self.digest is not None

    def encoded(self) -> bytes:
        """Return bytes that tell this answer from any other."""
        return repr((self.raised, self.status, self.ok, self.digest)).encode()

    def onto(self, call: Observation, injected: Fault | None) -> Observation:
        """Return the observation of a call that got this back, from a fault or by itself."""
        return replace(
            call,
            raised=self.raised,
            status=self.status,
            ok=self.ok,
            digest=self.digest,
            injected=injected,
        )

    def __str__(self) -> str:
        if self.raised is not None:
            return f"raised {self.raised}"
        content = f" ({self.digest.hex()[:8]})" if self.digest is not None else ""
        return f"answered {'ok' if self.status is None else self.status}{content}"


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
        return cls(fold(b"", repr((seen.role.value, asked, site, call, modes)).encode()), seen)

    def __str__(self) -> str:
        if self.template.role is Role.CALL:
            return f"calls {describe(self.template)}"
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


def branch_state(parent: State, branch: Observation) -> State:
    """Return the first state of a branch that starts when its parent is in `parent`."""
    return fold(parent, b"branch", str(branch.occurrence).encode())


def answer_state(last: State, call: Observation) -> State:
    """Return where the answer is kept for callers who would see it alike.

    Another library tells the same answer in other words, and only with a timeout can it be late.
    """
    return fold(last, b"answer", call.library.encode(), str(call.timeout is not None).encode())


def _targets(step: Step) -> int:
    return int(isinstance(step, Event) and bool(step.template.target))


class Knowledge:
    """The table of steps, and what each fault looks like to its caller. Not thread-safe.

    What is learnt twice and differs is unknown from then on.
    """

    def __init__(self) -> None:
        self._steps: dict[State, Known | None] = {}
        self._faults: dict[tuple[str, Fault], tuple[Answer, int | None] | None] = {}

    def step(self, state: State) -> Known | None:
        """Return what comes next, None if that is unknown or not certain."""
        return self._steps.get(state)

    def target(self, state: State, seen: Observation) -> str:
        """Return the target of an event after `state`: as seen, or else as seen before."""
        known = self._steps.get(state)
        if not seen.target and known is not None and isinstance(known.step, Event):
            return known.step.template.target
        return seen.target

    def learn(self, state: State, step: Step, number: int) -> Known | None:
        """Note what came next; return the earlier knowledge if this contradicts it."""
        known = self._steps.setdefault(state, Known(step, number))
        if known is None:
            return None
        if known.step != step:
            self._steps[state] = None
            return known
        if _targets(step) > _targets(known.step):
            self._steps[state] = Known(step, known.number)
        return None

    def distrust(self, state: State) -> None:
        """Take what follows `state` for unknown from now on."""
        self._steps[state] = None

    def fault(self, library: str, fault: Fault) -> tuple[Answer, int | None] | None:
        """Return what a fault looks like there, and which execution taught it (None: no need)."""
        key = (library, fault)
        if key in self._faults:
            return self._faults[key]
        if fault.kind is FaultKind.STATUS:
            return Answer(status=fault.status), None
        if fault.kind is FaultKind.RAISE:
            return Answer(raised=fault.name), None
        return None

    def learn_fault(self, library: str, fault: Fault, answer: Answer | None, number: int) -> None:
        """Note what a fault looked like; None: that can't be told from the fault alone."""
        key = (library, fault)
        if answer is None or not answer.known:
            self._faults[key] = None
            return
        known = self._faults.setdefault(key, (answer, number))
        if known is not None and known[0] != answer:
            self._faults[key] = None
