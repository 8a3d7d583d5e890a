"""`filibuster-coverage`, and what `--coverage` adds to a run: record, end the services, report.

What needs coverage.py, which is an extra, is imported where it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from rich.markup import escape

from metaapps.filibuster import services as deployments
from metaapps.filibuster.cli.options import Options
from metaapps.filibuster.cli.outcome import ExitCode, guarded
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.session import STATE
from metaapps.filibuster.coverage.recording import CoverageError, Recording, require

RECORDINGS: Final = STATE / "coverage"
PAGE: Final = Path("htmlcov")
_NOTHING: Final = (
    "no coverage was recorded here: run `filibuster run --coverage --services services.toml …`, or "
    "start the services by `filibuster services start --coverage`, run the tests, and come back"
)
_NOT_OURS: Final = (
    "the coverage of services that something else started can't be recorded: name them by "
    "--services, or start them by `filibuster services start --coverage`"
)
_FOREIGN: Final = (
    "--coverage tells executions apart by the baggage, which foreign services don't carry: "
    "leave --foreign or --coverage out"
)

Work = Callable[[Options, Report], ExitCode]


@click.command(
    epilog="Example:  filibuster services start --coverage && "
    "filibuster run --functional-test ./functional/test_checkout.py && filibuster-coverage",
    context_settings={"help_option_names": ["--help", "-h"]},
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    default=PAGE,
    show_default=True,
    help="Where the page goes.",
)
def main(html: Path) -> None:
    """Report which lines of the services ran, and which of them under faults only.

    Reports on the last `filibuster run --coverage`, or on services that were started by
    `filibuster services start --coverage`. Those are ended first, since what they recorded is
    complete only then.
    """
    sys.exit(guarded(lambda report: _report(html, report)).value)


def covered(work: Work, options: Options, report: Report) -> ExitCode:
    """Do the work of a run with coverage recorded, and report it once the services have ended."""
    require()
    from metaapps.filibuster.coverage import page

    if options.foreign:
        raise CoverageError(_FOREIGN)
    page.check(PAGE)
    if options.services_file is None:
        recording = _running()
        if recording is None:
            raise CoverageError(_NOT_OURS)
        code = work(options, report)
        _end(recording, report)
    else:
        recording = Recording.begin(RECORDINGS, deployments.load(options.services_file))
        try:
            code = work(replace(options, recording=recording), report)
        finally:
            recording.end()
    _publish(recording, PAGE, report)
    return code


def _report(html: Path, report: Report) -> ExitCode:
    require()
    from metaapps.filibuster.coverage import page

    page.check(html)
    recording = _running()
    if recording is not None:
        _end(recording, report)
    else:
        recording = Recording.latest(RECORDINGS)
    if recording is None:
        raise CoverageError(_NOTHING if deployments.status(STATE) is None else _NOT_OURS)
    _publish(recording, html, report)
    return ExitCode.PASSED


def _running() -> Recording | None:
    """Return the recording of the services that run here, None where none is made."""
    here = deployments.status(STATE)
    return None if here is None else Recording.under_way(RECORDINGS, here.key)


def _end(recording: Recording, report: Report) -> None:
    deployments.stop_detached(STATE)
    recording.end()
    report.line("services stopped, so that they write what they recorded")


def _publish(recording: Recording, html: Path, report: Report) -> None:
    """Write the page, and show the totals."""
    from metaapps.filibuster.cli.coverage_text import fault_lines, missing_lines, table_lines
    from metaapps.filibuster.coverage import measured, page, summary

    recorded = measured.read(recording)
    if not recorded.lines:
        raise CoverageError(
            "no line of any service was recorded: is coverage.py installed for the Python that "
            f"runs them, and is their code in {str(recording.root)!r}?"
        )
    combined = recording.directory / "combined"
    totals = summary.summarize(recorded.lines, combined)
    index = page.write(html, combined, totals)
    recording.replace_others()
    for line in (*missing_lines(recorded, totals), *table_lines(totals), *fault_lines(totals)):
        report.line(line)
    report.line(f"\n[bold]{totals}[/]\npage: {escape(str(index))}")
