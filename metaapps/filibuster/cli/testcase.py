"""One run of a Python functional test, in a process of its own, instrumented from outside.

The file needs no change: a script runs as a script; a file of test functions has each of them
called, through pytest where they need it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import baggage
from baggage.boundary import collect, read_header
from metaapps.filibuster import settings
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.index import TEST
from metaapps.filibuster.orders import SEEN


class TestFileError(Exception):
    """A file that can't be run as a functional test."""

    __test__ = False


class Style(Enum):
    """How a file wants to be run."""

    SCRIPT = "script"
    FUNCTIONS = "functions"
    PYTEST = "pytest"


@dataclass(frozen=True, slots=True)
class Task:
    """One run: the file, the `baggage` header to carry, and where its output goes."""

    path: str
    style: Style
    baggage: str
    environment: Mapping[str, str]
    output: str


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended: `summary` is None if it passed; `seen` are the observations brought home."""

    summary: str | None = None
    details: str = ""
    seen: tuple[bytes, ...] = ()


def style_of(path: Path) -> Style:
    """Say how a file wants to be run, without running it; TestFileError if it is no Python."""
    try:
        module = ast.parse(path.read_text("utf-8"), str(path))
    except (OSError, ValueError) as error:
        raise TestFileError(f"can't read functional test {str(path)!r}: {error}") from error
    except SyntaxError as error:
        raise TestFileError(f"functional test {path}:{error.lineno}: {error.msg}") from error
    if any(_is_main_guard(statement) for statement in module.body):
        return Style.SCRIPT
    tests = [statement for statement in module.body if _is_test(statement)]
    if not tests:
        return Style.SCRIPT
    if all(_is_plain(statement) for statement in tests):
        return Style.FUNCTIONS
    if find_spec("pytest") is None:
        raise TestFileError(f"functional test {str(path)!r} needs pytest: install it")
    return Style.PYTEST


def main(sender: Connection, task: Task) -> None:
    """Run a task in this process and send its result."""
    with open(task.output, "ab", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    settings.adopt({**task.environment, "BAGGAGE": task.baggage})
    prepare(task)
    with baggage.attached(read_header(task.baggage)) as branch:
        failure = _attempt(task)
        collect(branch)
        seen = tuple(value for value in branch.unpack(SEEN) if isinstance(value, bytes))
    _flush()
    summary, details = failure or (None, "")
    sender.send(Result(summary, details, seen))
    sender.close()


def prepare(task: Task) -> None:
    """Make this process the functional test's."""
    key = settings.service_key()
    instrument()
    baggage.register(Filibuster(() if key is None else (key,), by_test=True))
    sys.argv = [task.path]
    sys.path.insert(0, str(Path(task.path).parent))


def instrument() -> None:
    """Instrument this process; again costs nothing."""
    baggage.instrument(service=TEST)


def _attempt(task: Task) -> tuple[str, str] | None:
    """Run the test; return the summary and the details of its failure."""
    try:
        _RUN[task.style](task.path)
    except SystemExit as end:
        code = end.code
        if code is None or code in (0, False):
            return None
        return (code if isinstance(code, str) else f"exit code {int(code)}"), ""
    except BaseException as error:  # noqa: BLE001 - whatever a test raises is its failure
        return _summary(error, task.path), _details(error, task.path)
    return None


def _run_script(path: str) -> None:
    runpy.run_path(path, run_name="__main__")


def _run_functions(path: str) -> None:
    namespace = runpy.run_path(path, run_name=Path(path).stem)
    for name, function in namespace.items():
        if name.startswith("test") and inspect.isfunction(function):
            result = function()
            if inspect.iscoroutine(result):
                asyncio.run(result)


def _run_pytest(path: str) -> None:
    import pytest

    code = pytest.main([path, "-q", "-x", "--no-header", "-p", "no:cacheprovider"])
    if code:
        raise SystemExit(f"pytest: {pytest.ExitCode(code).name.lower().replace('_', ' ')}")


_RUN: Mapping[Style, Callable[[str], None]] = {
    Style.SCRIPT: _run_script,
    Style.FUNCTIONS: _run_functions,
    Style.PYTEST: _run_pytest,
}


def _summary(error: BaseException, path: str) -> str:
    """Return a failure in one line: the exception, and where in the test it came from."""
    last = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    places = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    if not places:
        return last
    place = places[-1]
    said = f"{last}: {place.line}" if last == type(error).__name__ else last
    return f"{said} ({Path(path).name}:{place.lineno})"


def _details(error: BaseException, path: str) -> str:
    """Return the traceback from the test's own first line on."""
    frame: TracebackType | None = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != path:
        frame = frame.tb_next
    if frame is not None:
        error = error.with_traceback(frame)
    return "".join(traceback.format_exception(error))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _is_main_guard(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If):
        return False
    return "__name__" in {
        node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)
    }


def _is_test(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return statement.name.startswith("test")
    return isinstance(statement, ast.ClassDef) and _is_test_class(statement)


def _is_test_class(statement: ast.ClassDef) -> bool:
    bases: list[Any] = [ast.unparse(base) for base in statement.bases]
    return statement.name.startswith("Test") or any("TestCase" in base for base in bases)


def _is_plain(statement: ast.stmt) -> bool:
    """Say whether a test can be called just so: a function without arguments or decorators."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    arguments = statement.args
    takes = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return not takes and not statement.decorator_list
