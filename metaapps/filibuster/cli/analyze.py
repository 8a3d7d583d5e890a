"""`filibuster analyze`, the original's `filibuster-analysis`, and `filibuster schema`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from metaapps.filibuster.analyze import (
    UNHANDLED_CODE,
    UNHANDLED_STATUS,
    AnalyzeError,
    Found,
    Site,
    document,
    write,
)
from metaapps.filibuster.analyze import analyze as analyze_services
from metaapps.filibuster.catalogue import SCHEMA
from metaapps.filibuster.cli.outcome import ExitCode, JobError, guarded
from metaapps.filibuster.cli.report import Report, make_console

_ELSEWHERE = "an exception that nothing handles"


def _analyze(
    services_directory: Path, output_file: Path, wanted: tuple[str, ...], report: Report
) -> ExitCode:
    try:
        found = analyze_services(services_directory, wanted)
        for each in found:
            _show(each, report)
        content = document(found)
        write(output_file, content)
    except AnalyzeError as error:
        raise JobError(str(error)) from error
    serving = sum(each.serves for each in found)
    report.line(f"wrote {escape(str(output_file))}: {serving} services, {_count(content)}")
    return ExitCode.PASSED


def _count(content: Mapping[str, Any]) -> str:
    sections = content.values()
    exceptions = sum(len(section.get("exceptions", [])) for section in sections)
    errors = sum(len(each["types"]) for section in sections for each in section.get("errors", []))
    return f"{exceptions} exceptions of clients, {errors} errors of services"


def _show(found: Found, report: Report) -> None:
    report.line(f"[bold]{escape(found.service.name)}[/]")
    if not found.serves:
        report.line("  answers no requests, as far as is known: left out")
        return
    if found.answers.serves_http:
        for status in sorted({UNHANDLED_STATUS, *found.answers.statuses}):
            sites = found.answers.statuses.get(status, [])
            report.line(f"  {status}  {_places(sites, generic=status == UNHANDLED_STATUS)}")
    if found.answers.serves_grpc:
        for code in sorted({UNHANDLED_CODE, *found.answers.codes}):
            sites = found.answers.codes.get(code, [])
            report.line(f"  {code}  {_places(sites, generic=code == UNHANDLED_CODE)}")
    for note in found.answers.notes:
        report.line(f"  [yellow]note[/] {escape(str(note.site))}: {escape(note.text)}")


def _places(sites: Iterable[Site], *, generic: bool) -> str:
    # Several in one line of source are one for a reader.
    places = [*dict.fromkeys(map(str, sites)), *([_ELSEWHERE] if generic else [])]
    return f"[dim]{escape(', '.join(places))}[/]"


@click.command(
    "analyze",
    epilog="Example:  filibuster analyze --services-directory services --output-file analysis.json",
    context_settings={"help_option_names": ["--help", "-h"]},
)
@click.option(
    "--services-directory",
    type=click.Path(path_type=Path),
    required=True,
    help="The directory with one directory for each service.",
)
@click.option(
    "--output-file",
    type=click.Path(path_type=Path),
    default=Path("analysis.json"),
    show_default=True,
    help="Where the analysis file goes.",
)
@click.option(
    "--service",
    "wanted",
    multiple=True,
    metavar="NAME[=DIRECTORY]",
    help="Only this service (repeatable); DIRECTORY where its source has another name.",
)
def analyze(services_directory: Path, output_file: Path, wanted: tuple[str, ...]) -> None:
    """Read the services' source, and write which errors they can answer, and clients can meet.

    Nothing of the services is run. The file is for `filibuster run --analysis-file`.
    """
    work = partial(_analyze, services_directory, output_file, wanted)
    sys.exit(guarded(work).value)


@click.command("schema", epilog="Example:  filibuster schema > analysis.schema.json")
def schema() -> None:
    """Print the JSON schema of analysis files."""
    make_console().print_json(data=SCHEMA)
