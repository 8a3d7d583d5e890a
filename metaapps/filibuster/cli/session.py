"""One run of the explorer: what every execution needs, and what `explore` calls.

Starts the services, the servers and the workers of a run, and ends them whatever happens. One
execution is `runner`'s business.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from metaapps.filibuster.cli.functional import (
    FunctionalTest,
    FunctionalTestError,
    functional_test,
    named_test,
)
from metaapps.filibuster.cli.hearing import Unheard
from metaapps.filibuster.cli.options import Options, wanted_catalogue
from metaapps.filibuster.cli.remote import RemoteTest
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.runner import Runner, Terms
from metaapps.filibuster.cli.standing import STATE, Standing, standing
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.deaths import Late
from metaapps.filibuster.foreign.server import ForeignServer
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import Ignore, ignoring
from metaapps.filibuster.services import Service
from metaapps.filibuster.settings import parent_environment
from metaapps.filibuster.store import Record
from metaapps.filibuster.workers import Pool, WorkersError, worker_count
from metaapps.filibuster.workers.executors import THREADS, Elsewhere, executor
from metaapps.filibuster.workers.interference import Difference, Sample, compare

__all__ = ["STATE", "Session", "open_session"]

_FOREIGN: Final = (
    "--foreign: the original's protocol doesn't say which execution a call belongs to, so only "
    "one can run at a time: leave --workers out"
)
_COVERAGE: Final = (
    "coverage.py can't tell executions apart that run at once: leave --workers or --coverage out"
)

_CHECKED: Final = 5
_NO_ANSWERS: Final = ignoring(())


class Session:
    """Runs the plans of one search. For one thread; what it runs ahead is seen to by others."""

    def __init__(
        self,
        runner: Runner,
        pool: Pool[Execution] | None,
        check: int = 0,
        ignore: Ignore = _NO_ANSWERS,
        services: Sequence[Service] = (),
    ) -> None:
        """Without a pool nothing runs ahead. `check` executions can be looked at again.

        Then the answers that `ignore` names count as equal. `services` are those that were started
        for this.
        """
        self._runner = runner
        self._pool = pool
        self._sample = Sample(check)
        self._ignore = ignore
        self._services = services

    @property
    def ran_ahead(self) -> int:
        """How many executions were run ahead of their turn, and never had one."""
        return 0 if self._pool is None else self._pool.ran_ahead

    @property
    def late(self) -> Mapping[str, int]:
        """How many messages were taken too late to count, by who took them."""
        return self._runner.late

    def run(self, plan: Plan) -> Execution:
        """Return the execution of a plan.

        Raises FunctionalTestError if it can't be had, and ServicesError where a service that ended
        can't be started again.
        """
        execution = self._runner.execute(plan) if self._pool is None else self._pool.run(plan)
        if not execution.deaths:
            self._sample.add(execution)
        return execution

    def look_ahead(self, plans: Iterator[Plan]) -> None:
        """Take note of the plans that will likely be run next; reads none if nobody would."""
        if self._pool is not None:
            self._pool.look_ahead(plans)

    def late_deaths(self) -> Iterator[Late]:
        """Yield the services that ended when nothing that was under way was the reason.

        Runs executions again. To be called when the search is over.
        """
        if self._pool is not None:
            self._pool.rest()
        yield from self._runner.late_deaths()

    def unheard(self) -> Iterator[Unheard]:
        """Yield the services that were started and never told anything."""
        return self._runner.hearing.unheard(self._services)

    def run_and_wait(self, plan: Plan) -> Execution:
        """Run a plan, and wait for services that end after it."""
        return self._runner.execute_and_wait(plan)

    def check_interference(self) -> Iterator[Difference]:
        """Run some executions again, alone, and yield those that come out otherwise.

        Which ones is the same in every run. To be called when the search is over.
        """
        if self._pool is not None:
            self._pool.rest()
        for execution in self._sample:
            found = compare(execution, self._runner.execute_alone, self._ignore)
            if found is not None:
                yield found


@contextmanager
def open_session(
    spec: str, options: Options, report: Report, record: Record | None = None
) -> Iterator[Session]:
    """Start what a run of the test `spec` needs, and end it whatever happens.

    What `record` holds is not run; what ends is kept there.
    """
    alone = options.serial or options.reset is not None
    workers = 1 if alone else worker_count(options.workers)
    if options.foreign and workers > 1:
        raise WorkersError(_FOREIGN)
    test = _test(spec, options, workers)
    with ExitStack() as stack:
        stack.callback(test.close)
        foreign = _foreign(options, report, stack)
        told = {} if foreign is None else {"FILIBUSTER_URL": foreign.url}
        running = standing(options, report, stack, told)
        recording = options.recording or Recording.under_way(STATE / "coverage", running.key)
        if recording is not None and workers > 1:
            raise WorkersError(_COVERAGE)
        runner = Runner(
            test,
            running,
            stack.enter_context(Coordinator(running.key.encode(), options.coordinator)),
            _terms(options, workers == 1, running),
            recording=recording,
            foreign=foreign,
            record=record,
            say=report.line,
        )
        pool = None
        if workers > 1:
            pool = Pool(runner.execute, workers)
            stack.callback(pool.close)
            # What still runs now is of no use to anybody.
            stack.callback(test.close)
            stack.callback(running.give_up)
        check = options.check_interference
        if check is None:
            check = _CHECKED if workers > 1 else 0
        ignore = ignoring(options.ignore_answers)
        yield Session(runner, pool, check, ignore, running.services)


def _test(spec: str, options: Options, workers: int) -> FunctionalTest | RemoteTest:
    """Return the functional test, to be run where it shall."""
    if options.executor in (None, THREADS):
        return functional_test(spec)
    make = executor(options.executor, workers, RemoteTest.__module__)
    return RemoteTest(named_test(spec), Elsewhere(options.executor, make, options.coordinator))


def _terms(options: Options, alone: bool, running: Standing) -> Terms:
    reset = None if options.reset is None else _reset(options.reset, running)
    real = options.latency == "real"
    return Terms(
        options.test_timeout, options.by_payload, real, alone, reset, settle=options.settle
    )


def _reset(command: str, running: Standing) -> Callable[[], None]:
    """Return what runs a shell command, and raises FunctionalTestError if it fails.

    The command finds the services as the functional test does.
    """

    def reset() -> None:
        try:
            done = subprocess.run(  # noqa: S602 - it is the user's own line
                command,
                shell=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                env={**parent_environment(), **running.environment},
            )
        except OSError as error:
            raise FunctionalTestError(f"--reset {command!r} can't be run: {error}") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            why = f": {said[-1]}" if said else ""
            raise FunctionalTestError(
                f"--reset {command!r} ended with exit code {done.returncode}{why}"
            )

    return reset


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
