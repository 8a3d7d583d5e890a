"""What `filibuster run` does: explore, keep what fails, and refuse to call nothing a success."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.markup import escape

from metaapps.filibuster import counterexample
from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.cli.functional import FunctionalTestError
from metaapps.filibuster.cli.options import Options, wanted_catalogue, wanted_test
from metaapps.filibuster.cli.outcome import ExitCode, JobError
from metaapps.filibuster.cli.report import Found, Report
from metaapps.filibuster.cli.session import STATE, Session, open_session
from metaapps.filibuster.explore import Done, Event, Limits, Ran, StopReason, explore
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.observation import Execution, Role
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.reduce import NoReduction, Predictor

FIRST: Final = Path("counterexample.json")

_NO_CALLS: Final = (
    "no service was seen to call another: instrument the services, and switch injection on in them "
    "by FILIBUSTER_KEY or `filibuster services start`; with --foreign, tell the original's "
    "instrumentation where this run serves its protocol"
)
_FAILS_WITHOUT: Final = "the functional test fails without any fault: make it pass first"
_ADVICE: Final = {
    StopReason.FAULT_FREE_FAILED: _FAILS_WITHOUT,
    StopReason.NO_CALLS: _NO_CALLS,
    StopReason.NO_FAULTS: "no fault of the catalogue fits any call: see --analysis-file",
}
# Where reports were lost or can't be told apart, calls may have gone untested.
_SERIOUS: Final = {
    FindingKind.UNREACHABLE: "a planned fault was not hit, since the application's calls vary",
    FindingKind.LOST: "a part of what services reported is missing",
    FindingKind.MISSED: "a planned fault could not be injected",
    FindingKind.ORPHANED: "a part of what services reported is missing",
    FindingKind.INCOMPLETE: "a part of what services reported is missing",
    FindingKind.DUPLICATED: "calls could not be told apart, and were not failed",
}


def run(options: Options, report: Report) -> ExitCode:
    """Explore, or run once without any fault."""
    spec = wanted_test(options.functional_test)
    catalogue = wanted_catalogue(options)
    with open_session(spec, options, report) as session:
        if options.only_initial_execution:
            return _initial(session.run(FAULT_FREE), report)
        return _Exploration(spec, report).explore(options, session, catalogue)


def _initial(execution: Execution, report: Report) -> ExitCode:
    report.execution(execution, "Initial execution")
    if not execution.passed:
        raise JobError(_FAILS_WITHOUT)
    if all(seen.by_test or seen.role is not Role.CALL for seen in execution.observations):
        raise JobError(_NO_CALLS)
    return ExitCode.PASSED


@dataclass(slots=True)
class _Exploration:
    """One search as it goes on: what failed, and what was amiss."""

    spec: str
    report: Report
    found: list[Found] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def explore(self, options: Options, session: Session, catalogue: Catalogue) -> ExitCode:
        reducer = NoReduction() if options.disable_dynamic_reduction else Predictor()
        limits = Limits(options.fail_fast, options.max_faults, options.max_executions)
        started = time.perf_counter()
        try:
            for event in explore(session.run, catalogue, reducer, limits):
                self._take(event)
                if isinstance(event, Done):
                    self.report.done(event, self.findings, time.perf_counter() - started)
                    return self._conclude(event, options)
        except KeyboardInterrupt as interrupted:
            raise KeyboardInterrupt(self._so_far()) from interrupted
        except FunctionalTestError as error:
            if not self.found:
                raise
            self.report.line(f"stopped: {escape(str(error))}")
            self.report.failures(self.found, _replay_line(options))
            return ExitCode.COUNTEREXAMPLE
        raise AssertionError("the last event is Done")

    def _take(self, event: Event) -> None:
        self.report.show(event)
        if not isinstance(event, Ran):
            return
        self.findings.extend(event.findings)
        if not event.execution.passed and event.execution.plan.faults:
            self.found.append(self._save(event.execution))

    def _save(self, execution: Execution) -> Found:
        path = STATE / "counterexamples" / counterexample.file_name(execution.plan)
        for target in (path,) if self.found else (path, FIRST):
            try:
                counterexample.save(target, execution, self.spec)
            except OSError as error:
                raise JobError(f"can't write {target}: {error.strerror}") from error
            self.report.counterexample(target)
        return Found(execution, path)

    def _so_far(self) -> str:
        if not self.found:
            return "no counterexample so far"
        return f"{len(self.found)} counterexamples so far, in {STATE / 'counterexamples'}"

    def _conclude(self, done: Done, options: Options) -> ExitCode:
        """Give the verdict: no run that tested nothing, or not all, counts as passed."""
        if done.stopped_because in _ADVICE:
            raise JobError(_ADVICE[done.stopped_because])
        if self.found:
            self.report.failures(self.found, _replay_line(options))
            return ExitCode.COUNTEREXAMPLE
        amiss = [finding for finding in self.findings if finding.kind in _SERIOUS]
        if amiss:
            reasons = dict.fromkeys(_SERIOUS[finding.kind] for finding in amiss)
            raise JobError(f"not all was tested: {'; '.join(reasons)} (see above)")
        return ExitCode.PASSED


def _replay_line(options: Options) -> str:
    services = "" if options.services_file is None else f" --services {options.services_file}"
    return f"filibuster replay {FIRST}{services}{' --foreign' if options.foreign else ''}"
