"""`filibuster services`: start the services under test, look at them, end them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from metaapps.filibuster import services as deployments
from metaapps.filibuster import settings
from metaapps.filibuster.cli.report import make_console
from metaapps.filibuster.services import Detached, ServicesError

STATE: Final = Path(".filibuster")


@click.group(epilog="Example:  filibuster services start services.toml")
def services() -> None:
    """Start, look at and stop the services under test.

    What was started is noted in .filibuster/ of the working directory, where `filibuster run` finds
    it.
    """


@services.command(epilog="Example:  filibuster services start services.toml")
@click.argument("file", type=click.Path(path_type=Path), default="services.toml")
def start(file: Path) -> None:
    """Start the services of FILE (services.toml), and leave them running."""

    def work() -> None:
        key = (settings.service_key() or secrets.token_hex(16).encode()).decode()
        _show(deployments.start_detached(deployments.load(file), key, STATE))

    _guarded(work)


@services.command(epilog="Example:  filibuster services stop")
def stop() -> None:
    """Stop the services that were started here."""

    def work() -> None:
        stopped = deployments.stop_detached(STATE)
        make_console().print("no services run here" if stopped is None else "services stopped")

    _guarded(work)


@services.command(epilog="Example:  filibuster services status")
def status() -> None:
    """Show the services that were started here, and where they answer."""

    def work() -> None:
        running = deployments.status(STATE)
        if running is None:
            raise ServicesError("no services run here: start them by `filibuster services start`")
        _show(running)

    _guarded(work)


def _show(running: Detached) -> None:
    console = make_console()
    for process in running.services:
        url = running.environment.get(f"{process.name.upper().replace('-', '_')}_URL", "")
        console.print(f"{process.name}  {url}  pid {process.pid}", markup=False)


def _guarded(work: Callable[[], None]) -> None:
    try:
        work()
    except ServicesError as error:
        make_console(stderr=True).print(f"filibuster: {error}", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
