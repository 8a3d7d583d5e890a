"""Simulated latency: who would have waited how long, and for whom too long, though nobody waits.

A planned delay is only noted. Each call says how far the call that it was made for has come by its
end; so its caller knows how long it took, the longest of its branches counting, and whether that is
beyond its timeout. Only what was waited for counts: only that comes home. Real time doesn't, nor
does a message's delay, which is real. Where this enters a call is in `flows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final

from baggage.boundary import Call, Fault, FaultKind, Inject, Outcome, Proceed
from baggage.context import Branch, branch
from baggage.values import Baggage, Direction, Key, Value
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import Orders
from metaapps.filibuster.plan import PlannedFault
from metaapps.filibuster.tree import Tree

BEGUN: Final = Key("filibuster.begun", direction=Direction.DOWN, priority=0)
TOOK: Final = Key("filibuster.took", direction=Direction.HOME, priority=10)
TOO_LATE: Final = Fault(FaultKind.TIMEOUT, late=True)
_FORMAT: Final = Struct(">16sQ?")
_FOREVER: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Moment:
    """So many simulated microseconds after the call with the index `frame` reached its callee.

    `final` is the moment at which the callee answered.
    """

    frame: bytes
    micros: int = 0
    final: bool = False

    def encoded(self) -> bytes:
        """Return it as bytes."""
        # What strangers say of their time may add up to more than there is room for.
        return _FORMAT.pack(self.frame, min(self.micros, _FOREVER), self.final)


_START: Final = Moment(ROOT)


def is_reckoned(orders: Orders) -> bool:
    """Say whether delays are planned that are only reckoned with."""
    return orders.delays and not orders.real_latency


def moments(values: Iterable[Value]) -> list[Moment]:
    """Return the moments among values, leaving out what is none."""
    blobs = [value for value in values if isinstance(value, bytes) and len(value) == _FORMAT.size]
    return [Moment(*_FORMAT.unpack(blob)) for blob in blobs]


def took(known: Iterable[Moment], frame: bytes) -> int:
    """Return how many microseconds a callee took, by what is known of the call `frame`."""
    of_it = [moment for moment in known if moment.frame == frame]
    finals = [moment.micros for moment in of_it if moment.final]
    # The first final one is when the answer left; the callee may have gone on.
    return min(finals) if finals else max((moment.micros for moment in of_it), default=0)


def is_late(micros: int, timeout: float | None) -> bool:
    """Say whether a caller with this timeout, in seconds, does not wait so long."""
    return timeout is not None and micros > 0 and _micros(timeout) <= micros


def now(running: Branch) -> Moment:
    """Return how far the call that a branch works for has come, as far as the branch knows."""
    begun = [*moments(running.unpack(BEGUN)), _START][0]
    known = [moment.micros for moment in _known(running) if moment.frame == begun.frame]
    return replace(begun, micros=max([begun.micros, *known]))


def below(orders: Orders, running: Branch) -> Mapping[Key, Value]:
    """Return what a forked branch is told: how far its parent has come."""
    return {BEGUN: now(running).encoded()} if is_reckoned(orders) else {}


def answered(orders: Orders, running: Branch) -> None:
    """Note that the call that a branch works for is answered now, whoever else works for it."""
    if is_reckoned(orders):
        at = now(running)
        _replace(running, at.frame, replace(at, final=True))


class Reckoning:
    """One call in an execution with delays that are only reckoned with."""

    def __init__(
        self, planned: PlannedFault | None, call: Call, index: bytes, running: Branch
    ) -> None:
        """Begin with what is planned for this call itself."""
        self._timeout = call.timeout
        self._index = index
        self._running = running
        self._begun = now(running)
        fault = None if planned is None else planned.fault
        self._delay = fault if fault is not None and fault.kind is FaultKind.DELAY else None
        self._other = None if self._delay is fault else fault

    def directive(self, proceed: Proceed) -> Inject:
        """Return what to yield: another fault that is planned, or to time out if it's too late."""
        told = replace(proceed, down={**proceed.down, BEGUN: Moment(self._index).encoded()})
        if self._other is not None:
            return Inject(self._other, otherwise=told)
        if is_late(self._own, self._timeout):  # A library may try again then, by itself.
            return Inject(TOO_LATE, otherwise=told)
        return Inject(TOO_LATE, otherwise=told, when=self._is_late)

    def told(self, seen: Observation) -> Observation:
        """Note that the call is over; return its observation with what it took.

        That a caller waited in vain is no fault that was planned for its call.
        """
        micros, here = self._took(), self._here
        if self._timeout is not None and is_late(micros, self._timeout):
            micros = _micros(self._timeout)
        begun = self._begun
        after = replace(begun, micros=begun.micros + micros) if micros else None
        _replace(here, self._index, after)
        injected = self._delay if self._other is None else seen.injected
        return replace(seen, injected=injected, delayed=micros / 1_000_000)

    def _is_late(self, outcome: Outcome) -> bool:
        return is_late(self._took(), self._timeout)

    def _took(self) -> int:
        return self._own + took(_known(self._here), self._index)

    @property
    def _own(self) -> int:
        """The microseconds of the call's own delay."""
        return 0 if self._delay is None else _micros(self._delay.seconds or 0.0)

    @property
    def _here(self) -> Branch:
        """The branch that knows the answer: a call's own, until somebody takes the answer there."""
        return branch() or self._running


def reckoning(
    orders: Orders, planned: PlannedFault | None, call: Call, index: bytes, running: Branch
) -> Reckoning | None:
    """Return how to reckon with delays at a call, None where none is planned."""
    return Reckoning(planned, call, index, running) if is_reckoned(orders) else None


def simulated(tree: Tree, within: bytes = ROOT) -> float:
    """Return how many simulated seconds what lies directly within an index took, for people.

    Its calls one after the other, and the longest of its branches, each as if from the beginning.
    """
    events = tree.within(within)
    calls = sum(event.delayed for event in events if event.role is Role.CALL)
    branches = (event.index for event in events if event.role is Role.BRANCH)
    return calls + max((simulated(tree, branch) for branch in branches), default=0.0)


def _known(running: Branch) -> list[Moment]:
    return moments(running.unpack(TOOK))


def _replace(running: Branch, frame: bytes, new: Moment | None) -> None:
    """Note a moment instead of those of a frame, which are of no use any more; None notes none.

    Other frames are let be: somebody else may wait for what is known of them.
    """
    gone = [moment.encoded() for moment in _known(running) if moment.frame == frame]
    if not gone and new is None:
        return

    def replaced(carried: Baggage) -> Baggage:
        for moment in gone:
            carried = carried.remove(TOOK, moment)
        return carried if new is None else carried.pack(TOOK, new.encoded())

    running.update(replaced)


def _micros(seconds: float) -> int:
    return round(max(seconds, 0.0) * 1_000_000)
