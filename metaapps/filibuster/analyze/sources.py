"""The source of services: which directories are services, their files, and what an import means.

Reads and parses; nothing is imported or run. What the code comes to is in `program`.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_SKIPPED: Final = frozenset(
    {"__pycache__", "node_modules", "site-packages", "venv", "env", "virtualenv", "build", "dist"}
    | {"test", "tests", "testing", "htmlcov"}
)


class AnalyzeError(ValueError):
    """The services can't be analyzed. The message is one line: the place, and what to do."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its name, and the directory with its source."""

    name: str
    directory: Path


def find_services(directory: Path, wanted: tuple[str, ...] = ()) -> list[Service]:
    """Return the services in a directory, sorted: each directory in it that has Python in it.

    With `wanted`, those alone, each "name", or "name=directory" for one that runs by another name
    than its directory's. Raises AnalyzeError if there is none, or one that is wanted is missing.
    """
    if not directory.is_dir():
        raise AnalyzeError(f"{directory}: no such directory: name the one with your services")
    directory = Path(os.path.abspath(directory))
    if wanted:
        return [_wanted(directory, text) for text in sorted(set(wanted))]
    found = [
        Service(path.name, path)
        for path in _entries(directory)
        if path.is_dir() and not _is_skipped(path) and next(python_files(path), None) is not None
    ]
    if not found:
        place = shown(directory)
        raise AnalyzeError(f"{place}: no service here: each needs a directory with its source")
    return found


def _wanted(directory: Path, text: str) -> Service:
    name, _, place = text.partition("=")
    service = Service(name, Path(os.path.abspath(directory / (place or name))))
    there = shown(service.directory)
    if not name or not service.directory.is_dir():
        raise AnalyzeError(f"{there}: no such directory: correct --service {text}")
    if next(python_files(service.directory), None) is None:
        raise AnalyzeError(f"{there}: no Python in it: correct --service {text}")
    return service


def python_files(directory: Path) -> Iterator[Path]:
    """Yield a service's modules in a stable order, without its tests and what was installed."""
    for path in _entries(directory):
        if path.is_dir():
            if not _is_skipped(path) and not path.is_symlink():
                yield from python_files(path)
        elif path.suffix == ".py" and not _is_test(path.name):
            yield path


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError as error:
        raise AnalyzeError(f"{shown(directory)}: {error.strerror}: make it readable") from error


def _is_skipped(path: Path) -> bool:
    name = path.name
    return (
        name.startswith(".")
        or name in _SKIPPED
        or name.endswith(".egg-info")
        or (path / "pyvenv.cfg").exists()
    )


def _is_test(name: str) -> bool:
    return name.startswith((".", "test_")) or name.endswith("_test.py") or name == "conftest.py"


def parse(path: Path) -> ast.Module:
    """Parse a module. Raises AnalyzeError with the place for what isn't readable as Python."""
    name = shown(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise AnalyzeError(f"{name}: {error.strerror}: make it readable") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, name)
    except SyntaxError as error:
        place = f"{name}:{error.lineno}" if error.lineno else name
        reason = str(error.msg).splitlines()[0]
        raise AnalyzeError(f"{place}: not Python ({reason}): correct the file") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise AnalyzeError(f"{name}: not Python ({error}): correct the file") from error


@dataclass(slots=True)
class Sources:
    """The modules that one service is made of: its own, and what it shares with its neighbours.

    A module is found as Python would if any directory between the importing file and `services`
    (or the one above it) were on the path, the nearest first. Not for several threads at once.
    """

    services: Path
    own: Path
    _trees: dict[Path, ast.Module] = field(default_factory=dict)
    _found: dict[tuple[Path, str], Path | None] = field(default_factory=dict)

    def tree(self, path: Path) -> ast.Module:
        """Return a parsed module, parsing it once."""
        if path not in self._trees:
            self._trees[path] = parse(path)
        return self._trees[path]

    def resolve(self, importer: Path, name: str, level: int = 0) -> Path | None:
        """Return the file of a module (a package's `__init__.py`, or its directory without one).

        `level` counts the leading dots. None: it isn't among the services' own modules.
        """
        parts = name.split(".") if name else []
        if level:
            base = importer.parent
            for _ in range(level - 1):
                base = base.parent
            return self._at(base, parts)
        key = (importer.parent, name)
        if key not in self._found:
            candidates = (self._at(root, parts) for root in self._roots(importer))
            self._found[key] = next((path for path in candidates if path), None)
        return self._found[key]

    def _roots(self, importer: Path) -> Iterator[Path]:
        for parent in importer.parents:
            yield parent
            if (parent / "src").is_dir():
                yield parent / "src"
            if parent == self.services.parent:
                return

    def _at(self, base: Path, parts: list[str]) -> Path | None:
        place = base.joinpath(*parts)
        if not (place.is_relative_to(self.services) or place.is_relative_to(self.own)):
            return None
        if (place / "__init__.py").is_file():
            return place / "__init__.py"
        module = place.with_name(f"{place.name}.py")
        if parts and module.is_file():
            return module
        return place if place.is_dir() and any(place.glob("*.py")) else None


def shown(path: Path) -> str:
    """Return a path as people read it: from where they are, if that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
