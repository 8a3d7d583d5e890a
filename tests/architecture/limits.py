"""Checks of one source file against the house's hard limits.

Each takes source text and returns what it found, so that it can be tried on a text of its own.
Which files a limit applies to, and how much is too much, is said in `test_limits`.
"""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BANNED_CALLS = {"print", "eval", "exec"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


class Length(NamedTuple):
    """How many lines a function has, its signature and docstring among them."""

    name: str
    line: int
    lines: int


def function_lengths(source: str) -> list[Length]:
    """Return the length of every function, method and nested function."""
    return [
        Length(node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def percentile(lengths: Iterable[int], share: float) -> int:
    """Return the smallest length that at least `share` of all lengths do not exceed."""
    ordered = sorted(lengths)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0


def module_length(source: str) -> int:
    """Return the number of lines, blank ones and comments among them."""
    return len(source.splitlines())


def too_complex(paths: Iterable[str], maximum: int, source: str | None = None) -> str:
    """Return ruff's complaints (C901) about `paths`, or about `source`; "" if there are none."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--quiet"]
    command += ["--select=C901", "--ignore-noqa", "--output-format=concise"]
    command += [f"--config=lint.mccabe.max-complexity={maximum}", "--exclude=*_pb2.py"]
    ran = subprocess.run(
        [*command, *(["-"] if source is not None else paths)],
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return ran.stdout


def beyond_imports(source: str) -> list[int]:
    """Return the lines of an `__init__.py` that hold neither its docstring, imports nor names."""
    return [
        node.lineno
        for position, node in enumerate(ast.parse(source).body)
        if not (
            isinstance(node, (ast.Import, ast.ImportFrom))
            or (position == 0 and _is_text(node))
            or _assigned(node) & {"__all__", "__version__"}
        )
    ]


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _assigned(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return set()
    return {target.id for target in targets if isinstance(target, ast.Name)}


def banned(source: str) -> list[str]:
    """Return where `print`, `eval`, `exec`, a bare `except` or `global` occurs."""
    return [
        f"{name} (line {line})"
        for node in ast.walk(ast.parse(source))
        for name, line in _banned(node)
    ]


def _banned(node: ast.AST) -> Iterator[tuple[str, int]]:
    # A mention is enough: print as a callback prints just as well.
    if isinstance(node, ast.Name) and node.id in BANNED_CALLS:
        yield node.id, node.lineno
    elif isinstance(node, ast.ExceptHandler) and node.type is None:
        yield "bare except", node.lineno
    elif isinstance(node, ast.Global):
        yield "global", node.lineno


def environment_reads(source: str) -> list[int]:
    """Return the lines that reach the process's environment variables by way of `os`."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.stmt, ast.expr))]
    modules = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "os"
    }
    return sorted({node.lineno for node in nodes if _reaches_environment(node, modules)})


def _reaches_environment(node: ast.stmt | ast.expr, modules: set[str]) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in ENVIRONMENT for alias in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in ENVIRONMENT
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    )
