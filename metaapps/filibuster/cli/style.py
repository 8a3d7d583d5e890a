"""How a Python file wants to be run as a functional test; found out without running it."""

from __future__ import annotations

import ast
from enum import Enum
from importlib.util import find_spec
from pathlib import Path


class TestFileError(Exception):
    """A file that can't be run as a functional test."""

    __test__ = False


class Style(Enum):
    """How a file wants to be run."""

    SCRIPT = "script"
    FUNCTIONS = "functions"
    PYTEST = "pytest"


def style_of(path: Path) -> Style:
    """Say how a file wants to be run; TestFileError if it is no Python.

    What runs itself is a script. Test functions that ask for nothing are called as they are, which
    is quicker than pytest; with anything that only pytest knows about, pytest runs them.
    """
    body = _parsed(path).body
    tests = [statement for statement in body if _is_test(statement)]
    if not tests or any(_runs_itself(statement) for statement in body):
        return Style.SCRIPT
    plain = all(_is_plain(statement) for statement in tests)
    helped = any(_is_for_pytest(statement) for statement in body)
    if plain and not helped and not (path.parent / "conftest.py").is_file():
        return Style.FUNCTIONS
    if find_spec("pytest") is None:
        raise TestFileError(f"functional test {str(path)!r} needs pytest: install it")
    return Style.PYTEST


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise TestFileError(f"functional test {path}:{error.lineno or 1}: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise TestFileError(f"can't read functional test {str(path)!r}: {error}") from error


def _runs_itself(statement: ast.stmt) -> bool:
    """Say whether a statement is a main guard, or calls `main` without one."""
    if isinstance(statement, ast.If):
        names = {node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)}
        return "__name__" in names
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return ast.unparse(statement.value.func).rpartition(".")[2] == "main"
    return False


def _is_test(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return statement.name.startswith("test")
    return isinstance(statement, ast.ClassDef) and _is_test_class(statement)


def _is_test_class(statement: ast.ClassDef) -> bool:
    bases = [ast.unparse(base) for base in statement.bases]
    return statement.name.startswith("Test") or any("TestCase" in base for base in bases)


def _is_plain(statement: ast.stmt) -> bool:
    """Say whether a test can be called just so: a function without arguments or decorators."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    arguments = statement.args
    takes = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return not takes and not statement.decorator_list


def _is_for_pytest(statement: ast.stmt) -> bool:
    """Say whether a statement counts on pytest: its import, or a function that it alone calls."""
    if isinstance(statement, ast.Import):
        return any(alias.name.partition(".")[0] == "pytest" for alias in statement.names)
    if isinstance(statement, ast.ImportFrom):
        return (statement.module or "").partition(".")[0] == "pytest"
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return statement.name.startswith(("setup_", "teardown_"))
    return False
