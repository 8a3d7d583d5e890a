"""The page: coverage.py's own HTML, with the fault plans that reached each line.

A directory that something else wrote is never touched.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

from coverage import Coverage

from metaapps.filibuster.coverage.marks import mark
from metaapps.filibuster.coverage.recording import CoverageError
from metaapps.filibuster.coverage.summary import Summary

DIRECTORY: Final = Path("htmlcov")
_MARK: Final = "filibuster.json"


def check(directory: Path) -> None:
    """Refuse a directory that `write` would have to destroy, unless `write` made it."""
    if not directory.exists() and not directory.is_symlink():
        return
    if not directory.is_dir() or directory.is_symlink():
        raise CoverageError(f"{str(directory)!r} is no directory: name another by --html")
    if not (directory / _MARK).exists() and any(directory.iterdir()):
        raise CoverageError(
            f"{str(directory)!r} was made by something else: move it away, or name another "
            "directory by --html"
        )


def write(directory: Path, combined: Path, summary: Summary) -> Path:
    """Write the page into `directory`, wholly or not at all; return the file to open."""
    check(directory)
    place = directory.absolute()
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        measured = Coverage(data_file=str(combined), config_file=False)
        measured.load()
        measured.html_report(
            directory=str(draft),
            title=_title(summary),
            show_contexts=True,
            ignore_errors=True,
        )
        mark(draft, summary)
        (draft / _MARK).write_text(json.dumps(_json(summary), indent=2), encoding="utf-8")
        if place.exists():
            shutil.rmtree(place)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return directory / "index.html"


def _title(summary: Summary) -> str:
    # coverage.py completes it by the share of all.
    alone = f"{summary.alone} by the test alone, " if summary.tested_alone else ""
    return f"Services: {alone}with faults"


def _json(summary: Summary) -> dict[str, object]:
    """Return a summary for machines."""
    return {
        "format": "filibuster coverage",
        "version": 1,
        "alone": summary.alone if summary.tested_alone else None,
        "with_faults": summary.with_faults,
        "files": {
            file.path: {
                "statements": len(file.statements),
                "covered_alone": len(file.alone),
                "by_faults_only": {str(line): names for line, names in file.by_faults.items()},
            }
            for file in summary.files
        },
    }
