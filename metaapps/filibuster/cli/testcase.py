"""One run of a functional test, in a process of its own.

A Python file is instrumented from outside and needs no change; a command finds what it needs in
its environment. Starting and ending the process is `functional`'s business.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NoReturn

import baggage
from baggage.boundary import collect, read_header
from metaapps.filibuster import settings
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.cli.pythonfile import PythonFile, TimedOut, attempt
from metaapps.filibuster.index import TEST
from metaapps.filibuster.orders import SEEN

OUT_OF_TIME: Final = signal.SIGXCPU
"""The signal that tells a run that its time is over, so that it can say where it was."""


@dataclass(frozen=True, slots=True)
class Command:
    """A test that is any program: it passes if its exit code is 0."""

    words: tuple[str, ...]


Test = PythonFile | Command


@dataclass(frozen=True, slots=True)
class Task:
    """One run: the test, the `baggage` header to carry, and where it runs.

    Of what is `inherited`, it gets what its process's own environment doesn't say.
    """

    test: Test
    baggage: str
    environment: Mapping[str, str]
    directory: str
    timeout: float
    inherited: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended: `summary` is None if it passed; `seen` are the observations brought home."""

    summary: str | None = None
    details: str = ""
    seen: tuple[bytes, ...] = ()


def main(talk: Connection) -> None:
    """Receive a task, do it in this process, and send its result."""
    task: Task = talk.recv()
    _adopt(task)

    def out_of_time(*_: object) -> NoReturn:
        raise TimedOut(f"no end after {task.timeout:g} s")

    signal.signal(OUT_OF_TIME, out_of_time)
    test = task.test
    result = _command(test) if isinstance(test, Command) else _python(test, task.baggage)
    signal.signal(OUT_OF_TIME, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    talk.send(result)


def instrument() -> None:
    """Instrument this process; again costs nothing."""
    baggage.instrument(service=TEST)


def _adopt(task: Task) -> None:
    """Make this process look like one that was started for the task."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    own = settings.parent_environment()
    settings.adopt({**task.inherited, **own, **task.environment, "BAGGAGE": task.baggage})
    os.chdir(task.directory)


def _command(test: Command) -> Result:
    try:
        code = subprocess.run(test.words, stdin=subprocess.DEVNULL, check=False).returncode
    except (TimedOut, OSError) as error:
        return Result(str(error))
    return Result(f"exit code {code}" if code else None)


def _python(test: PythonFile, header: str) -> Result:
    key = settings.service_key()
    baggage.register(Filibuster(() if key is None else (key,), by_test=True))
    sys.argv = [test.path]
    sys.path.insert(0, str(Path(test.path).parent))
    with baggage.attached(read_header(header)) as branch:
        summary, details = attempt(test) or (None, "")
        collect(branch)
        seen = tuple(value for value in branch.unpack(SEEN) if isinstance(value, bytes))
    return Result(summary, details, seen)
