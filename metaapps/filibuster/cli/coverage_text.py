"""Coverage on the terminal: what is missing, a line for each file, and what faults reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.markup import escape

from metaapps.filibuster.coverage.marks import groups, shown
from metaapps.filibuster.coverage.measured import Measured
from metaapps.filibuster.coverage.summary import FileSummary, Summary, percent, ranges

_MOST: Final = 6
"""So many fault plans are named for a range of lines; the page names all."""
_HEAD: Final = ("file", "lines", "alone", "with faults", "by faults only")


def missing_lines(recorded: Measured, totals: Summary) -> Iterator[str]:
    """Yield a warning for all that the report should hold and does not."""
    for service in recorded.silent:
        yield _warning(
            f"nothing recorded of {service}: no Python, no coverage.py, or killed before its end?"
        )
    for path in recorded.broken:
        yield _warning(f"can't read what a process recorded: {path}")
    for source in totals.unreadable:
        yield _warning(f"no Python source to show: {source}")


def table_lines(totals: Summary) -> Iterator[str]:
    """Yield a table: of each file, how much ran, and which lines under faults only."""
    rows = [_row(file) for file in totals.files]
    total = ("total", str(totals.statements), totals.alone, totals.with_faults, "")
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, total, strict=True)]
    yield ""
    yield f"[bold]{_aligned(_HEAD, widths)}[/]"
    for row in (*rows, total):
        yield _aligned(row, widths)


def fault_lines(totals: Summary) -> Iterator[str]:
    """Yield the lines that faults alone reached, and which faults those were."""
    files = [file for file in totals.files if file.by_faults]
    yield "\n[bold]reached by faults only[/]" if files else "\nno line was reached by faults only"
    for file in files:
        yield escape(shown(file.path))
        reached = [(place, names) for place, _, names in groups(file)]
        width = max(len(place) for place, _ in reached)
        for place, names in reached:
            yield from _group(place.ljust(width), names)


def _group(place: str, names: Sequence[str]) -> Iterator[str]:
    told = [*names[:_MOST]]
    if len(names) > _MOST:
        told.append(f"and {len(names) - _MOST} more, which the page names")
    for number, name in enumerate(told):
        yield f"  {' ' * len(place) if number else place}  [red]{escape(name)}[/]"


def _row(file: FileSummary) -> tuple[str, ...]:
    statements = len(file.statements)
    return (
        shown(file.path),
        str(statements),
        percent(len(file.alone), statements),
        percent(file.covered, statements),
        ranges(file.by_faults, file.statements),
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers, last = row
    cells = [name.ljust(widths[0])]
    cells += [each.rjust(width) for each, width in zip(numbers, widths[1:], strict=False)]
    return escape("  ".join([*cells, last]).rstrip())


def _warning(text: str) -> str:
    return f"[yellow]{escape(text)}[/]"
