"""What `filibuster serve` does, and the options of whatever serves the original's protocol."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from rich.markup import escape

from metaapps.filibuster.catalogue import load_analysis
from metaapps.filibuster.cli.outcome import ExitCode, guarded
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.foreign.catalogue import FOREIGN_DEFAULT
from metaapps.filibuster.foreign.server import HOST, PORT
from metaapps.filibuster.foreign.standing import StandingServer
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.tree import describe, ended

F = TypeVar("F", bound=Callable[..., object])


def _where(command: F) -> F:
    """Add the options that say where the original's protocol is served."""
    port = click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=PORT,
        show_default=True,
        help="Where to serve the original's protocol; 0 takes a free port.",
    )
    host = click.option(
        "--host", default=HOST, show_default=True, help="On which interface to serve it."
    )
    return host(port(command))


def foreign_options(command: F) -> F:
    """Add the options of a run that tests services under the original's own instrumentation."""
    foreign = click.option(
        "--foreign",
        is_flag=True,
        help="Serve the original's protocol too, for services under its own instrumentation.",
    )
    return foreign(_where(command))


@click.command(epilog="Example:  filibuster serve --port 5005")
@_where
@click.option(
    "--analysis-file",
    type=click.Path(path_type=Path),
    help="Which faults a run would try (JSON).",
)
def serve(host: str, port: int, analysis_file: Path | None) -> None:
    """Serve the original's protocol, inject nothing, and show what services call.

    Ends by Ctrl-C, with a summary of the calls and of the faults that `filibuster run --foreign`
    would try on them.
    """

    def work(report: Report) -> ExitCode:
        catalogue = FOREIGN_DEFAULT if analysis_file is None else load_analysis(analysis_file)

        def heard(call: Observation) -> None:
            report.line(escape(f"{describe(call)}  {ended(call)}"))

        with StandingServer(catalogue, heard, host, port) as server:
            report.line(f"the original's protocol is served at {server.url}; Ctrl-C ends")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                _summarize(server, report)
        return ExitCode.PASSED

    sys.exit(guarded(work).value)


def _summarize(server: StandingServer, report: Report) -> None:
    summary = server.summary
    calls = sum(seen.outcomes.total() for seen in summary.values())
    report.line(f"\n{calls} calls in {server.requests} requests from outside")
    for kind, seen in summary.items():
        outcomes = ", ".join(f"{how} × {count}" for how, count in seen.outcomes.most_common())
        faults = ", ".join(seen.faults) or "none"
        report.line(escape(f"  {kind}: {outcomes}; faults to try: {faults}"))
