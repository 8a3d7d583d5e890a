"""One run of the explorer: orders out, observations in.

Ties the functional test, the coordinator and the run's key together to what `explore` calls: a
function from a plan to an execution.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Final

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY
from metaapps.filibuster.cli.functional import FunctionalTest, FunctionalTestError
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.orders import LINEAGE, ORDERS, Orders
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders

_SETTLE_WITHIN: Final = 2.0
_GRACE: Final = 60


@dataclass(frozen=True, slots=True)
class Session:
    """What every execution of one run needs; `timeout` is for the functional test, in seconds."""

    test: FunctionalTest
    coordinator: Coordinator
    key: bytes
    timeout: float

    def run(self, plan: Plan) -> Execution:
        """Run the functional test once under a plan. Raises FunctionalTestError if it can't be."""
        execution = secrets.token_hex(8)
        inbox = self.coordinator.open(execution)
        started = time.perf_counter()
        try:
            verdict = self.test.run(self._header(execution, plan), self.timeout)
            pushed = inbox.settle(_SETTLE_WITHIN)
        finally:
            self.coordinator.close(execution)
        seen = (*decode_observations(verdict.seen), *pushed)
        return Execution(plan, seen, verdict.failure, time.perf_counter() - started)

    def _header(self, execution: str, plan: Plan) -> str:
        orders = Orders(
            execution,
            plan,
            int(time.time() + self.timeout) + _GRACE,
            self.coordinator.address,
            self.coordinator.token,
        )
        signed = encode_orders(orders, self.key)
        carried = EMPTY.with_down({ORDERS: signed, LINEAGE: encode_lineage(ROOT)})
        header = write_header(carried)
        if not read_header(header).unpack(ORDERS):
            raise FunctionalTestError(
                f"a plan of {len(plan.faults)} faults doesn't fit into a request's headers"
            )
        return header
