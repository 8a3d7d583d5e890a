"""Running a Python file as a functional test, in this process, and telling its failure in short.

The file needs no change: a script runs as a script; a file of test functions has each of them
called, through pytest where they need it.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import runpy
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from baggage.boundary import exception_name
from metaapps.filibuster.cli.style import Style

Failure = tuple[str, str]
"""One line, and the traceback, "" where there is none."""

_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")


class TimedOut(BaseException):
    """The test has taken too long. No `except Exception` of the test shall catch it."""


@dataclass(frozen=True, slots=True)
class PythonFile:
    """A test in Python."""

    path: str
    style: Style


def attempt(test: PythonFile) -> Failure | None:
    """Run the test, and what it leaves running, to the end; return its failure."""
    try:
        failure = _RUN[test.style](test.path)
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.daemon:
                thread.join()
    except SystemExit as end:
        return _exit(end.code)
    except BaseException as error:  # noqa: BLE001 - whatever a test raises is its failure
        return _summary(error, test.path), _details(error, test.path)
    return failure


def _exit(code: object) -> Failure | None:
    if code is None or code == 0:
        return None
    return (f"exit code {int(code)}" if isinstance(code, int) else str(code)), ""


def _run_script(path: str) -> None:
    runpy.run_path(path, run_name="__main__")


def _run_functions(path: str) -> None:
    namespace = runpy.run_path(path, run_name=Path(path).stem)
    for name, function in namespace.items():
        if name.startswith("test") and inspect.isfunction(function):
            result = function()
            if inspect.iscoroutine(result):
                asyncio.run(result)


def _run_pytest(path: str) -> Failure | None:
    import pytest

    first = _FirstFailure()
    options = ["-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    if find_spec("xdist") is not None:
        options += ["-n", "0"]
    code = pytest.main([path, *options], plugins=[first])
    if not code:
        return None
    ended = str(getattr(code, "name", code)).lower().replace("_", " ")
    return first.summary or f"pytest: {ended}", ""


class _FirstFailure:
    """A plugin of pytest that keeps the first failure in one line."""

    def __init__(self) -> None:
        self.summary = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._keep(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._keep(report)

    def _keep(self, report: Any) -> None:
        if report.failed and not self.summary:
            self.summary = _said(report.longrepr)


def _said(shown: Any) -> str:
    """Return one line of a failure as pytest shows it: what is wrong, and where."""
    crash = getattr(shown, "reprcrash", None)
    if crash is not None:
        said = crash.message.splitlines() or [""]
        return f"{said[0]} ({Path(crash.path).name}:{crash.lineno})"
    marked = [line[1:].strip() for line in str(shown).splitlines() if line.startswith("E ")]
    return marked[0] if marked else ""


_RUN: Mapping[Style, Callable[[str], Failure | None]] = {
    Style.SCRIPT: _run_script,
    Style.FUNCTIONS: _run_functions,
    Style.PYTEST: _run_pytest,
}


def _summary(error: BaseException, path: str) -> str:
    """Return a failure in one line: the exception, and where in the test it came from."""
    said = str(error) if isinstance(error, TimedOut) else _only(error)
    places = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    if not places:
        return said
    place = places[-1]
    if isinstance(error, AssertionError) and not str(error):
        said = f"{said}: {place.line}"
    return f"{said} ({Path(path).name}:{place.lineno})"


def _only(error: BaseException) -> str:
    """Return an exception in one line that is the same in every run."""
    said = _ADDRESS.sub("", str(error)).splitlines()
    name = exception_name(type(error))
    return f"{name}: {said[0]}" if said and said[0] else name


def _details(error: BaseException, path: str) -> str:
    """Return the traceback from the test's own first line on."""
    frame: TracebackType | None = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != path:
        frame = frame.tb_next
    if frame is not None:
        error = error.with_traceback(frame)
    return "".join(traceback.format_exception(error))
