"""What coverage comes to: how much the test reaches alone, and what only faults reach."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coverage import Coverage
from coverage.exceptions import CoverageException

from metaapps.filibuster.coverage.measured import Lines, combine
from metaapps.filibuster.coverage.plans import NO_FAULTS, START

_ALONE: Final = frozenset({START, NO_FAULTS})


@dataclass(frozen=True, slots=True)
class FileSummary:
    """One file. Its statements are named by their first lines.

    `alone` are those that ran before or in executions without faults; `by_faults` maps those that
    ran in others only to the labels of these.
    """

    path: str
    statements: frozenset[int]
    alone: frozenset[int]
    by_faults: Mapping[int, tuple[str, ...]]

    @property
    def covered(self) -> int:
        """How many statements ran at all."""
        return len(self.alone) + len(self.by_faults)


@dataclass(frozen=True, slots=True)
class Summary:
    """All files that a service loaded. `tested_alone` says whether the test ran without faults.

    `unreadable` are files that ran, but of which no source was found, or none that is Python.
    """

    files: tuple[FileSummary, ...]
    tested_alone: bool
    unreadable: tuple[str, ...] = ()

    @property
    def statements(self) -> int:
        return sum(len(file.statements) for file in self.files)

    @property
    def alone(self) -> str:
        """The share that the test reaches without any fault, as in "83.9%"."""
        return percent(sum(len(file.alone) for file in self.files), self.statements)

    @property
    def with_faults(self) -> str:
        """The share that is reached with or without faults, as in "98.6%"."""
        return percent(sum(file.covered for file in self.files), self.statements)

    def __str__(self) -> str:
        if not self.tested_alone:
            return f"covered {self.with_faults} with faults; the test did not run without any"
        return f"covered {self.alone} by the test alone, {self.with_faults} with faults"


def summarize(lines: Lines, combined: Path) -> Summary:
    """Sum up lines; they are left in the file `combined`, as coverage.py's data."""
    all_of_them = combine(lines, combined)
    beside = combined.with_suffix(".alone")
    test_alone = combine({name: lines[name] for name in _ALONE & lines.keys()}, beside)
    files: list[FileSummary] = []
    unreadable: list[str] = []
    for path in sorted({path for measured in lines.values() for path in measured}):
        try:
            statements, ran = _statements(all_of_them, path)
            alone = _statements(test_alone, path)[1]
        except CoverageException:
            unreadable.append(path)
        else:
            by_faults = _contexts(path, statements, ran - alone, lines)
            files.append(FileSummary(path, frozenset(statements), alone, by_faults))
    beside.unlink()
    return Summary(tuple(files), NO_FAULTS in lines, tuple(unreadable))


def percent(part: int, whole: int) -> str:
    """Return a share; "100.0%" means all, and "0.0%" none."""
    if not whole:
        return "100.0%"
    tenths = round(1000 * part / whole)
    if 0 < part < whole:
        tenths = min(max(tenths, 1), 999)
    return f"{tenths / 10:.1f}%"


def ranges(chosen: Iterable[int], statements: Iterable[int]) -> str:
    """Return lines in short, as in "30-32, 40", where nothing else lies between."""
    order = {line: place for place, line in enumerate(sorted(statements))}
    runs: list[list[int]] = []
    for line in sorted(chosen):
        if runs and order[line] == order[runs[-1][-1]] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def _statements(recorded: Coverage, path: str) -> tuple[list[int], frozenset[int]]:
    """Return the statements of a file, and those that ran."""
    _, statements, _, missing, _ = recorded.analysis2(path)
    return statements, frozenset(statements) - frozenset(missing)


def _contexts(
    path: str, statements: list[int], chosen: frozenset[int], lines: Lines
) -> Mapping[int, tuple[str, ...]]:
    """Return the contexts in which chosen statements ran."""
    contexts: dict[int, set[str]] = defaultdict(set)
    for context, files in lines.items():
        for line in files.get(path, ()):
            # A statement of several lines is recorded by those that were evaluated.
            place = bisect_right(statements, line)
            contexts[statements[max(place - 1, 0)]].add(context)
    return {line: tuple(sorted(contexts[line])) for line in sorted(chosen)}
