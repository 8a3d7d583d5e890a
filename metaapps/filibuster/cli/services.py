"""`filibuster services`: start the services under test, look at them, end them."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import click

from metaapps.filibuster import services as deployments
from metaapps.filibuster import settings
from metaapps.filibuster.cli.outcome import ExitCode, JobError, guarded
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.session import STATE
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.services import Detached


@click.group(epilog="Example:  filibuster services start services.toml")
def services() -> None:
    """Start, look at and stop the services under test.

    What was started is noted in .filibuster/ of the working directory, where `filibuster run` finds
    it.
    """


@services.command(epilog="Example:  filibuster services start services.toml")
@click.argument("file", type=click.Path(path_type=Path), default="services.toml")
@click.option("--coverage", is_flag=True, help="Record coverage, for `filibuster-coverage`.")
def start(file: Path, coverage: bool) -> None:
    """Start the services of FILE (services.toml), and leave them running."""

    def work(report: Report) -> ExitCode:
        key = (settings.service_key() or secrets.token_hex(16).encode()).decode()
        deployment = deployments.load(file)
        if coverage:
            recording = Recording.begin(STATE / "coverage", deployment, key)
            deployment = recording.measured(deployment)
        _show(deployments.start_detached(deployment, key, STATE), report)
        return ExitCode.PASSED

    sys.exit(guarded(work).value)


@services.command(epilog="Example:  filibuster services stop")
def stop() -> None:
    """Stop the services that were started here."""

    def work(report: Report) -> ExitCode:
        stopped = deployments.stop_detached(STATE)
        report.line("no services run here" if stopped is None else "services stopped")
        recording = stopped and Recording.under_way(STATE / "coverage", stopped.key)
        if recording:
            recording.end()
            report.line("coverage was recorded: `filibuster-coverage` reports it")
        return ExitCode.PASSED

    sys.exit(guarded(work).value)


@services.command(epilog="Example:  filibuster services status")
def status() -> None:
    """Show the services that were started here, where they answer, and which have ended."""

    def work(report: Report) -> ExitCode:
        running = deployments.status(STATE)
        if running is None:
            raise JobError("no services run here: start them by `filibuster services start`")
        _show(running, report)
        return ExitCode.PASSED

    sys.exit(guarded(work).value)


def _show(running: Detached, report: Report) -> None:
    for process in running.services:
        url = running.environment.get(f"{process.name.upper().replace('-', '_')}_URL", "")
        ended = "" if process.running else "  ended"
        report.line(f"{process.name}  {url}  pid {process.pid}{ended}")
