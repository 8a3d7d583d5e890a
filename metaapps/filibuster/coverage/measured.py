"""What the services' processes have recorded, as lines by context and file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage, CoverageData
from coverage.exceptions import CoverageException

from metaapps.filibuster.coverage.plans import label_of_context, labels
from metaapps.filibuster.coverage.recording import Recording

Lines = Mapping[str, Mapping[str, set[int]]]
"""The lines that ran, by context and by the file's absolute path."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was recorded. `silent` are services of which no line was, `broken` unreadable files."""

    lines: Lines
    silent: tuple[str, ...] = ()
    broken: tuple[Path, ...] = ()


def read(recording: Recording) -> Measured:
    """Read what the processes of all services wrote, with contexts named for people."""
    known = labels(recording.labels)
    lines: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    silent: list[str] = []
    broken: list[Path] = []
    for service in recording.services:
        heard = False
        for path in recording.data_files(service):
            try:
                found = _by_context(path)
            except CoverageException:
                broken.append(path)
                continue
            heard = heard or bool(found)
            for context, files in found.items():
                for file, numbers in files.items():
                    lines[label_of_context(context, known)][file] |= numbers
        if not heard:
            silent.append(service)
    return Measured(lines, tuple(silent), tuple(broken))


def combine(lines: Lines, path: Path) -> Coverage:
    """Write lines to one file of coverage.py's, and load it; what was there is overwritten."""
    path.unlink(missing_ok=True)
    combined = CoverageData(basename=str(path))
    for context, files in lines.items():
        combined.set_context(context)
        combined.add_lines(files)
    combined.touch_files([])
    combined.write()
    combined.close()
    loaded = Coverage(data_file=str(path), config_file=False)
    loaded.load()
    return loaded


def _by_context(path: Path) -> Lines:
    recorded = CoverageData(basename=str(path))
    recorded.read()
    found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for file in recorded.measured_files():
        for number, contexts in recorded.contexts_by_lineno(file).items():
            for context in contexts:
                found[context][file].add(number)
    recorded.close()
    return found
