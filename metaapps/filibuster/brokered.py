"""Messages that come by a broker, under orders: each delivery is a branch within the message's own.

A broker may deliver to several services, and to each of them again; so whoever takes a message
says so, under a name that no other delivery has. What is told of it when it's taken has the
execution wait for it. Messages on their way to a broker, and those within a process, are in
`messages`; what the explorer makes of deliveries is in `deliveries`.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Final

from baggage.boundary import (
    PROCEED,
    UNKNOWN_SITE,
    Call,
    FaultKind,
    Flow,
    Outcome,
    Proceed,
    Raised,
    Requeued,
    Returned,
    Unsettled,
)
from baggage.context import Branch
from metaapps.filibuster import index, reporting
from metaapps.filibuster.flows import DELIVERED, lineage_of, take, tell
from metaapps.filibuster.lineage import Lineage
from metaapps.filibuster.observation import LOST, TAKES, Observation, Role
from metaapps.filibuster.orders import LINEAGE, Orders
from metaapps.filibuster.wire import encode_lineage, encode_observation

MOST_DELIVERIES: Final = 50
"""A message that is delivered more often, to one service, is left alone: perhaps that never ends.

Nobody waits for its end for good, either.
"""
_REMEMBERED: Final = 1024
_PAUSE: Final = 30.0
"""A coordinator that did not answer is not asked for so many seconds."""
_NONCE: Final = 8
Told = Callable[[Orders, Sequence[bytes]], None]


class Deliveries:
    """How often each message was taken in this process; the last ones. Safe in any thread.

    By execution, index and who takes it.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._lock = Lock()
        self._taken: OrderedDict[tuple[str, bytes, str], int] = OrderedDict()
        self._unanswered = 0.0

    def next(self, execution: str, message: bytes, taker: str = "", least: int = 1) -> int:
        """Return which delivery of a message this is, from 1: at least so many."""
        key = execution, message, taker
        with self._lock:
            number = self._taken[key] = max(self._taken.get(key, 0) + 1, least)
            self._taken.move_to_end(key)
            if len(self._taken) > _REMEMBERED:
                self._taken.popitem(last=False)
            return number

    def number(self, call: Call, orders: Orders, message: bytes, taker: str) -> int:
        """Return which delivery of a message to a taker this is, over all processes.

        A message that its broker says to come for the first time is taken at its word. Only the
        coordinator can count the others; where it doesn't answer, this process counts for itself.
        """
        planned = orders.at(message)
        twice = planned is not None and planned.fault.kind is FaultKind.DUPLICATE
        number = self.next(orders.execution, message, taker, call.delivery)
        if number > MOST_DELIVERIES or (call.delivery == 1 and not twice):
            return number
        if time.monotonic() < self._unanswered:
            return number
        counted = reporting.delivery(orders, message, taker, max(call.delivery, 1))
        if counted is None:
            self._unanswered = time.monotonic() + _PAUSE
            return number
        with self._lock:
            self._taken[orders.execution, message, taker] = counted
        return counted


def taking(
    call: Call, orders: Orders, running: Branch, deliveries: Deliveries, report: Told
) -> Flow:
    """Let a consumer work on one delivery, and say when that ended."""
    lineage = lineage_of(running)
    if lineage is None:
        yield PROCEED
        return None
    seen = _taken(call, orders, lineage.index, deliveries)
    if seen.occurrence > MOST_DELIVERIES:
        yield Proceed(down={LINEAGE: b""})
        return None
    # What one who was lost had done is told by now, or lost with him.
    here = replace(seen, operation=f"{seen.operation}{LOST}") if call.resumed else seen
    here = replace(here, index=index.child(seen.parent, here.frame))
    report(orders, [encode_observation(here)])
    running.notes[DELIVERED] = True
    # A clock of its own: whoever else takes the message has one, too.
    process = f"{call.source}/{here.index.hex()[:6]}"
    below = Lineage(here.index, process, lineage.clock, lineage.origin)
    if running.taker is not None:
        take(running.taker, below)
    outcome = yield Proceed(down={LINEAGE: encode_lineage(below)})
    tell(running, delivery_ended(seen, outcome))
    if call.resumed:
        tell(running, delivery_ended(here))
    return None


def _taken(call: Call, orders: Orders, message: bytes, deliveries: Deliveries) -> Observation:
    """Return what is told of the delivery that a message is taken by, or was by who was lost."""
    by = taker(call)
    if not call.resumed:
        return delivered(call, message, deliveries.number(call, orders, message, by))
    number = 1 if call.delivery == 1 else reporting.delivery(orders, message, by, 0)
    return delivered(call, message, number or max(call.delivery, 1))


def taker(call: Call) -> str:
    """Return who takes a message, and where from: each of a service's groups for itself."""
    destination = f"{call.source}{TAKES}{index.stable_destination(call.operation)}"
    group = call.arguments.get("group")
    return f"{destination} ({group})" if isinstance(group, str) and group else destination


def delivered(call: Call, message: bytes, number: int) -> Observation:
    """Return what is told of a delivery when it is taken: a branch within the message's own.

    Its place among the others is yet to be found. The digest is nothing but unlike that of any
    other delivery, so that it shows if two have one name.
    """
    seen = Observation(
        role=Role.BRANCH,
        index=message,
        parent=message,
        position=0,
        source=call.source,
        target=call.source,
        library=call.library,
        operation=taker(call),
        site=UNKNOWN_SITE,
        occurrence=number,
        digest=os.urandom(_NONCE),
    )
    return replace(seen, index=index.child(message, seen.frame))


def delivery_ended(seen: Observation, outcome: Outcome | None = None) -> Observation:
    """Return what is told of a delivery that ended.

    It's not `ok` if another one follows; that is ambiguous where the broker may yet hear that the
    work was done.
    """
    requeued = isinstance(outcome, Raised) and isinstance(outcome.error, Requeued)
    unsettled = isinstance(outcome, Returned) and isinstance(outcome.value, Unsettled)
    return Observation(
        role=Role.END,
        index=seen.index,
        parent=seen.parent,
        position=0,
        source=seen.source,
        operation=seen.operation,
        ok=not (requeued or unsettled),
        ambiguous=unsettled,
    )
