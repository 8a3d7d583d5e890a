"""What is worth importing once for all runs of a test, found out without running it.

Only the standard library, libraries that can be instrumented, and pytest: importing those does
nothing but take its time. Others, and what belongs to the test, are imported in every run: they may
do at import what each run needs done afresh.
"""

from __future__ import annotations

import ast
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from baggage import instrumentation
from metaapps.filibuster.cli.style import Style

# What clients import at their first request only.
_LATE: Final = {
    "requests": ("encodings.idna", "netrc"),
    "httpx": ("encodings.idna",),
    "aiohttp": ("encodings.idna",),
}
_ASSERTIONS: Final = "metaapps.filibuster.assertions"


def shared_imports(path: Path, style: Style) -> tuple[str, ...]:
    """Return the modules to import once for a test in Python."""
    known = _instrumentable()
    found = [
        name
        for name in dict.fromkeys(_imported(ast.parse(path.read_bytes())))
        if name == _ASSERTIONS or name.partition(".")[0] in known or _is_standard(name)
    ]
    late = [module for name in found for module in _LATE.get(name, ())]
    runner = ["pytest"] if style is Style.PYTEST else []
    return (*runner, *found, *late)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _instrumentable() -> frozenset[str]:
    names = (module.name for module in pkgutil.iter_modules(instrumentation.__path__))
    return frozenset(name.partition("_")[0] for name in names)


def _is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names and name not in ("this", "antigravity")
