"""What `filibuster run` and `filibuster replay` do, from options to an exit code.

Every way in which the job can't be done ends in one line on standard error and exit code 2.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from metaapps.filibuster import counterexample, settings
from metaapps.filibuster import services as deployments
from metaapps.filibuster.catalogue import DEFAULT, AnalysisError, Catalogue, load_analysis
from metaapps.filibuster.cli.functional import FunctionalTestError, functional_test
from metaapps.filibuster.cli.report import Report, make_console
from metaapps.filibuster.cli.session import Session
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.counterexample import CounterexampleError
from metaapps.filibuster.explore import Done, Limits, Ran, StopReason, explore
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.reduce import NoReduction, Predictor
from metaapps.filibuster.services import ServicesError

STATE: Final = Path(".filibuster")
FIRST: Final = Path("counterexample.json")


class OutcomeOfRun(Enum):
    """Exit codes."""

    PASSED = 0
    COUNTEREXAMPLE = 1
    NOT_DONE = 2
    INTERRUPTED = 130


class JobError(Exception):
    """The job can't be done: one line that says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    functional_test: str | None = None
    services_file: Path | None = None
    analysis_file: Path | None = None
    counterexample_file: Path | None = None
    only_initial_execution: bool = False
    disable_dynamic_reduction: bool = False
    fail_fast: bool = False
    max_faults: int | None = None
    max_executions: int | None = None
    test_timeout: float = 60.0


def run(options: Options) -> OutcomeOfRun:
    """Explore; or, with a counterexample file, replay."""
    if options.counterexample_file is not None:
        return replay(options)
    return _guarded(lambda report: _run(options, report))


def replay(options: Options) -> OutcomeOfRun:
    """Run one counterexample again."""
    return _guarded(lambda report: _replay(options, report))


def _guarded(work: Callable[[Report], OutcomeOfRun]) -> OutcomeOfRun:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return work(Report(make_console()))
    except (
        JobError,
        FunctionalTestError,
        ServicesError,
        AnalysisError,
        CounterexampleError,
    ) as error:
        make_console(stderr=True).print(f"filibuster: {error}", markup=False)
        return OutcomeOfRun.NOT_DONE
    except KeyboardInterrupt:
        make_console(stderr=True).print("filibuster: interrupted", markup=False)
        return OutcomeOfRun.INTERRUPTED


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(options: Options, report: Report) -> OutcomeOfRun:
    spec = _wanted_test(options.functional_test)
    catalogue = DEFAULT if options.analysis_file is None else load_analysis(options.analysis_file)
    with _session(options, spec) as session:
        if options.only_initial_execution:
            execution = session.run(FAULT_FREE)
            report.execution(execution, "Initial execution")
            return _initial(execution)
        return _explore(options, session, catalogue, spec, report)


def _initial(execution: Execution) -> OutcomeOfRun:
    if not execution.passed:
        raise JobError("the functional test fails without any fault: make it pass first")
    return OutcomeOfRun.PASSED


def _explore(
    options: Options, session: Session, catalogue: Catalogue, spec: str, report: Report
) -> OutcomeOfRun:
    reducer = NoReduction() if options.disable_dynamic_reduction else Predictor()
    limits = Limits(options.fail_fast, options.max_faults, options.max_executions)
    failures: list[Execution] = []
    missed = 0
    started = time.perf_counter()
    for event in explore(session.run, catalogue, reducer, limits):
        report.show(event)
        if isinstance(event, Ran):
            missed += sum(f.kind is FindingKind.MISSED for f in event.findings)
            if not event.execution.passed and event.execution.plan.faults:
                failures.append(event.execution)
                _save(event.execution, spec, report, first=len(failures) == 1)
        elif isinstance(event, Done):
            report.done(event, failures, time.perf_counter() - started)
            _complain(event)
    if failures:
        return OutcomeOfRun.COUNTEREXAMPLE
    if missed:
        raise JobError(f"{missed} planned faults were never hit: the application's calls vary")
    return OutcomeOfRun.PASSED


def _save(execution: Execution, spec: str, report: Report, *, first: bool) -> None:
    name = "-".join(p.index.hex()[:8] + p.fault.kind.value for p in execution.plan.faults)
    statuses = "".join(f"-{p.fault.status}" for p in execution.plan.faults if p.fault.status)
    path = STATE / "counterexamples" / f"{name}{statuses}.json"
    for target in (path, FIRST) if first else (path,):
        try:
            counterexample.save(target, execution, spec)
        except OSError as error:
            raise JobError(f"can't write {target}: {error.strerror}") from error
        report.counterexample(target)


def _complain(done: Done) -> None:
    """Refuse to call a run done that tested nothing."""
    advice = {
        StopReason.FAULT_FREE_FAILED: "the functional test fails without any fault: "
        "make it pass first",
        StopReason.NO_CALLS: "no service was seen to call another: instrument the services, and "
        "switch injection on in them by FILIBUSTER_KEY or `filibuster services start`",
        StopReason.NO_FAULTS: "no fault of the catalogue fits any call: see --analysis-file",
    }
    if done.stopped_because in advice:
        raise JobError(advice[done.stopped_because])


def _replay(options: Options, report: Report) -> OutcomeOfRun:
    if options.counterexample_file is None:
        raise JobError("name a counterexample file")
    known = counterexample.load(options.counterexample_file)
    spec = _wanted_test(options.functional_test or known.functional_test)
    with _session(options, spec) as session:
        execution = session.run(known.plan)
    report.execution(execution, "Replay")
    unhit = [
        call or planned.label or planned.index.hex()
        for planned, call in zip(known.plan.faults, known.calls, strict=True)
        if planned.index not in execution.fired
    ]
    if unhit:
        raise JobError(
            f"not reproduced: the call {' and '.join(unhit)} is no longer made as recorded "
            "(other place, operation or order), so no fault was injected there: run again"
        )
    if execution.failure is None:
        report.line(
            "[green]The counterexample passes now[/]: its faults were hit, the test passed."
        )
        return OutcomeOfRun.PASSED
    same = _kind(execution.failure.summary) == _kind(known.summary)
    report.line(
        "[red]Reproduced[/]: the test fails as recorded."
        if same
        else f"[red]The test fails, but otherwise[/] than recorded ({known.summary})."
    )
    return OutcomeOfRun.COUNTEREXAMPLE


def _kind(summary: str) -> str:
    """Return the part of a failure that does not change with lines and values."""
    return summary.split(":", 1)[0].split(" (", 1)[0]


def _wanted_test(spec: str | None) -> str:
    if not spec:
        raise JobError("name a functional test: --functional-test FILE")
    return spec


@contextmanager
def _session(options: Options, spec: str) -> Iterator[Session]:
    """Start what a run needs, and end it whatever happens."""
    if options.services_file is not None:
        key = (settings.service_key() or secrets.token_hex(16).encode()).decode()
        deployment = deployments.load(options.services_file)
        with (
            deployments.start(deployment, key, STATE / "logs") as running,
            _ready(options, spec, running.environment, key.encode()) as session,
        ):
            yield session
        return
    started = deployments.status(STATE)
    if started is not None:
        with _ready(options, spec, started.environment, started.key.encode()) as session:
            yield session
        return
    with _ready(options, spec, {}, settings.service_key() or settings.local_key()) as session:
        yield session


@contextmanager
def _ready(options: Options, spec: str, urls: Mapping[str, str], key: bytes) -> Iterator[Session]:
    environment = {**urls, "FILIBUSTER_KEY": key.decode()}
    test = functional_test(spec, environment)
    try:
        with Coordinator() as coordinator:
            yield Session(test, coordinator, key, options.test_timeout)
    finally:
        test.close()
