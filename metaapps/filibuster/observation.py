"""What the services and the functional test report about one execution, and what became of it.

Plain values, without their encoding (`wire`) and without conclusions (`reduce`, `explore`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from baggage.boundary import UNKNOWN_SITE, CallSite, Fault, FaultKind
from baggage.boundary.value import value
from metaapps.filibuster.index import Frame, branch_frame, call_frame
from metaapps.filibuster.plan import Plan

NO_CLOCK: Final[Mapping[str, int]] = MappingProxyType({})


def _no_clock() -> Mapping[str, int]:
    # Python 3.11 refuses it as a plain default, since it can't be hashed there.
    return NO_CLOCK


class Role(Enum):
    """What an observation tells of: a call, a branch that was started, a question of the test."""

    CALL = "call"
    BRANCH = "branch"
    ASK = "ask"
    END = "end"
    """A branch ended: so nothing more is to be heard of it. Its index is the branch's.

    So is its parent, but for a delivery, which has the message's: then the message has ended too,
    unless it is not `ok` and goes back to its broker, to be delivered again; perhaps only, if that
    is `ambiguous`."""
    SERVING = "serving"
    """A call's answer left before the service was done with it; an END follows. Its index is the
    call's."""
    PUSHED = "pushed"
    """More is under way to the coordinator: so many observations as `position` says, in a parcel
    of the name `index`."""


TAKES: Final = ": "
"""What stands between who takes a message and where from."""
LOST: Final = " (lost)"
"""What follows that where somebody else does what one who was lost has left to do."""
EVENTS: Final = frozenset({Role.CALL, Role.BRANCH, Role.ASK})
"""The roles of what happened in an execution; the others tell how far one has heard of it."""


@value
class Observation:
    """One call, branch or question, seen where it was made.

    `index` names it and `parent` the enclosing call or branch (`index.ROOT` for the functional
    test). `position` is its place, from 0, in the program order of that parent, over all roles.

    Of a CALL: what it asked (`library` … `timeout` in seconds; `payload` is a digest of what the
    callee reads), the clocks (`origin` is the clock of the call that it was made for), and what
    came back: `raised` is the full name of an exception, or else `status`, `ok` and `digest` (of
    what the application read; None where that can't be known) tell the answer. `injected` is the
    fault that was really enacted. `by_test` marks the functional test's own calls. `delayed` are
    the simulated seconds that it took, beside the real ones.

    `by_payload` says that `payload` is a part of the index. `ambiguous` calls and branches can't be
    told from others that were made at the same time, within one branch: their index says nothing.

    Of an ASK: `target` is the service that was asked about ("" for any), `ok` the answer.
    """

    _: KW_ONLY
    role: Role
    index: bytes
    parent: bytes
    position: int
    source: str = ""
    target: str = ""
    by_test: bool = False
    library: str = ""
    method: str = ""
    operation: str = ""
    arguments: str = ""
    site: CallSite = UNKNOWN_SITE
    occurrence: int = 0
    payload: bytes | None = None
    timeout: float | None = None
    clock: Mapping[str, int] = field(default_factory=_no_clock, hash=False)
    origin: Mapping[str, int] = field(default_factory=_no_clock, hash=False)
    raised: str | None = None
    status: int | None = None
    ok: bool = True
    digest: bytes | None = None
    injected: Fault | None = None
    delayed: float = 0.0
    by_payload: bool = False
    ambiguous: bool = False

    @property
    def unanswered(self) -> bool:
        """Whether the call failed by itself or on purpose: then its callee's part isn't known."""
        return self.raised is not None or self.injected is not None

    @property
    def frame(self) -> Frame:
        """The last frame of the index: `child(parent, frame) == index`. Not for an ASK."""
        if self.role is Role.BRANCH:
            return branch_frame(self.source, self.site, self.operation, self.occurrence)
        return call_frame(
            self.source,
            self.site,
            self.operation,
            self.occurrence,
            by_test=self.by_test,
            payload=self.payload if self.by_payload else None,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """How a functional test failed: `summary` is one line, `details` its traceback and output."""

    summary: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """A service that ended by itself, and `how`: by which exit code or signal."""

    service: str
    how: str

    def __str__(self) -> str:
        return f"service {self.service!r} ended ({self.how})"


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of the functional test under a plan. `failure` is None when the test passed.

    `observations` are of calls, branches and questions. `unfinished` are the branches among them
    that had not ended when the execution was judged, and the calls that were still served then.
    `lost` is how many observations were announced to come and did not. `deaths` are of the services
    that did not survive it: it has failed then, and what they saw last is not known.
    """

    plan: Plan
    observations: tuple[Observation, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    unfinished: tuple[Observation, ...] = ()
    lost: int = 0
    deaths: tuple[Death, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the functional test passed."""
        return self.failure is None

    @property
    def fired(self) -> frozenset[bytes]:
        """The indices of the calls where a fault was really enacted."""
        return frozenset(o.index for o in self.observations if o.injected is not None)


def _nothing(_: Observation) -> bool:
    return False


def open_branches(
    seen: Collection[Observation], comes_again: Callable[[Observation], bool] = _nothing
) -> tuple[Observation, ...]:
    """Return the branches that were seen to start, and not to end; calls that are served too.

    A message has ended when its deliveries have, as many as are known to come. `comes_again` says
    of which messages one follows on each whose broker didn't hear that the work was done.
    """
    ends = [one for one in seen if one.role is Role.END]
    ended = {one.index for one in ends}
    taken: dict[bytes, dict[str, set[Observation]]] = defaultdict(lambda: defaultdict(set))
    for one in ends:
        taken[one.parent][one.operation.partition(TAKES)[2]].add(one)

    def is_open(one: Observation) -> bool:
        if one.index in ended:
            return False
        twice = one.injected is not None and one.injected.kind is FaultKind.DUPLICATE
        lost = comes_again(one)
        queues = taken.get(one.index, {}).values()
        return not queues or any(_owes(queue, 1 + twice, lost=lost) for queue in queues)

    return tuple(one for one in seen if one.role in _ENDING and is_open(one))


_ENDING: Final = frozenset({Role.BRANCH, Role.SERVING})


def _owes(ends: Collection[Observation], expected: int, *, lost: bool) -> bool:
    """Say whether more deliveries are to come from a queue than ended, where so many were put."""
    back = {one.index for one in ends if not one.ok and (lost or not one.ambiguous)}
    return len({one.index for one in ends}) < expected + len(back)
