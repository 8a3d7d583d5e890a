"""Functional tests: what they are, and running one under orders.

A test is a Python file or any command. Each run has a process of its own, forked from a warm one,
so that nothing leaks from one run into the next; what happens in it is `testcase`'s business.
"""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from socket import socket
from types import TracebackType
from typing import IO, Final, Self

from metaapps.filibuster.cli import testcase
from metaapps.filibuster.cli.imports import shared_imports
from metaapps.filibuster.cli.pythonfile import PythonFile
from metaapps.filibuster.cli.style import TestFileError, style_of
from metaapps.filibuster.observation import Failure
from metaapps.filibuster.workers.forking import Child, Forking, Silence
from metaapps.filibuster.workers.zygote import Ended

_MAX_OUTPUT: Final = 64 * 1024
_GRACE: Final = 2.0
"""Seconds for a test to say where it was when its time was over."""


class FunctionalTestError(Exception):
    """A functional test that can't be run: one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended; `seen` are the observations that the test's process brought home."""

    failure: Failure | None = None
    seen: tuple[bytes, ...] = ()


def functional_test(spec: str) -> FunctionalTest:
    """Return the test that a command line names, and start getting ready to run it.

    Raises FunctionalTestError as `named_test` does.
    """
    return FunctionalTest(named_test(spec))


def named_test(spec: str) -> testcase.Test:
    """Return what a command line names: a Python file, or a command.

    Raises FunctionalTestError for what is neither.
    """
    path = Path(spec)
    if path.suffix == ".py" and path.is_file():
        return _python_file(path.resolve())
    words = _words(spec)
    if not words or which(words[0]) is None:
        raise FunctionalTestError(
            f"functional test {spec!r} is no file and no command: name a Python file or a command"
        )
    return testcase.Command(tuple(words))


def _python_file(path: Path) -> PythonFile:
    try:
        return PythonFile(str(path), style_of(path))
    except TestFileError as error:
        raise FunctionalTestError(str(error)) from error


def _words(spec: str) -> list[str]:
    try:
        return shlex.split(spec)
    except ValueError as error:
        raise FunctionalTestError(f"functional test {spec!r} is no command: {error}") from error


class FunctionalTest:
    """Something that passes or fails. Safe in any thread.

    A command finds the value of the `baggage` header for its requests in BAGGAGE; a Python file
    needs nothing.
    """

    def __init__(self, test: testcase.Test, idle: float = 0.0) -> None:
        """Prepare: a warm process starts, which ends with this one, or by `close`.

        If `idle` is not 0, it ends after so many seconds in which nobody asked for it, too.
        """
        self.test = test
        self._warm = Forking("metaapps.filibuster.cli.warm", (f"{idle:g}", *_shared(test)))

    def run(self, baggage: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        """Run once, carrying the baggage of this header value; fails after `timeout` seconds.

        `environment` comes on top of this process's. When this returns or raises, nothing that the
        run started is left. Raises WorkerDiedError if the run was cut off from outside.
        """
        task = testcase.Task(self.test, baggage, dict(environment), str(Path.cwd()), timeout)
        return self.perform(task)

    def perform(self, task: testcase.Task, unless: socket | None = None) -> Verdict:
        """Do a task, unless a connection ends first: then raise ClosedError."""
        with tempfile.TemporaryFile() as output:
            with self._warm.child(task, output.fileno()) as child:
                result = _receive(child, task.timeout, unless)
            return _verdict(result, _tail(output))

    def close(self) -> None:
        """Run nothing more, and end what runs."""
        self._warm.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _shared(test: testcase.Test) -> tuple[str, ...]:
    if isinstance(test, testcase.Command):
        return ()
    return shared_imports(Path(test.path), test.style)


def _receive(child: Child, timeout: float, unless: socket | None) -> testcase.Result | Ended:
    """Return the result, or how the process ended if it did without one."""
    try:
        result: testcase.Result | Ended = child.said(timeout, unless)
    except Silence:
        child.signal(testcase.OUT_OF_TIME)
        try:
            result = child.said(_GRACE, unless)
        except Silence:
            child.kill()
            return testcase.Result(f"no end after {timeout:g} s")
    return result


def _verdict(result: testcase.Result | Ended, output: str) -> Verdict:
    if isinstance(result, Ended):
        return Verdict(Failure(_ending(result.code), output))
    if result.summary is None:
        return Verdict(None, result.seen)
    details = "\n".join(part for part in (result.details.rstrip(), output.rstrip()) if part)
    return Verdict(Failure(result.summary, details), result.seen)


def _ending(exitcode: int) -> str:
    if exitcode < 0:
        return f"ended by {signal.Signals(-exitcode).name}"
    return f"ended itself with exit code {exitcode}"


def _tail(output: IO[bytes]) -> str:
    """Return the end of what a test wrote."""
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _MAX_OUTPUT))
    return output.read().decode("utf-8", "replace")
