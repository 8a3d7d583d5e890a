"""The project's own files, as the architecture tests walk them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("baggage", "metaapps/filibuster", "metaapps/tracing")


def modules(*folders: str) -> Iterator[Path]:
    """Yield every module under the folders that a person wrote, in order."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.name.endswith("_pb2.py"):
                yield path


def name(path: Path) -> str:
    """Return a file's path as the project's texts spell it."""
    return path.relative_to(ROOT).as_posix()


@cache
def pyproject() -> dict[str, Any]:
    """Return what pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())
