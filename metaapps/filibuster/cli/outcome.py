"""How a command ends: exit codes, and the one line that says why the job could not be done."""

from __future__ import annotations

import signal
from collections.abc import Callable
from enum import Enum

from metaapps.filibuster.catalogue import AnalysisError
from metaapps.filibuster.cli.functional import FunctionalTestError
from metaapps.filibuster.cli.report import Report, make_console
from metaapps.filibuster.counterexample import CounterexampleError
from metaapps.filibuster.coverage.recording import CoverageError
from metaapps.filibuster.explore import SearchError
from metaapps.filibuster.foreign.server import ForeignServerError
from metaapps.filibuster.services import ServicesError
from metaapps.filibuster.settings import NoLocalKey
from metaapps.filibuster.store import StoreError
from metaapps.filibuster.workers import WorkersError


class ExitCode(Enum):
    """What a command comes to."""

    PASSED = 0
    COUNTEREXAMPLE = 1
    NOT_DONE = 2
    INTERRUPTED = 130


class JobError(Exception):
    """The job can't be done: one line that says why and what to do."""


_REFUSALS = (
    JobError,
    FunctionalTestError,
    ServicesError,
    AnalysisError,
    CounterexampleError,
    CoverageError,
    ForeignServerError,
    NoLocalKey,
    SearchError,
    StoreError,
    WorkersError,
)


def guarded(work: Callable[[Report], ExitCode]) -> ExitCode:
    """Do a command's work; whatever keeps it from being done is one line on standard error.

    What is known beyond that line (the end of a service's log) follows on standard output.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    report = Report(make_console())
    try:
        return work(report)
    except _REFUSALS as error:
        reason, _, more = str(error).partition("\n")
        complain(reason)
        report.quote(more)
    except KeyboardInterrupt as interrupted:
        complain(": ".join(["interrupted", *map(str, interrupted.args)]))
        return ExitCode.INTERRUPTED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        complain(f"{place}{error.strerror or error}")
    finally:
        signal.signal(signal.SIGTERM, before)
    return ExitCode.NOT_DONE


def complain(reason: str) -> None:
    """Write a line to standard error, where it doesn't get among what is written for programs."""
    make_console(stderr=True).print(f"filibuster: {reason}", markup=False)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
