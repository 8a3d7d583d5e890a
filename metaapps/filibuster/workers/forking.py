"""Asking a zygote for children, each of which serves one task.

The zygote starts with the first wish to be ready, and again if it has ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any, Final

from metaapps.filibuster.workers.zygote import ASKED, Begun, Ended

_END_WITHIN: Final = 5.0
_TRIES: Final = 3


class WorkerDiedError(Exception):
    """What was to run a task ended before it was done: nothing is known of the task."""


class ClosedError(Exception):
    """Nothing more is run, since the run has ended."""


class Silence(Exception):
    """Nothing was said in time."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that serves one task. For one thread."""

    pid: int
    talk: Connection

    def said(self, within: float) -> Any:
        """Return what it said next, `Ended` if it said nothing more. Raises Silence in time."""
        if not self.talk.poll(within):
            raise Silence
        try:
            return self.talk.recv()
        except (EOFError, OSError) as error:
            self.kill()
            raise WorkerDiedError("the process that tests are forked from ended") from error

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, and whatever it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


class Forking:
    """One zygote. Safe in any thread.

    It runs `main` of a `module` that `serve`s; its arguments are a descriptor and `arguments`.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        """Start it."""
        self._command = (module, arguments)
        self._lock = Lock()
        self._closed = False
        self._zygote = _Started(*self._command)

    def close(self) -> None:
        """End it, and all its children; whoever waits for one hears that it died."""
        with self._lock:
            self._closed = True
            self._zygote.end()

    @contextmanager
    def child(self, task: object, output: int) -> Iterator[Child]:
        """Have a child serve a task; its output goes to a file. When this ends, so has the child.

        Raises WorkerDiedError, as talking to the child does, where none could be had.
        """
        child = self._asked(task, output)
        with child.talk:
            try:
                yield child
            except BaseException:
                child.kill()
                raise
            finally:
                _wait(child)

    def _asked(self, task: object, output: int) -> Child:
        for _ in range(_TRIES):
            zygote = self._running()
            mine, theirs = socket.socketpair()
            talk = Connection(mine.detach())
            with theirs:
                zygote.ask(theirs.fileno(), output)
            try:
                talk.send(task)
                begun: Begun = talk.recv()
            except (EOFError, OSError):
                talk.close()
            except BaseException:
                talk.close()
                raise
            else:
                return Child(begun.pid, talk)
        raise WorkerDiedError("the process that tests are forked from ends before any test begins")

    def _running(self) -> _Started:
        with self._lock:
            if self._closed:
                raise ClosedError
            if not self._zygote.runs:
                self._zygote.end()
                self._zygote = _Started(*self._command)
            return self._zygote


class _Started:
    """A process, and the socket to ask it by."""

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        self._asking, asked = socket.socketpair()
        with asked:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _code(module), str(asked.fileno()), *arguments],
                stdin=subprocess.PIPE,
                pass_fds=(asked.fileno(),),
                # What kills the explorer's process group leaves this to clean up.
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def ask(self, connection: int, output: int) -> None:
        """Send descriptors to one of the children."""
        with suppress(OSError):  # then nobody answers
            socket.send_fds(self._asking, [ASKED], [connection, output])

    def end(self) -> None:
        """End it with all its children; harmless after the end."""
        self._asking.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _code(module: str) -> str:
    """Return a program that runs a module where modules are found as here."""
    return f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"


def _wait(child: Child) -> None:
    """Return when a child has ended."""
    try:
        while not isinstance(child.said(_END_WITHIN), Ended):
            pass
    except Silence:
        child.kill()
    except WorkerDiedError:
        pass
