"""Messages under orders: a message is a branch, from where it is put to its consumer's end.

How one is put is the same everywhere; here is also how one is taken within the process. One that
came by a broker is `brokered`'s.

One that is handed over twice on purpose is two branches within the message's own, so that the calls
of its two consumers have names of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from baggage.boundary import PROCEED, Call, FaultKind, Flow, Inject, Outcome, Proceed, Raised
from baggage.context import Branch
from metaapps.filibuster import index, latency
from metaapps.filibuster.brokered import Deliveries
from metaapps.filibuster.flows import (
    branched,
    ended,
    lineage_of,
    take,
    tell,
    tell_before_it_shows,
)
from metaapps.filibuster.index import BranchFrame
from metaapps.filibuster.lineage import Progress, Step
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import LINEAGE, Orders
from metaapps.filibuster.plan import PlannedFault
from metaapps.filibuster.wire import encode_lineage


def putting(call: Call, orders: Orders, progress: Progress, running: Branch) -> Flow:
    """Put a message, or let happen what is planned for it."""
    step = progress.fork(call)
    ambiguous = progress.forks_ambiguously(step)
    # A method tells a message from other branches; catalogues have faults for it.
    seen = replace(branched(call, step, ambiguous=ambiguous), method=call.method)
    proceed = Proceed(down={LINEAGE: encode_lineage(step.below), **latency.below(orders, running)})
    planned = orders.at(step.index)
    if planned is None:
        tell(running, seen)
        outcome = yield proceed
        if isinstance(outcome, Raised):
            tell(running, ended(step.index))
        return None
    outcome = yield Inject(planned.fault, otherwise=proceed)
    seen = replace(seen, injected=outcome.injected, target=planned.target)
    tell(running, seen)
    if seen.injected is not None:
        tell_before_it_shows(running, seen)
    _tell_ends(running, call, step, planned, outcome)
    return None


_ARRIVE: Final = (FaultKind.DUPLICATE, FaultKind.DELAY)


def _tell_ends(
    running: Branch, call: Call, step: Step, planned: PlannedFault, outcome: Outcome
) -> None:
    injected = outcome.injected
    # Some libraries raise later what they are to, when somebody asks.
    lost = injected is not None and injected.kind not in _ARRIVE
    if lost or isinstance(outcome, Raised):
        tell(running, ended(step.index))
    elif planned.fault.kind is FaultKind.DUPLICATE and not call.brokered:
        # The message's branch holds nothing but those of its deliveries.
        tell(running, ended(step.index))
        for number in (1, 2) if injected is not None else (1,):
            tell(running, _delivered(call.source, step.index, number))


def _delivered(source: str, message: bytes, number: int) -> Observation:
    frame = BranchFrame(number)
    return Observation(
        role=Role.BRANCH,
        index=index.child(message, frame),
        parent=message,
        position=number - 1,
        source=source,
        occurrence=number,
    )


def taking(orders: Orders, running: Branch, deliveries: Deliveries) -> Flow:
    """Let a consumer work on a message, and say when that ended."""
    lineage = lineage_of(running)
    if lineage is None:
        yield PROCEED
        return None
    planned, directive = orders.at(lineage.index), PROCEED
    if planned is not None and planned.fault.kind is FaultKind.DUPLICATE:
        number = deliveries.next(orders.execution, lineage.index)
        below = index.child(lineage.index, BranchFrame(number))
        lineage = replace(lineage, index=below, process=f"{lineage.process}/{number}")
        directive = Proceed(down={LINEAGE: encode_lineage(lineage)})
    if running.taker is not None:
        take(running.taker, lineage)
    yield directive
    tell(running, ended(lineage.index))
    return None
