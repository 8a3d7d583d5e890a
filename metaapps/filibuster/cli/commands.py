"""The command line: `filibuster run`, `replay` and `services`, and the original's spelling of run.

Options and exit codes; the work is done in `run` and `services`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from metaapps.filibuster.cli.analyze import analyze, schema
from metaapps.filibuster.cli.coverage import covered
from metaapps.filibuster.cli.export import export, runs
from metaapps.filibuster.cli.options import Options, check_options
from metaapps.filibuster.cli.outcome import ExitCode, JobError, guarded
from metaapps.filibuster.cli.page import page
from metaapps.filibuster.cli.replay import replay
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.run import run
from metaapps.filibuster.cli.searching import replay_options, search_options
from metaapps.filibuster.cli.serve import foreign_options, serve
from metaapps.filibuster.cli.services import services

_FILE = click.Path(path_type=Path)
_TEST = click.option(
    "--functional-test", "functional_test", metavar="TEST", help="A Python file, or any command."
)


class _Commands(click.Group):
    """`filibuster --functional-test …` means `filibuster run --functional-test …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in that the original's lines leave out."""
        if args and args[0] not in (*self.commands, "--help", "-h", "--version"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_Commands,
    epilog="Example:  filibuster run --functional-test ./functional/test_checkout.py",
    context_settings={"help_option_names": ["--help", "-h"]},
)
@click.version_option(package_name="baggage", prog_name="filibuster")
def main() -> None:
    """Find out what your services do when the calls between them fail.

    Exit codes: 0 all executions passed, 1 a counterexample was found, 2 the job could not be done,
    130 interrupted.
    """


_SETTLE: Final = click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long for what goes on after the test.",
)


@main.command(
    "run",
    epilog="Example:  filibuster run --services services.toml "
    "--functional-test ./functional/test_checkout.py",
)
@_TEST
@click.option("--services", "services_file", type=_FILE, help="Start these services first.")
@click.option("--analysis-file", type=_FILE, help="Which faults to try (JSON).")
@click.option("--counterexample-file", type=_FILE, help="Replay this and nothing else.")
@click.option("--only-initial-execution", is_flag=True, help="Run once, without any fault.")
@search_options
@click.option(
    "--test-timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="Seconds that one run of the test may take.",
)
@_SETTLE
@click.option("--coverage", is_flag=True, help="Report which lines ran, and under which faults.")
@foreign_options
def run_command(coverage: bool, **options: Any) -> None:
    """Run a functional test under every fault that the calls between services can suffer.

    The first 30 executions are shown with their calls, all others in a line each (but --verbose).
    Each is stored in .filibuster/ as it ends: what is cut off goes on by --resume, and what failed
    in earlier runs of a test is run first. Unless --exhaustive is given, a run ends after 1,000
    executions or ten minutes.
    """
    work = replay if options["counterexample_file"] else run
    if coverage:
        work = partial(covered, work)

    def checked(report: Report) -> ExitCode:
        wanted = Options(**options)
        check_options(wanted)
        if coverage and wanted.resume:
            raise JobError("--coverage knows nothing of what ran before: leave --resume out")
        return work(wanted, report)

    _exit(guarded(checked))


@main.command(
    "replay",
    epilog="Example:  filibuster replay counterexample.json "
    "--functional-test ./functional/test_checkout.py",
)
@click.argument("counterexample_file", metavar="FILE", type=_FILE)
@_TEST
@click.option("--services", "services_file", type=_FILE, help="Start these services first.")
@click.option("--test-timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True)
@_SETTLE
@replay_options
@foreign_options
def replay_command(**options: Any) -> None:
    """Run one counterexample again, by default with the functional test that found it."""
    _exit(guarded(lambda report: replay(Options(**options), report)))


main.add_command(analyze)
main.add_command(export)
main.add_command(page)
main.add_command(runs)
main.add_command(schema)
main.add_command(serve)
main.add_command(services)


def _exit(code: ExitCode) -> None:
    sys.exit(code.value)
