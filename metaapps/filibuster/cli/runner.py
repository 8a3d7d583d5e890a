"""One execution: orders out, observations in.

Ties the functional test, the coordinator, the services and the run's key together to what becomes
of one plan. Any number of executions may be under way at once; which plans there are is no matter
here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from threading import Lock
from typing import Final, Protocol

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY
from metaapps.filibuster.cli.blame import Blame, fatal, is_laid_to, told_of
from metaapps.filibuster.cli.functional import FunctionalTestError, Verdict
from metaapps.filibuster.cli.hearing import Hearing
from metaapps.filibuster.cli.standing import Standing
from metaapps.filibuster.coordinator import Coordinator, Inbox
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.deaths import Late
from metaapps.filibuster.deliveries import Patience, placed
from metaapps.filibuster.foreign.asking import Served
from metaapps.filibuster.foreign.server import ForeignServer
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import EVENTS, Death, Execution, Observation
from metaapps.filibuster.orders import FOREIGN, LINEAGE, ORDERS, WIDEST, Orders
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.services.launch import Written
from metaapps.filibuster.store import Record
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders
from metaapps.filibuster.workers import Gate
from metaapps.filibuster.workers.forking import WorkerDiedError

_GRACE: Final = 60
_TRIES_ALONE: Final = 3
_AT_LAST: Final = 0.2
_LATE: Final = 2.0
"""Seconds for a service to end after an execution that it may end for."""


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
        self._blame = Blame(None if record is None else record.deaths)
        self.hearing = Hearing()

    @property
    def died(self) -> int:
        """How many workers died with a test that then ran again."""
        return self._died

    @property
    def late(self) -> Mapping[str, int]:
        """How many messages were taken too late to count, by who took them."""
        return self._coordinator.late_deliveries

    def execute(self, plan: Plan) -> Execution:
        """Run the functional test once under a plan. Raises FunctionalTestError if it can't be.

        An execution that a service does not survive has failed, whatever the test says; before the
        next one the services are started afresh, or else ServicesError is raised. Where a service
        ends while several executions are under way, no one knows which it was for: then each of
        these runs again, alone. So does one whose worker died.
        """
        if self._record is None:
            return self._executed(plan)
        known = self._record.find(plan)
        if known is not None:
            self.hearing.note(known.observations)
            return known
        execution = self._executed(plan)
        self._record.keep(execution)
        return execution

    def _executed(self, plan: Plan) -> Execution:
        if not self._terms.alone:
            with self._gate.together():
                execution = self._unsuspected(plan)
            if execution is not None:
                return execution
        return self.execute_alone(plan)

    def execute_alone(self, plan: Plan) -> Execution:
        """Do the same while no other execution is under way.

        A service that ended is laid to this one if it failed a call of that service, or if that
        ends once more when this runs again. So does one after which a service answers nobody.
        """
        with self._gate.alone():
            execution = self._survived(plan)
            if self._standing.startable and (self._standing.stuck or not is_laid_to(execution)):
                told = self._lost(execution.deaths)
                self._say(f"{told}: perhaps not for this execution, which runs once more")
                self._blame.suspect(plan)
                execution = self._survived(plan)
            self._blame.judged(execution)
            return execution

    def late_deaths(self) -> Iterator[Late]:
        """Yield the deaths that no execution is the reason for, as far as is known.

        Those that ended shortly before run again, and are the reason if the service ends then.
        """
        with self._gate.alone():
            if self._blame.unexplained(self._standing.wait(_AT_LAST)):
                self._revive()
        found: set[tuple[Plan, str]] = set()
        for late in self._judged(found):
            if late.execution is not None:
                plan, deaths = late.execution.plan, late.execution.deaths
                found.update((plan, death.service) for death in deaths)
            yield late
        self._blame.forget_cases()

    def _judged(self, found: Collection[tuple[Plan, str]]) -> Iterator[Late]:
        """Yield what became of each death, but for those of services that were `found` to end."""
        yield from self._blame.known
        for case in self._blame.cases():
            names = [death.service for death in case.deaths]
            if any(each in found for each in product(case.candidates, names)):
                continue
            again = (self.execute_and_wait(plan) for plan in case.candidates)
            late = Late(case, next((each for each in again if each.deaths), None))
            self._blame.judge(late)
            yield late

    def execute_and_wait(self, plan: Plan) -> Execution:
        """Run a plan alone, and wait for services that end after it."""
        with self._gate.alone():
            self._revive()
            before = self._standing.written()
            execution = self._survived(plan)
            deaths = execution.deaths or self._standing.wait(_LATE)
            if deaths and not execution.deaths:
                execution = self._died_of(execution, deaths, "after", before)
            self._blame.judged(execution)
            return execution

    def _survived(self, plan: Plan) -> Execution:
        """Run a plan with services that run, and in a worker that does not die."""
        self._revive()
        for _ in range(_TRIES_ALONE):
            execution = self._tried(plan)
            if execution is not None:
                return execution
        raise FunctionalTestError(f"a worker died {_TRIES_ALONE} times in a row over one execution")

    def _revive(self) -> None:
        """Start the services again if any has ended."""
        deaths = self._standing.deaths()
        if deaths or self._standing.stuck:
            again = "" if self._terms.alone else "; what was under way runs again, alone"
            self._blame.starting_again(deaths, self._standing.last_words)
            self._standing.restart(self._lost(deaths), again)

    def _lost(self, deaths: Collection[Death]) -> str:
        """Return for people why services have to start again."""
        stuck = self._standing.stuck
        return told_of(deaths) if deaths else f"service {stuck!r} answers nobody any more"

    def _unsuspected(self, plan: Plan) -> Execution | None:
        """Run a plan beside others, None if a service ended meanwhile."""
        if self._standing.deaths() or self._standing.stuck:
            return None
        execution = self._tried(plan)
        if execution is None or execution.deaths or self._standing.stuck:
            self._blame.suspect(plan)
            return None
        self._blame.judged(execution)
        return execution

    def _tried(self, plan: Plan) -> Execution | None:
        """Run a plan, None if its worker died."""
        try:
            return self._once(plan)
        except WorkerDiedError as error:
            with self._lock:
                self._died += 1
            self._say(f"{error}: what it did is done again, alone")
            return None

    def _once(self, plan: Plan) -> Execution:
        if self._terms.reset is not None:
            self._terms.reset()
        execution = secrets.token_hex(8)
        inbox = self._coordinator.open(execution)
        ledger = None if self._foreign is None else self._foreign.begin(plan, inbox)
        before = self._standing.written()
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
        seen = tuple(self._named(one) for one in heard if one.role in EVENTS)
        if ledger is not None:
            seen = ledger.named(seen)
        seconds = time.perf_counter() - started
        done = self._outlived(
            Execution(plan, seen, verdict.failure, seconds, unfinished, inbox.lost), before
        )
        if self._recording is not None:
            self._recording.note(execution, done)
        return done

    def _outlived(self, execution: Execution, before: Written) -> Execution:
        """Return an execution with the services that did not survive it; it has failed then.

        `before` is what services had written when it began.
        """
        standing = self._standing
        deaths = standing.suspected() if _is_amiss(execution) else standing.deaths()
        return self._died_of(execution, deaths, "while", before) if deaths else execution

    def _died_of(
        self, execution: Execution, deaths: tuple[Death, ...], when: str, before: Written
    ) -> Execution:
        words = (self._standing.last_words(death, before) for death in deaths)
        failure = fatal(deaths, when, execution.failure, words)
        return replace(execution, deaths=deaths, failure=failure)

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
        self.hearing.note(heard, self._standing.name_at)
        return heard

    def _named(self, seen: Observation) -> Observation:
        """Return an observation with its callee's name, also if that never said it."""
        name = self._standing.name_at(seen.target) if seen.target else ""
        return seen if name == seen.target else replace(seen, target=name)

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
    """Say whether something failed, or is missing, that was not made to."""
    return (
        any(seen.raised and seen.injected is None for seen in execution.observations)
        or bool(execution.failure or execution.unfinished)
        or execution.lost > 0
    )
