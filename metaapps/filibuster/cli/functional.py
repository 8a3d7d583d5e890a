"""Functional tests: what they are, and running one under orders.

A test is a Python file or any command. Each run has a process of its own, forked from a warm one,
so that nothing leaks from one run into the next; what happens in it is `testcase`'s business.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import which
from typing import IO, Any, Final

from metaapps.filibuster.cli import testcase
from metaapps.filibuster.cli.pythonfile import PythonFile
from metaapps.filibuster.cli.style import TestFileError, style_of
from metaapps.filibuster.observation import Failure

# Imported once, before the first fork. What can't be imported is left out, by multiprocessing.
_PRELOADED: Final = ["metaapps.filibuster.cli.warm", "metaapps.filibuster.cli", "requests"]
_MAX_OUTPUT: Final = 64 * 1024
_GRACE: Final = 2.0
"""Seconds for a test to say where it was when its time was over."""
_END_WITHIN: Final = 5.0


class FunctionalTestError(Exception):
    """A functional test that can't be run: one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended; `seen` are the observations that the test's process brought home."""

    failure: Failure | None = None
    seen: tuple[bytes, ...] = ()


def functional_test(spec: str) -> FunctionalTest:
    """Return the test that a command line names: a Python file, or a command.

    Raises FunctionalTestError for what is neither, and starts getting ready to run what is.
    """
    path = Path(spec)
    if path.suffix == ".py" and path.is_file():
        return FunctionalTest(_python_file(path.resolve()))
    words = _words(spec)
    if not words or which(words[0]) is None:
        raise FunctionalTestError(
            f"functional test {spec!r} is no file and no command: name a Python file or a command"
        )
    return FunctionalTest(testcase.Command(tuple(words)))


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
    """Something that passes or fails.

    A command finds the value of the `baggage` header for its requests in BAGGAGE; a Python file
    needs nothing.
    """

    def __init__(self, test: PythonFile | testcase.Command) -> None:
        """Prepare: a warm process starts, which ends with this one."""
        self._test = test
        known = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in known else "spawn"
        self._processes: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            forkserver.set_forkserver_preload(_PRELOADED)
            forkserver.ensure_running()

    def run(self, baggage: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        """Run once, carrying the baggage of this header value; fails after `timeout` seconds.

        `environment` comes on top of this process's. When this returns or raises, nothing that the
        run started is left.
        """
        receiver, sender = self._processes.Pipe(duplex=False)
        with tempfile.NamedTemporaryFile() as output, receiver:
            task = testcase.Task(self._test, baggage, dict(environment), output.name, timeout)
            process = self._processes.Process(target=testcase.main, args=(sender, task))
            process.start()
            sender.close()
            try:
                result = _receive(receiver, process.pid, timeout)
                process.join(_END_WITHIN)
            finally:
                _end(process)
            return _verdict(result, process.exitcode, _tail(output))


def _receive(receiver: Connection, pid: int, timeout: float) -> testcase.Result | None:
    """Return the result, None if the process ended without one."""
    if not receiver.poll(timeout):
        with suppress(ProcessLookupError):
            os.kill(pid, testcase.OUT_OF_TIME)
        if not receiver.poll(_GRACE):
            _kill(pid)
            return testcase.Result(f"no end after {timeout:g} s")
    try:
        result: testcase.Result = receiver.recv()
    except EOFError:
        return None
    return result


def _end(process: Any) -> None:
    """End a test's process, and whatever it started and left."""
    _kill(process.pid)
    if process.is_alive():  # it had no time to become the leader of a session
        process.kill()
    process.join()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _verdict(result: testcase.Result | None, exitcode: int, output: str) -> Verdict:
    if result is None:
        return Verdict(Failure(_ending(exitcode), output))
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
