"""The meta-application: names every call, lets the planned ones fail, reports what it saw.

It asks nobody: the plan came in the baggage, and what it saw goes home in the baggage. Belongs
here: whose orders are followed, and who is to be heard of what. What is done about each crossing is
in `flows`, `messages` and `foreign.asking`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import Final

from baggage.boundary import PROCEED, Call, Flow, Interest, Kind
from baggage.context import Branch, branch, current
from baggage.values import Key, Value
from metaapps.filibuster import brokered, flows, messages, relayed, reporting, settings
from metaapps.filibuster.brokered import Deliveries
from metaapps.filibuster.coverage.arrival import Attribution, attribution
from metaapps.filibuster.flows import NAME, STANDING, Standing, passing, progress_of
from metaapps.filibuster.foreign import asking
from metaapps.filibuster.foreign import headers as foreign_headers
from metaapps.filibuster.foreign.asking import Served
from metaapps.filibuster.foreign.client import ForeignClient
from metaapps.filibuster.index import DIGEST_SIZE
from metaapps.filibuster.lineage import Progress
from metaapps.filibuster.mainline import Mainline
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import ORDERS, SEEN, Orders
from metaapps.filibuster.pushing import Pusher
from metaapps.filibuster.wire import decode_observations, decode_orders, encode_observation

_log = logging.getLogger("metaapps.filibuster")
# A message is a branch too: it begins where it is put, and ends when its consumer is done with it.
_BRANCHING: Final = frozenset({Kind.SPAWN, Kind.PRODUCER})
_BRANCHES: Final = frozenset({Kind.RUN, Kind.CONSUMER})
_SOON: Final = 1.0
"""A coordinator that has not been told after so many seconds is not waited for."""


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
        self._mainline = Mainline() if by_test else None
        self.server = server
        self._server = ForeignClient(server) if server else None
        self._coverage = coverage
        self._distrusted = False
        self._pusher = Pusher()
        self._deliveries = Deliveries()

    def interest(self, kind: Kind, library: str) -> Interest:
        """Be asked everywhere, if switched on."""
        return Interest.AROUND if self._keys else Interest.NONE

    def around(self, call: Call) -> Flow:
        """Choose the flow for one crossing; without orders it passes."""
        running = branch()
        if running is None:
            return passing()
        if not call.kind.departs:
            if self._is_only_passed_on(call, running):
                return _serving(running)
            return self._arrive(call, self._orders(running), running)
        progress = progress_of(running)
        if progress is None:
            return passing()
        standing: Standing | None = running.notes.get(STANDING)
        if standing is None or standing.app is not self:
            known = self._believed(running.unpack(ORDERS))
            standing = running.notes[STANDING] = Standing(
                self, known, asking.served_by(running), self._report, self._hurry
            )
        orders = self._timely(standing.orders)
        if orders is None:
            return self._ask(call, progress, standing.served)
        if call.kind in _BRANCHING:
            return self._branch(call, orders, progress, running)
        served = standing.served
        return flows.calling(call, orders, progress, running, served, by_test=self._by_test)

    def overflow(self, key: Key, values: Sequence[Value]) -> None:
        """Report observations that are too late for a response, or that nobody waits for."""
        orders = self._believed(current().unpack(ORDERS))
        if key.name == SEEN.name and orders is not None:
            self._report(orders, _encoded(values))

    def condense(self, key: Key, values: Sequence[Value]) -> Sequence[Value]:
        """Report observations that a response has no room for; say in it that they will come."""
        orders = self._believed(current().unpack(ORDERS))
        if key.name != SEEN.name or orders is None:
            return values  # There is room for these, where observations are said in short.
        told = _encoded(values)
        parcel = os.urandom(DIGEST_SIZE)
        self._report(orders, told, parcel)
        pushed = Observation(role=Role.PUSHED, index=parcel, parent=parcel, position=len(told))
        return (encode_observation(pushed),)

    def ahead(self, call: Call) -> None:
        """Say that an answer leaves before the service is done with the call."""
        running = branch()
        if running is not None and self._orders(running) is not None:
            flows.ahead(call, running)

    def flush(self, within: float) -> bool:
        """Wait until what was reported so far is on its way; False after so many seconds."""
        return self._pusher.flush(within)

    def _report(self, orders: Orders, told: Sequence[bytes], parcel: bytes = b"") -> None:
        if self._by_test:
            # Its process ends soon, and it may ask at any time what was seen so far.
            reporting.report(orders, told, parcel)
        else:
            self._pusher.push(orders, told, parcel)

    def _hurry(self, orders: Orders, told: Sequence[bytes]) -> None:
        self._report(orders, told)
        self.flush(_SOON)

    def _branch(self, call: Call, orders: Orders, progress: Progress, running: Branch) -> Flow:
        if self._by_test and orders.plan.faults:
            _tell_hits(orders, running)
        if call.kind is Kind.PRODUCER and not self._by_test:
            return messages.putting(call, orders, progress, running)
        return flows.forking(call, orders, progress, running, self._mainline)

    def _arrive(self, call: Call, orders: Orders | None, running: Branch) -> Flow:
        if orders is not None and self._coverage is not None:
            self._coverage.arrived(orders)
        if call.kind in _BRANCHES:
            if orders is None:
                return passing()
            if call.brokered:
                return brokered.taking(call, orders, running, self._deliveries, self._report)
            if call.kind is Kind.CONSUMER:
                return messages.taking(orders, running, self._deliveries)
            return flows.run(running, self._mainline)
        came = None if self._server is None else foreign_headers.read(call.arrived)
        if came is not None and self._server is not None:
            lineage = flows.lineage_of(running)
            # What passed through a foreign service speaks of the call of that service, not of this.
            if orders is None or lineage is None or came.path.ours != lineage.index:
                return asking.serving(call, came, self._server, running)
        if orders is None:
            return passing()
        if came is None and relayed.is_relayed(call, flows.lineage_of(running)):
            flow = brokered.taking(call, orders, running, self._deliveries, self._report)
            return relayed.serving(flow, orders, running, self._hurry)
        return flows.arriving(call, orders, running)

    def _is_only_passed_on(self, call: Call, running: Branch) -> bool:
        """Say whether orders that arrive need not be read, until something is done under them."""
        return (
            call.kind is Kind.SERVER
            and bool(running.baggage.origin)
            and self._coverage is None
            and self._server is None
            and relayed.came_directly(call)
        )

    def _ask(self, call: Call, progress: Progress, served: Served | None) -> Flow:
        if self._server is None or served is None or call.kind in _BRANCHING:
            return passing()
        return asking.calling(call, served, progress, self._server)

    def _orders(self, running: Branch) -> Orders | None:
        return self._timely(self._believed(running.unpack(ORDERS)))

    def _timely(self, orders: Orders | None) -> Orders | None:
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


def _serving(running: Branch) -> Flow:
    """Serve a call of an instrumented caller, who observes it."""
    yield PROCEED
    standing: Standing | None = running.notes.get(STANDING)
    flows.served(None if standing is None else standing.orders, running)
    return None


def _encoded(values: Sequence[Value]) -> list[bytes]:
    return [value for value in values if isinstance(value, bytes)]


def _tell_hits(orders: Orders, running: Branch) -> None:
    """Tell the coordinator of faults that were hit, for branches that don't inherit what came home.

    A forked branch of the test asks there whether one was.
    """
    seen = _encoded(running.unpack(SEEN))
    told = [blob for blob in seen if any(map(_concerns, decode_observations([blob])))]
    if told:
        reporting.report(orders, told)


def _concerns(seen: Observation) -> bool:
    """Say whether an observation tells of a fault that was hit, or that it is yet to be told."""
    return seen.injected is not None or seen.role is Role.PUSHED
