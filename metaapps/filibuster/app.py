"""The meta-application: names every call, lets the planned ones fail, reports what it saw.

It asks nobody: the plan came in the baggage, and what it saw goes home in the baggage.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from baggage.boundary import (
    PROCEED,
    UNKNOWN_SITE,
    Call,
    Flow,
    Inject,
    Interest,
    Kind,
    Outcome,
    Proceed,
    Raised,
)
from baggage.context import Branch, branch, current
from baggage.values import Key, Value
from metaapps.filibuster import reporting, settings
from metaapps.filibuster.coverage.arrival import Attribution, attribution
from metaapps.filibuster.foreign import asking
from metaapps.filibuster.foreign import headers as foreign_headers
from metaapps.filibuster.foreign.client import ForeignClient
from metaapps.filibuster.index import TEST, stable_operation
from metaapps.filibuster.lineage import Lineage, Progress, Step
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import LINEAGE, ORDERS, SEEN, Orders
from metaapps.filibuster.wire import (
    decode_lineage,
    decode_observations,
    decode_orders,
    encode_lineage,
    encode_observation,
)

_log = logging.getLogger("metaapps.filibuster")
NAME: Final = "filibuster"
_MAX_ARGUMENTS: Final = 300
# A message is a branch too: it begins where it is put, and ends when its consumer is done with it.
_BRANCHING: Final = frozenset({Kind.SPAWN, Kind.PRODUCER})
_BRANCHES: Final = frozenset({Kind.RUN, Kind.CONSUMER})


def create() -> Filibuster:
    """Make the meta-application for this process, as its environment says; for the entry point."""
    if settings.instrumentation_disabled():
        return Filibuster()
    key = settings.service_key()
    keys = () if key is None else (key,)
    return Filibuster(keys, server=settings.server_url(), coverage=attribution())


class Filibuster:
    """Fault injection in one process: in a service, or (`by_test`) in the functional test's.

    Without `keys` it is switched off: whatever arrives, it follows no orders. Where it is on, calls
    that foreign services make of it are served by asking `server`, the URL of one for the
    original's protocol; without one, such calls go through unseen.
    """

    name = NAME

    def __init__(
        self,
        keys: Sequence[bytes] = (),
        *,
        by_test: bool = False,
        server: str = "",
        coverage: Attribution | None = None,
    ) -> None:
        """Follow orders that are signed with one of `keys`; tell `coverage` of what arrives."""
        self._keys = tuple(keys)
        self._by_test = by_test
        self.server = server
        self._server = ForeignClient(server) if server else None
        self._coverage = coverage
        self._distrusted = False

    def interest(self, kind: Kind, library: str) -> Interest:
        """Be asked everywhere, if switched on."""
        return Interest.AROUND if self._keys else Interest.NONE

    def around(self, call: Call) -> Flow:
        """Choose the flow for one crossing; without orders it passes."""
        running = branch()
        if running is None:
            return _pass()
        orders = self._orders(running)
        if not call.kind.departs:
            return self._arrive(call, orders, running)
        progress = progress_of(running)
        if progress is None:
            return _pass()
        if orders is None:
            return self._ask(call, progress, running)
        if call.kind in _BRANCHING:
            if self._by_test and orders.plan.faults:
                _tell_hits(orders, running)
            return _spawn(call, progress, running)
        return self._call(call, orders, progress, running)

    def overflow(self, key: Key, values: Sequence[Value]) -> None:
        """Report observations that found no room on the way home, before the response leaves."""
        orders = self._believed(current().unpack(ORDERS))
        if key.name == SEEN.name and orders is not None:
            reporting.report(orders, [value for value in values if isinstance(value, bytes)])

    def _call(self, call: Call, orders: Orders, progress: Progress, running: Branch) -> Flow:
        step = progress.call(call, by_test=self._by_test)
        proceed = Proceed(
            down={LINEAGE: encode_lineage(step.below)},
            headers=asking.told_below(step, asking.served_by(running)),
        )
        planned = None if self._by_test else orders.plan.at(step.index)
        outcome = yield proceed if planned is None else Inject(planned.fault, otherwise=proceed)
        seen = _observed(call, step, outcome, self._by_test)
        if planned is not None and planned.target:
            # Where several services stand behind one address, only an answer tells which it was.
            seen = replace(seen, target=planned.target)
        running.pack(SEEN, encode_observation(seen))
        return None

    def _arrive(self, call: Call, orders: Orders | None, running: Branch) -> Flow:
        if orders is not None and self._coverage is not None:
            self._coverage.arrived(orders)
        if call.kind in _BRANCHES:
            return _pass() if orders is None else _run(running)
        came = None if self._server is None else foreign_headers.read(call.arrived)
        if came is not None and self._server is not None:
            lineage = _lineage(running)
            # What passed through a foreign service speaks of the call of that service, not of this.
            if orders is None or lineage is None or came.path.ours != lineage.index:
                return asking.serving(call, came, self._server, running)
        return _pass() if orders is None else _arrive(call, orders, running)

    def _ask(self, call: Call, progress: Progress, running: Branch) -> Flow:
        served = asking.served_by(running)
        if self._server is None or served is None or call.kind in _BRANCHING:
            return _pass()
        return asking.calling(call, served, progress, self._server)

    def _orders(self, running: Branch) -> Orders | None:
        orders = self._believed(running.baggage.unpack(ORDERS))
        if orders is None or orders.expires >= time.time():
            return orders
        self._ignore("they expired: do the clocks of the explorer and of this machine agree?")
        return None

    def _believed(self, values: tuple[Value, ...]) -> Orders | None:
        if not values or not isinstance(values[0], bytes) or not values[0]:
            return None
        orders = decode_orders(values[0], self._keys)
        if orders is None:
            self._ignore("they are not signed with this service's key")
        return orders

    def _ignore(self, reason: str) -> None:
        """Say once that orders are ignored."""
        if not self._distrusted:
            self._distrusted = True
            _log.warning("orders ignored: %s", reason)


def _pass() -> Flow:
    yield PROCEED
    return None


def _tell_hits(orders: Orders, running: Branch) -> None:
    """Tell the coordinator of faults that were hit, for branches that don't inherit what came home.

    A forked branch of the test asks there whether one was.
    """
    seen = [value for value in running.unpack(SEEN) if isinstance(value, bytes)]
    hits = [blob for blob in seen if any(one.injected for one in decode_observations([blob]))]
    if hits:
        reporting.report(orders, hits)


def _spawn(call: Call, progress: Progress, running: Branch) -> Flow:
    step = progress.fork()
    seen = Observation(
        role=Role.BRANCH,
        index=step.index,
        parent=step.parent,
        position=step.position,
        source=call.source,
        library=call.library,
        operation=call.operation,
        site=call.site,
        occurrence=step.occurrence,
    )
    running.pack(SEEN, encode_observation(seen))
    outcome = yield Proceed(down={LINEAGE: encode_lineage(step.below)})
    if isinstance(outcome, Raised):
        running.pack(SEEN, encode_observation(_end(step.index)))
    return None


def _arrive(call: Call, orders: Orders, running: Branch) -> Flow:
    """Serve a call. One that comes straight from the functional test is observed here."""
    step = None if running.baggage.origin else reporting.arrive(orders, call)
    lineage = _lineage(running) if step is None else step.below
    outcome = yield (
        PROCEED
        if lineage is None
        else Proceed(down={LINEAGE: encode_lineage(lineage.arrived(call.source))})
    )
    if step is not None:
        running.pack(SEEN, encode_observation(_from_outside(call, step, outcome)))
    return None


def _run(running: Branch) -> Flow:
    """Let a forked branch run, and say when it ended: only then all of it has been heard of."""
    lineage = _lineage(running)
    yield PROCEED
    if lineage is not None:
        running.pack(SEEN, encode_observation(_end(lineage.index)))
    return None


def _end(index: bytes) -> Observation:
    """Return what is told of a branch that ended."""
    return Observation(role=Role.END, index=index, parent=index, position=0)


def progress_of(running: Branch) -> Progress | None:
    """Return how far a branch has come, None for one that no orders came to."""
    progress: Progress | None = running.notes.get(NAME)
    if progress is None:
        lineage = _lineage(running)
        if lineage is None:
            return None
        progress = running.notes.setdefault(NAME, Progress(lineage))
    return progress


def _lineage(running: Branch) -> Lineage | None:
    values = running.unpack(LINEAGE)
    return decode_lineage(values[0]) if values and isinstance(values[0], bytes) else None


def _observed(call: Call, step: Step, outcome: Outcome, by_test: bool) -> Observation:
    """Return what is known of a call after it ended."""
    return Observation(
        role=Role.CALL,
        index=step.index,
        parent=step.parent,
        position=step.position,
        source=call.source,
        target=outcome.target or str(call.endpoint or ""),
        by_test=by_test,
        library=call.library,
        method=call.method,
        operation=stable_operation(call.operation),
        arguments=_shown(call),
        site=call.site,
        occurrence=step.occurrence,
        payload=call.payload,
        timeout=call.timeout,
        clock=step.clock,
        origin=step.origin,
        injected=outcome.injected,
        **_result(outcome),
    )


def _result(outcome: Outcome) -> dict[str, Any]:
    facts = outcome.facts
    if isinstance(outcome, Raised):
        return {"raised": outcome.name, "status": facts.status, "ok": False}
    return {"status": facts.status, "ok": facts.ok, "digest": facts.digest()}


def _from_outside(call: Call, step: Step, outcome: Outcome) -> Observation:
    """Return what is known of a call that the functional test made by tools of its own."""
    seen = _observed(call, step, outcome, by_test=True)
    return replace(seen, source=TEST, target=call.source, site=UNKNOWN_SITE)


def _shown(call: Call) -> str:
    """Return a call's arguments for people, not for machines."""
    text = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
    return text if len(text) <= _MAX_ARGUMENTS else text[: _MAX_ARGUMENTS - 1] + "…"
