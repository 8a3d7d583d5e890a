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
from multiprocessing.connection import Connection, wait
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


class Child:
    """A process that serves one task. For one thread."""

    def __init__(self, pid: int, talk: Connection) -> None:
        self.pid = pid
        self.talk = talk
        self._ended = False

    def said(self, within: float, unless: socket.socket | None = None) -> Any:
        """Return what it said next, `Ended` after the last. Raises Silence if nothing in time.

        Raises ClosedError as soon as `unless` can be read, WorkerDiedError if the end is unknown.
        """
        ready = wait([self.talk] if unless is None else [self.talk, unless], within)
        if not ready:
            raise Silence
        if self.talk not in ready:
            raise ClosedError
        try:
            said = self.talk.recv()
        except (EOFError, OSError) as error:
            self.kill()
            raise WorkerDiedError("the process that tests are forked from ended") from error
        self._ended = isinstance(said, Ended)
        return said

    def end(self) -> None:
        """Wait until it has ended, and make it end if it doesn't."""
        try:
            while not self._ended:
                self.said(_END_WITHIN)
        except Silence:
            self.kill()
        except WorkerDiedError:
            pass

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

        Raises WorkerDiedError, as talking to the child does, where none could be had; ClosedError
        for one that died because this was closed.
        """
        child = self._asked(task, output)
        with child.talk:
            try:
                yield child
            except WorkerDiedError as error:
                child.kill()
                if self._closed:
                    raise ClosedError from error
                raise
            except BaseException:
                child.kill()
                raise
            finally:
                child.end()

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
