"""What `filibuster run` does: explore, keep what fails, and refuse to call nothing a success."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.markup import escape

from metaapps.filibuster import counterexample
from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.cli.dying import show_late, show_unheard
from metaapps.filibuster.cli.functional import FunctionalTestError, named_test
from metaapps.filibuster.cli.history import open_record
from metaapps.filibuster.cli.interference import show_interference
from metaapps.filibuster.cli.known import KnownFailures
from metaapps.filibuster.cli.options import (
    Options,
    wanted_catalogue,
    wanted_search,
    wanted_test,
)
from metaapps.filibuster.cli.outcome import ExitCode, JobError
from metaapps.filibuster.cli.progress import Progress
from metaapps.filibuster.cli.report import Found, Report, counted
from metaapps.filibuster.cli.session import STATE, Session, open_session
from metaapps.filibuster.cli.single import run_single, wanted_rules
from metaapps.filibuster.explore import Done, Event, Ran, Search, StopReason
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.observation import Execution, Role
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.services import ServicesError
from metaapps.filibuster.store import Record

FIRST: Final = Path("counterexample.json")
_THERE: Final = STATE / "counterexamples"

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
    FindingKind.MISSED: "a planned fault could not be enacted",
    FindingKind.UNREACHABLE: "a planned fault was not hit, since the application's calls vary",
    FindingKind.LOST: "a part of what services reported is missing",
    FindingKind.ORPHANED: "a part of what services reported is missing",
    FindingKind.INCOMPLETE: "a part of what services reported is missing",
    FindingKind.DUPLICATED: "calls could not be told apart, and were not failed",
}


def run(options: Options, report: Report) -> ExitCode:
    """Explore, or run once without any fault, or under those that are written by hand."""
    spec = wanted_test(options.functional_test)
    if options.only_initial_execution:
        return _initial(spec, options, report)
    if options.fault:
        return _single(spec, options, report)
    named_test(spec)  # what is no test leaves no trace in the store
    catalogue, search = wanted_catalogue(options), wanted_search(options)
    with ExitStack() as stack:
        record = stack.enter_context(open_record(options, spec, report))
        session = stack.enter_context(open_session(spec, options, report, record))
        return _Exploration(spec, options, report, session, record).explore(search, catalogue)


def _initial(spec: str, options: Options, report: Report) -> ExitCode:
    with open_session(spec, options, report) as session:
        execution = session.run(FAULT_FREE)
    report.execution(execution, "Initial execution")
    if not execution.passed:
        raise JobError(_FAILS_WITHOUT)
    if all(seen.by_test or seen.role is not Role.CALL for seen in execution.observations):
        raise JobError(_NO_CALLS)
    return ExitCode.PASSED


def _single(spec: str, options: Options, report: Report) -> ExitCode:
    rules = wanted_rules(options.fault)
    kept = _Counterexamples(spec, report)
    with open_session(spec, options, report) as session:
        code = run_single(session.run, rules, report, kept.save)
    if kept.known:
        report.line(f"replay it: {escape(_replay_line(options))}")
    return code


@dataclass(slots=True)
class _Counterexamples:
    """The failures of a run, each in a file, and the first one also where it is easily found."""

    spec: str
    report: Report
    known: set[str] = field(default_factory=set)
    found: list[Found] = field(default_factory=list)

    def save(self, execution: Execution) -> None:
        """Keep a failure; one that is kept already stays."""
        name = counterexample.file_name(execution.plan)
        if name in self.known:
            return
        path = _THERE / name
        for target in (path,) if self.known else (path, FIRST):
            try:
                counterexample.save(target, execution, self.spec)
            except OSError as error:
                raise JobError(f"can't write {target}: {error.strerror}") from error
            self.report.counterexample(target)
        self.known.add(name)
        self.found.append(Found.of(execution, path))

    def show(self, options: Options) -> None:
        """Show them again in short."""
        self.report.failures(self.found, _replay_line(options))

    def so_far(self) -> str:
        """Say how many there are, and what to do."""
        there = f"{counted(len(self.known), 'counterexample')} so far, in {_THERE}"
        return f"{there if self.known else 'no counterexample so far'}; --resume goes on from here"


class _Exploration:
    """One search as it goes on: what failed, and what was amiss."""

    def __init__(
        self, spec: str, options: Options, report: Report, session: Session, record: Record
    ) -> None:
        self._options = options
        self._report = report
        self._session = session
        self._record = record
        self._kept = _Counterexamples(spec, report)
        self._amiss: dict[str, None] = {}

    def explore(self, search: Search, catalogue: Catalogue) -> ExitCode:
        try:
            if self._known_failures(search) and self._options.fail_fast:
                self._record.stop(_KNOWN_FAILED)
                self._report.line(f"\n[bold]stopped[/] because {_KNOWN_FAILED}")
                return self._conclude()
            done = self._search(search, catalogue)
        except KeyboardInterrupt as interrupted:
            raise KeyboardInterrupt(self._kept.so_far()) from interrupted
        except (FunctionalTestError, ServicesError) as error:
            if not self._kept.known:
                raise
            reason, _, more = str(error).partition("\n")
            self._report.line(f"\n[bold]stopped[/] because {escape(reason)}")
            self._report.quote(more)
            self._report.line("what ran is kept: --resume goes on from here")
            return self._conclude()
        if done.stopped_because in _ADVICE:
            raise JobError(_ADVICE[done.stopped_because])
        if done.ran + done.pruned == 1 and not self._kept.known:
            raise JobError(_NOTHING_TRIED)
        return self._conclude()

    def _known_failures(self, search: Search) -> bool:
        """Run what failed before; say whether any of it fails still."""
        known = KnownFailures(self._record, self._session, self._report)
        for execution in known.still_failing(search.limits.max_time):
            self._kept.save(execution)
            if self._options.fail_fast:
                break
        return bool(self._kept.known)

    def _search(self, search: Search, catalogue: Catalogue) -> Done:
        with self._report.live_line() as live:
            progress = Progress(self._report, live, verbose=self._options.verbose)
            for event in search.explore(self._session.run, catalogue, self._session.look_ahead):
                self._take(event, progress)
                if isinstance(event, Done):
                    break
            else:
                raise AssertionError("the last event is Done")
        progress.done(event, self._session.ran_ahead)
        if event.stopped_because is StopReason.FAULT_FREE_FAILED:
            return event
        show_interference(self._session, self._report)
        self._show_deaths()
        self._show_late()
        for unheard in self._session.unheard():
            show_unheard(unheard, self._report)
        return event

    def _show_deaths(self) -> None:
        """Say which services ended between executions; keep what they ended for."""
        for late in self._session.late_deaths():
            show_late(late, self._report)
            if late.execution is None:
                self._amiss[_DIED] = None
            else:
                self._kept.save(late.execution)

    def _show_late(self) -> None:
        """Say what could not be waited for, since nobody knew that it would come."""
        late = self._session.late
        if late:
            times, takers = counted(sum(late.values()), "message"), ", ".join(sorted(late))
            self._report.line(
                f"[yellow]late[/]: {times} taken after the execution had been judged, by "
                f"{escape(takers)}: what is done then is not tried"
            )

    def _take(self, event: Event, progress: Progress) -> None:
        self._record.commit(event)
        progress.show(event)
        if not isinstance(event, Ran):
            return
        serious = (_SERIOUS.get(finding.kind) for finding in event.findings)
        self._amiss.update((reason, None) for reason in serious if reason is not None)
        if not event.execution.passed and event.execution.plan.faults:
            self._kept.save(event.execution)

    def _conclude(self) -> ExitCode:
        """Give the verdict: no run that tested nothing, or not all, counts as passed."""
        if self._kept.known:
            self._kept.show(self._options)
            return ExitCode.COUNTEREXAMPLE
        if self._amiss:
            raise JobError(f"not all was tested: {'; '.join(self._amiss)} (see above)")
        return ExitCode.PASSED


_NOTHING_TRIED: Final = (
    "no fault was tried: --max-faults, --max-executions or --max-time leave room for none"
)
_DIED: Final = "a service ended, and it isn't known for which execution"
_KNOWN_FAILED: Final = "a known failure still fails"


def _replay_line(options: Options) -> str:
    """Return what replays the first failure, with the options that name and time its calls."""
    said = (
        (options.services_file is not None, f"--services {options.services_file}"),
        (options.foreign, "--foreign"),
        (options.by_payload, "--by-payload"),
        (options.latency != "simulated", f"--latency {options.latency}"),
    )
    return " ".join([f"filibuster replay {FIRST}", *(text for given, text in said if given)])
