"""`filibuster runs` and `filibuster export`: what is stored, for people and for programs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

import click
from rich.markup import escape

from metaapps.filibuster.cli.history import STORE
from metaapps.filibuster.cli.outcome import ExitCode, JobError, complain, guarded
from metaapps.filibuster.cli.progress import BECAUSE
from metaapps.filibuster.cli.report import Report, counted
from metaapps.filibuster.explore import StopReason
from metaapps.filibuster.store import Store, StoredRun

run_option: Final = click.option(
    "--run", "run", type=click.IntRange(min=1), help="Which one; by default the last."
)
_NOTHING: Final = (
    "no run is stored here: change to where `filibuster run` was called, or run something first"
)


@click.command("runs", epilog="Example:  filibuster runs")
def runs() -> None:
    """List the stored runs, those in .filibuster/ of the working directory."""

    def work(report: Report) -> ExitCode:
        with opened() as store:
            stored = tuple(store.runs())
        if not stored:
            raise JobError(_NOTHING)
        for one in stored:
            begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.started))
            report.line(
                f"[bold]{one.id}[/]  {begun}  {escape(one.test)}  "
                f"{counted(one.executions, 'execution')}, "
                f"{one.failed} failed{_late(one)}  [dim]{state(one)}[/]"
            )
        return ExitCode.PASSED

    sys.exit(guarded(work).value)


@click.command("export", epilog="Example:  filibuster export --run 7 -o run.jsonl")
@run_option
@click.option(
    "-o",
    "--output-file",
    "output",
    type=click.Path(path_type=Path),
    help="Where it goes; by default to standard output.",
)
def export(run: int | None, output: Path | None) -> None:
    """Write a run as text, the same wherever it ran.

    JSON, a line for each plan in the order in which they were judged: its faults, the calls, what
    came of them, and the verdict. Times, ports, ids and paths of a checkout are left out: so two
    runs of the same search are equal byte for byte, with any number of workers; but for services
    that ended between executions, which come last.
    """

    def work(report: Report) -> ExitCode:
        with opened() as store:
            stored = wanted(store, run)
            if output is None:
                for line in store.exported(stored.id):
                    report.raw(line)
            else:
                saved(output, (f"{line}\n" for line in store.exported(stored.id)))
                report.line(f"run {stored.id} is in {escape(str(output))}")
        if stored.stopped_because is None:
            complain(f"run {stored.id} {state(stored)}: this is a part of it")
        return ExitCode.PASSED

    sys.exit(guarded(work).value)


def _late(stored: StoredRun) -> str:
    return f", {counted(stored.late, 'late death')}" if stored.late else ""


def opened() -> AbstractContextManager[Store]:
    """Return the store of the working directory; a JobError if there is none."""
    if not STORE.exists():
        raise JobError(_NOTHING)
    return Store.open(STORE)


def state(stored: StoredRun) -> str:
    """Say how a run ended, if it did."""
    if stored.running:
        return "is running"
    if stored.stopped_because is None:
        return "was cut off"
    return f"stopped because {BECAUSE[StopReason(stored.stopped_because)]}"


def wanted(store: Store, run: int | None) -> StoredRun:
    """Return the run of a number, or the last one; a JobError if it isn't stored."""
    stored = tuple(store.runs())
    if not stored:
        raise JobError(_NOTHING)
    if run is None:
        return stored[0]
    for one in stored:
        if one.id == run:
            return one
    raise JobError(f"run {run} is not stored here: `filibuster runs` lists those that are")


def saved(output: Path, parts: Iterable[str]) -> None:
    """Write a file at once: whoever reads it sees all of it or none. Raises JobError."""
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        draft.replace(output)
    except OSError as error:
        raise JobError(f"can't write {output}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
