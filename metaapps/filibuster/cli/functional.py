"""Functional tests: what they are, and running one under orders.

A test is a Python file, which runs in a warm process that is forked for each execution, or any
command, which finds the orders in its environment. What is in the file is `testcase`'s business.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import which
from typing import IO, Any, Final, Protocol

from metaapps.filibuster.cli import testcase
from metaapps.filibuster.observation import Failure
from metaapps.filibuster.settings import parent_environment

# Imported once, before the first fork. What can't be imported is left out, by multiprocessing.
_PRELOADED: Final = ["metaapps.filibuster.cli.warm", "metaapps.filibuster.cli", "requests"]
_MAX_OUTPUT: Final = 64 * 1024


class FunctionalTestError(Exception):
    """A functional test that can't be run: one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended; `seen` are the observations that the test's process brought home."""

    failure: Failure | None = None
    seen: tuple[bytes, ...] = ()


class FunctionalTest(Protocol):
    """Something that passes or fails."""

    def run(self, baggage: str, timeout: float) -> Verdict:
        """Run once, carrying the baggage of this header value; fails after `timeout` seconds."""

    def close(self) -> None:
        """Let go of what was kept warm."""


def functional_test(spec: str, environment: Mapping[str, str]) -> FunctionalTest:
    """Return the test that a command line names: a Python file, or a command.

    Raises FunctionalTestError for what is neither.
    """
    path = Path(spec)
    if path.suffix == ".py" and path.is_file():
        return PythonTest(path, environment)
    words = _words(spec)
    if not words or which(words[0]) is None:
        raise FunctionalTestError(
            f"functional test {spec!r} is no file and no command: name a Python file or a command"
        )
    return CommandTest(tuple(words), environment)


def _words(spec: str) -> list[str]:
    try:
        return shlex.split(spec)
    except ValueError as error:
        raise FunctionalTestError(f"functional test {spec!r} is no command: {error}") from error


@dataclass(frozen=True, slots=True)
class CommandTest:
    """Any command: it passes if its exit code is 0.

    It finds the value of the `baggage` header for its requests in BAGGAGE.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, baggage: str, timeout: float) -> Verdict:
        """Run the command once."""
        environment = {**parent_environment(), **self.environment, "BAGGAGE": baggage}
        with tempfile.TemporaryFile() as output:
            try:
                code = subprocess.run(
                    self.words,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return Verdict(Failure(f"no end after {timeout:g} s", tail(output)))
            except OSError as error:
                raise FunctionalTestError(f"can't run {self.words[0]!r}: {error}") from error
            return Verdict(Failure(f"exit code {code}", tail(output)) if code else None)

    def close(self) -> None:
        """Nothing is kept."""


class PythonTest:
    """A Python file, in a process forked from a warm one, so that nothing leaks between runs."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        """Check that the file is Python; FunctionalTestError if not."""
        self._path = path.resolve()
        self._environment = dict(environment)
        try:
            self._style = testcase.style_of(self._path)
        except testcase.TestFileError as error:
            raise FunctionalTestError(str(error)) from error
        known = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in known else "spawn"
        self._processes: Any = multiprocessing.get_context(method)
        self._processes.set_forkserver_preload(_PRELOADED)

    def run(self, baggage: str, timeout: float) -> Verdict:
        """Run the file once."""
        receiver, sender = self._processes.Pipe(duplex=False)
        with tempfile.NamedTemporaryFile() as output, receiver:
            task = testcase.Task(
                str(self._path), self._style, baggage, self._environment, output.name
            )
            process = self._processes.Process(
                target=testcase.main, args=(sender, task), daemon=False
            )
            process.start()
            sender.close()
            try:
                result = _receive(receiver, timeout)
                process.join(5 if result is not None else 0)
            finally:
                if process.is_alive():
                    process.kill()
                    process.join()
            return _verdict(result, process.exitcode, timeout, tail(output))

    def close(self) -> None:
        """Nothing to do: the warm process ends with this one."""


def _receive(receiver: Connection, timeout: float) -> testcase.Result | None:
    if not receiver.poll(timeout):
        return None
    try:
        result: testcase.Result = receiver.recv()
    except EOFError:
        return None
    return result


def _verdict(
    result: testcase.Result | None, exitcode: int | None, timeout: float, output: str
) -> Verdict:
    if result is None:
        late = exitcode is None or exitcode < 0
        ended = f"no end after {timeout:g} s" if late else f"exit code {exitcode}"
        return Verdict(Failure(ended, output))
    if result.summary is None:
        return Verdict(None, result.seen)
    details = "\n".join(part for part in (result.details.rstrip(), output.rstrip()) if part)
    return Verdict(Failure(result.summary, details), result.seen)


def tail(output: IO[bytes]) -> str:
    """Return the end of what a test wrote."""
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _MAX_OUTPUT))
    return output.read().decode("utf-8", "replace")
