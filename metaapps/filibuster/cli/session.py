"""One run of the explorer: orders out, observations in.

Ties the functional test, the coordinator and the run's key together to what `explore` calls: a
function from a plan to an execution.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY
from metaapps.filibuster import services as deployments
from metaapps.filibuster import settings
from metaapps.filibuster.cli.functional import (
    FunctionalTest,
    FunctionalTestError,
    functional_test,
)
from metaapps.filibuster.cli.options import Options, wanted_catalogue
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.foreign.asking import Served
from metaapps.filibuster.foreign.server import ForeignServer
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import Execution, Failure, Role, open_branches
from metaapps.filibuster.orders import FOREIGN, LINEAGE, ORDERS, Orders
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders

STATE: Final = Path(".filibuster")
_SETTLE_WITHIN: Final = 2.0
_GRACE: Final = 60


@dataclass(frozen=True, slots=True)
class Session:
    """What every execution of one run needs; `timeout` is for the functional test, in seconds."""

    test: FunctionalTest
    environment: Mapping[str, str]
    coordinator: Coordinator
    key: bytes
    timeout: float
    recording: Recording | None = None
    foreign: ForeignServer | None = None
    ended: Callable[[], Mapping[str, str]] = dict
    """Tells which services ended by themselves, and how."""
    endless: set[bytes] = field(default_factory=set)
    """The branches that did not end in time once; nobody waits for them as long again."""

    def run(self, plan: Plan) -> Execution:
        """Run the functional test once under a plan. Raises FunctionalTestError if it can't be.

        An execution that a service does not survive has failed, whatever the test says.
        """
        self._refuse_the_dead()
        execution = secrets.token_hex(8)
        inbox = self.coordinator.open(execution)
        ledger = None if self.foreign is None else self.foreign.begin(plan, inbox)
        started = time.perf_counter()
        try:
            header = self._header(execution, plan)
            verdict = self.test.run(header, self.environment, self.timeout)
            if ledger is not None:
                ledger.settle(_SETTLE_WITHIN)
            inbox.put(decode_observations(verdict.seen))
            heard = inbox.settle(_SETTLE_WITHIN, self.endless)
        finally:
            self.coordinator.close(execution)
            if self.foreign is not None:
                self.foreign.end()
        unfinished = open_branches(heard)
        self.endless.update(branch.index for branch in unfinished)
        seen = tuple(one for one in heard if one.role is not Role.END)
        if ledger is not None:
            seen = ledger.named(seen)
        seconds = time.perf_counter() - started
        failure = verdict.failure or self._death()
        done = Execution(plan, seen, failure, seconds, unfinished)
        if self.recording is not None:
            self.recording.note(execution, done)
        return done

    def _death(self) -> Failure | None:
        gone = [f"service {name!r} ended with {how}" for name, how in self.ended().items()]
        return Failure(", ".join(gone)) if gone else None

    def _refuse_the_dead(self) -> None:
        death = self._death()
        if death is not None:
            raise FunctionalTestError(
                f"{death.summary} in the execution before: nothing more can be tried without it"
            )

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
        if self.foreign is not None:
            carried = carried.with_down({FOREIGN: Served(execution).encoded()})
        header = write_header(carried)
        if not read_header(header).unpack(ORDERS):
            raise FunctionalTestError(
                f"a plan of {len(plan.faults)} faults doesn't fit into a request's headers"
            )
        return header


@contextmanager
def open_session(spec: str, options: Options, report: Report) -> Iterator[Session]:
    """Start what a run of the test `spec` needs, and end it whatever happens."""
    test = functional_test(spec)
    with ExitStack() as stack:
        foreign = _foreign(options, report, stack)
        running = _services(options, report, stack, _environment(foreign))
        urls, key = running.environment, running.key
        coordinator = stack.enter_context(Coordinator())
        environment = {**_environment(foreign), **urls, "FILIBUSTER_KEY": key}
        recording = options.recording or Recording.under_way(STATE / "coverage", key)
        timeout = options.test_timeout
        yield Session(
            test,
            environment,
            coordinator,
            key.encode(),
            timeout,
            recording,
            foreign,
            running.ended,
        )


def _foreign(options: Options, report: Report, stack: ExitStack) -> ForeignServer | None:
    if not options.foreign:
        return None
    catalogue = wanted_catalogue(options)
    server = stack.enter_context(ForeignServer(options.host, options.port, catalogue))
    report.line(f"the original's protocol is served at {server.url}")
    stack.callback(_say_what_was_lost, server, report)
    return server


def _say_what_was_lost(server: ForeignServer, report: Report) -> None:
    if server.outside:
        report.line(f"{server.outside} foreign calls came between executions, and count for none")


def _environment(foreign: ForeignServer | None) -> Mapping[str, str]:
    """Return what tells services and tests where the original's protocol is served."""
    return {} if foreign is None else {"FILIBUSTER_URL": foreign.url}


@dataclass(frozen=True, slots=True)
class _Deployed:
    """Services that run: where, under which key, and which of them ended by themselves."""

    environment: Mapping[str, str]
    key: str
    ended: Callable[[], Mapping[str, str]] = dict


def _services(
    options: Options, report: Report, stack: ExitStack, env: Mapping[str, str]
) -> _Deployed:
    """Return where the services are, and their key: those to start, or those that run here.

    Without either, the test's environment has to say where they are.
    """
    if options.services_file is not None:
        deployment = deployments.load(options.services_file).with_env(env)
        if options.recording is not None:
            deployment = options.recording.measured(deployment)
        logs = stack.enter_context(_logs())
        key = (settings.service_key() or secrets.token_hex(16).encode()).decode()
        started = time.perf_counter()
        running = stack.enter_context(deployments.start(deployment, key, logs))
        report.started(running.environment, time.perf_counter() - started, logs)
        return _Deployed(running.environment, key, running.ended)
    here = deployments.status(STATE)
    if here is not None:
        return _Deployed(here.environment, here.key)
    return _Deployed({}, (settings.service_key() or settings.local_key()).decode())


@contextmanager
def _logs() -> Iterator[Path]:
    """Yield a directory for the services' logs that no other run writes to at this time."""
    for number in count(1):
        path = STATE / "logs" / f"run-{number}"
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield path
        finally:
            os.close(lock)
        return
