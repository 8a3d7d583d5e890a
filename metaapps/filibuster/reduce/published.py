"""The published criterion for redundant executions, kept so that published counts can be had again.

It is that of the tool that came with "Service-Level Fault Injection Testing" (Meiklejohn et al.,
SoCC'21), as its code has it, since the paper leaves details open:

* Of a plan, the calls that its execution is known to make count: those of the execution that it
  grew from, in the order in which they began, up to the one that the plan newly fails. The
  functional test's own calls don't.
* They are grouped by the request that they were made for: one group for each call that others were
  made within, and one for all calls that were made straight for the functional test.
* A plan is redundant if for each group some earlier execution, which need not be the same one for
  all of them, has every call of the group (by execution index) with the same outcome:
  - A call that the plan fails by an exception: it was failed by the same one, or raised it by
    itself, or passed it on.
  - A call that the plan fails by a status: its answer had that status, from a fault or not.
  - A call that the plan lets through: it was let through, and was the same call: the same one in
    the execution's count of calls, with the same clocks, arguments and timeout. What was answered
    is not looked at; this is where failures are missed.
* A redundant plan is dropped with all that might have grown from it.

Its order is part of it: `explore.Order.DEPTH_FIRST`. Where the tool compares what one of its
instrumentations writes with what another one reads, and never finds them equal (gRPC codes that
were injected, with real ones), here they count as equal. Faults that it does not have count only by
themselves. An exception without a name of its own is known by its name once it was injected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.finding import Finding
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.reduce.knowledge import Varying, befalls_answer
from metaapps.filibuster.reduce.walk import Prediction
from metaapps.filibuster.tree import Tree

_EXCEPTIONS = frozenset(
    {
        FaultKind.REFUSED,
        FaultKind.TIMEOUT,
        FaultKind.RESET,
        FaultKind.CANCELLED,
        FaultKind.RAISE,
    }
)
_Key = tuple[bytes, str, object]
"""A call with an outcome: its index, in which respect, and what it was."""
_PlanKey = frozenset[tuple[bytes, Fault]]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A call in an execution's log: the request that it was made for, and which call it is."""

    index: bytes
    group: bytes
    library: str
    itself: int


class Published:
    """The published criterion; see the module. Learns what ran, and predicts no outcome."""

    varying: tuple[Varying, ...] = ()

    def __init__(self) -> None:
        """Know nothing yet."""
        # Which executions had a call with an outcome, as the bits of a number: the first is bit 0.
        self._having: dict[_Key, int] = {}
        self._logs: dict[_PlanKey, tuple[_Entry, ...]] = {}
        self._entries: dict[_Entry, _Entry] = {}
        self._raised: dict[tuple[str, Fault], str] = {}

    def learn(self, number: int, execution: Execution, tree: Tree) -> tuple[Finding, ...]:
        bit = 1 << (number - 1)
        calls = [call for call in tree.calls if not call.by_test]
        groups = _groups(tree)
        log = []
        for position, call in enumerate(calls):
            entry = _Entry(call.index, groups[call.parent], call.library, _itself(position, call))
            log.append(self._entries.setdefault(entry, entry))
            if call.injected is not None and call.raised is not None:
                self._raised.setdefault((call.library, call.injected), call.raised)
            for key in _outcomes(call, entry):
                self._having[key] = self._having.get(key, 0) | bit
        happened = ((o.index, o.injected) for o in tree.preorder if o.injected is not None)
        self._logs.setdefault(frozenset(happened), tuple(log))
        return ()

    def predict(self, plan: Plan) -> Prediction | None:
        log = self._log(plan)
        if not log:
            return None
        planned = {each.index: each for each in plan.faults}
        having: dict[bytes, int] = {}
        for entry in log:
            same = self._same(entry, planned.get(entry.index))
            having[entry.group] = having.get(entry.group, -1) & same
        if not all(having.values()):
            return None
        # The first one for each group, as the tool looks for them.
        numbers = {(bits & -bits).bit_length() for bits in having.values()}
        return Prediction(Execution(plan), tuple(sorted(numbers)), whole=False)

    def _log(self, plan: Plan) -> tuple[_Entry, ...]:
        """Return the calls that a plan is known to make, up to the one that it newly fails."""
        starts = [at for at, each in enumerate(plan.faults) if not each.optional]
        if not starts:
            return ()
        newest = plan.faults[starts[-1]].index
        base = frozenset((each.index, each.fault) for each in plan.faults[: starts[-1]])
        log = self._logs.get(base, ())
        before = tuple(takewhile(lambda entry: entry.index != newest, log))
        return log[: len(before) + 1] if len(before) < len(log) else ()

    def _same(self, entry: _Entry, planned: PlannedFault | None) -> int:
        """Return which executions had a call with the outcome that the plan has for it."""
        if planned is None:
            return self._having.get((entry.index, "itself", entry.itself), 0)
        fault = planned.fault
        if fault.kind is FaultKind.STATUS and not befalls_answer(fault):
            return self._having.get((entry.index, "status", fault.status), 0)
        same = self._having.get((entry.index, "fault", fault), 0)
        if fault.kind in _EXCEPTIONS and not befalls_answer(fault):
            raised = fault.name or self._raised.get((entry.library, fault))
            same |= self._having.get((entry.index, "raised", raised), 0)
        return same


def _groups(tree: Tree) -> dict[bytes, bytes]:
    """Return for what holds events which request they are made for; ROOT for the test's."""
    groups = {ROOT: ROOT}
    for event in tree.preorder:
        inner = event.role is Role.CALL and not event.by_test
        groups[event.index] = event.index if inner else groups[event.parent]
    return groups


def _itself(position: int, call: Observation) -> int:
    """Return what tells a call from others, beside its index, as a number."""
    clocks = (tuple(sorted(call.clock.items())), tuple(sorted(call.origin.items())))
    return hash((position, clocks, call.library, call.method, call.arguments, call.timeout))


def _outcomes(call: Observation, entry: _Entry) -> Iterator[_Key]:
    """Yield in which respects a later plan's call may be the same."""
    if call.injected is not None:
        yield call.index, "fault", call.injected
    else:
        yield call.index, "itself", entry.itself
        if call.raised is not None:
            yield call.index, "raised", call.raised
    if call.status is not None:
        yield call.index, "status", call.status
