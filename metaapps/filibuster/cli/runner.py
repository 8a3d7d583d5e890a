"""One execution: orders out, observations in.

Ties the functional test, the coordinator, the services and the run's key together to what becomes
of one plan. Any number of executions may be under way at once; which plans there are is no matter
here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final, Protocol

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY
from metaapps.filibuster.cli.functional import FunctionalTestError, Verdict
from metaapps.filibuster.cli.standing import Standing
from metaapps.filibuster.coordinator import Coordinator, Inbox
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.deliveries import Patience, placed
from metaapps.filibuster.foreign.asking import Served
from metaapps.filibuster.foreign.server import ForeignServer
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import EVENTS, Execution, Failure, Observation
from metaapps.filibuster.orders import FOREIGN, LINEAGE, ORDERS, WIDEST, Orders
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.store import Record
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders
from metaapps.filibuster.workers import Gate
from metaapps.filibuster.workers.forking import WorkerDiedError

_GRACE: Final = 60
_DEATH_IS_KNOWN_WITHIN: Final = 0.05
_TRIES_ALONE: Final = 3


def _nobody_hears(line: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all executions of a run; `timeout` is the functional test's, in seconds.

    `alone` keeps executions apart from one another. `reset` prepares for each, before it begins.
    What goes on after the test is waited for, but no longer than `settle` seconds.
    """

    timeout: float
    by_payload: bool = False
    real_latency: bool = False
    alone: bool = False
    reset: Callable[[], None] | None = None
    settle: float = 2.0


@dataclass(frozen=True, slots=True)
class Judged:
    """An execution, and which services did not survive it, "" for none."""

    execution: Execution
    death: str = ""


class Runs(Protocol):
    """A functional test, wherever it runs. Safe in any thread."""

    def run(self, baggage: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        """Run once; raises WorkerDiedError if nothing is known of how that ended."""


class Runner:
    """Sees executions through. Safe in any thread."""

    def __init__(
        self,
        test: Runs,
        standing: Standing,
        coordinator: Coordinator,
        terms: Terms,
        *,
        recording: Recording | None = None,
        foreign: ForeignServer | None = None,
        record: Record | None = None,
        say: Callable[[str], None] = _nobody_hears,
    ) -> None:
        """`say` takes lines about what went wrong and was set right.

        What `record` holds is not run; what ends is kept there.
        """
        self._test = test
        self._standing = standing
        self._coordinator = coordinator
        self._terms = terms
        self._recording = recording
        self._foreign = foreign
        self._record = record
        self._say = say
        self._gate = Gate()
        self._lock = Lock()
        self._patience = Patience()
        self._died = 0

    @property
    def died(self) -> int:
        """How many workers died with a test that then ran again."""
        return self._died

    @property
    def late(self) -> Mapping[str, int]:
        """How many messages were taken too late to count, by who took them."""
        return self._coordinator.late_deliveries

    def execute(self, plan: Plan) -> Judged:
        """Run the functional test once under a plan. Raises FunctionalTestError if it can't be.

        An execution that a service does not survive has failed, whatever the test says. Where a
        service ends while several executions are under way, no one knows which it was for: then
        the services are started afresh, and each of these runs again, alone. So does one whose
        worker died.
        """
        if self._record is None:
            return self._executed(plan)
        known = self._record.find(plan)
        if known is not None:
            return Judged(known)
        judged = self._executed(plan)
        self._record.keep(judged.execution)
        return judged

    def _executed(self, plan: Plan) -> Judged:
        if not self._terms.alone:
            with self._gate.together():
                judged = self._unsuspected(plan)
            if judged is not None:
                return judged
        return self.execute_alone(plan)

    def execute_alone(self, plan: Plan) -> Judged:
        """Do the same while no other execution is under way."""
        with self._gate.alone():
            death = self._standing.death()
            if death is not None:
                self._say(f"{death}: starting the services again; what was under way runs alone")
                self._standing.restart()
            for _ in range(_TRIES_ALONE):
                judged = self._tried(plan)
                if judged is not None:
                    return judged
        raise FunctionalTestError(f"a worker died {_TRIES_ALONE} times in a row over one execution")

    def _unsuspected(self, plan: Plan) -> Judged | None:
        """Run a plan beside others, None if a service ended meanwhile."""
        if self._standing.death() is not None:
            return None
        judged = self._tried(plan)
        if judged is None:
            return None
        if not judged.death and self._standing.watched and _is_amiss(judged.execution):
            # Perhaps a service that ended for another execution is what was missing here.
            time.sleep(_DEATH_IS_KNOWN_WITHIN)
            return None if self._standing.death() else judged
        return None if judged.death else judged

    def _tried(self, plan: Plan) -> Judged | None:
        """Run a plan, None if its worker died."""
        try:
            return self._once(plan)
        except WorkerDiedError as error:
            with self._lock:
                self._died += 1
            self._say(f"{error}: what it did is done again, alone")
            return None

    def _once(self, plan: Plan) -> Judged:
        if self._terms.reset is not None:
            self._terms.reset()
        execution = secrets.token_hex(8)
        inbox = self._coordinator.open(execution)
        ledger = None if self._foreign is None else self._foreign.begin(plan, inbox)
        started = time.perf_counter()
        try:
            verdict = self._verdict(execution, plan)
            if ledger is not None:
                ledger.settle(self._terms.settle)
            heard = self._heard(inbox, verdict)
        finally:
            self._coordinator.close(execution)
            if self._foreign is not None:
                self._foreign.end()
        unfinished = self._patience.expected.unfinished(heard)
        seen = tuple(one for one in heard if one.role in EVENTS)
        if ledger is not None:
            seen = ledger.named(seen)
        seconds = time.perf_counter() - started
        death = self._standing.death() or ""
        failure = verdict.failure or (Failure(death) if death else None)
        done = Execution(plan, seen, failure, seconds, unfinished, inbox.lost)
        if self._recording is not None:
            self._recording.note(execution, done)
        return Judged(done, death)

    def _verdict(self, execution: str, plan: Plan) -> Verdict:
        header = self._header(execution, plan)
        environment = {**self._standing.environment, "FILIBUSTER_KEY": self._standing.key}
        if self._foreign is not None:
            environment["FILIBUSTER_URL"] = self._foreign.url
        return self._test.run(header, environment, self._terms.timeout)

    def _heard(self, inbox: Inbox, verdict: Verdict) -> tuple[Observation, ...]:
        """Return all that was told of an execution."""
        inbox.put(decode_observations(verdict.seen))
        self._patience.heard_late(self._coordinator.ended_late())
        heard = placed(inbox.settle(self._terms.settle, self._patience.expected))
        self._patience.learn(heard)
        return heard

    def _header(self, execution: str, plan: Plan) -> str:
        orders = Orders(
            execution,
            plan,
            expires=int(time.time() + self._terms.timeout) + _GRACE,
            coordinator=self._coordinator.address,
            by_payload=self._terms.by_payload,
            real_latency=self._terms.real_latency,
        )
        signed = encode_orders(orders, self._standing.key.encode())
        carried = EMPTY.with_down({ORDERS: signed, LINEAGE: encode_lineage(ROOT)})
        if self._foreign is not None:
            carried = carried.with_down({FOREIGN: Served(execution).encoded()})
        header = write_header(carried, budget=WIDEST)
        if not read_header(header).unpack(ORDERS):
            raise FunctionalTestError(
                f"a plan of {len(plan.faults)} faults doesn't fit into a request's headers"
            )
        return header


def _is_amiss(execution: Execution) -> bool:
    """Say whether something failed that was not made to fail."""
    return any(seen.raised and seen.injected is None for seen in execution.observations) or bool(
        execution.failure
    )
