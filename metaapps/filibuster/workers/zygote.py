"""A process that others are forked from: what is imported here once is there in each of them.

Children are forked before they are needed, wait for somebody to ask, serve one, and end. Asking is
`forking`'s business. Runs in a process of its own, with one thread.

Three sockets: whoever asks sends, over `asked`, one byte and two descriptors (a connection, and
the file for all output), which any of the waiting children receives. The child passes the
connection on over `taken`, so that the zygote can say there how it ended, when nothing of it is
left. And over standard input comes nothing, until whoever started the zygote is gone.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final, NoReturn

ASKED: Final = b"?"
_LOOK: Final = 1.0
_SPARES: Final = 2


@dataclass(frozen=True, slots=True)
class Begun:
    """A child took what was asked; it leads a process group and a session."""

    pid: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A child ended, and with it all that it had started. `code` is negative for a signal."""

    code: int


def serve(asked: int, body: Callable[[Connection], None], idle: float = 0.0) -> None:
    """Fork children that run `body`, one for each that is asked for, until standard input ends.

    Or until nobody has asked for `idle` seconds, if that is not 0.
    """
    # What is there now is shared for good: nobody need look at it again to find garbage.
    gc.collect()
    gc.freeze()
    zygote = _Zygote(asked, body, idle)
    try:
        zygote.watch()
    finally:
        zygote.end()


class _Zygote:
    def __init__(self, asked: int, body: Callable[[Connection], None], idle: float) -> None:
        self._asked = asked
        self._idle = idle
        self._used = time.monotonic()
        self._body = body
        self._parent = os.getppid()
        self._taken, self._taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._signals = _signals()
        self._wanted = True
        self._waiting: set[int] = set()
        self._busy: dict[int, int] = {}

    def watch(self) -> None:
        """Fork and reap until whoever started this process is gone."""
        inputs = [sys.stdin.fileno(), self._taken.fileno(), self._signals]
        # A forked child of the parent may hold our input open after the parent is gone.
        while self._wanted and os.getppid() == self._parent:
            while len(self._waiting) < _SPARES:
                self._fork()
            readable, _, _ = select.select(inputs, [], [], _LOOK)
            if sys.stdin.fileno() in readable:
                return
            if self._signals in readable:
                os.read(self._signals, 512)
            self._note_taken()
            self._reap()
            if self._busy:
                self._used = time.monotonic()
            elif self._idle and time.monotonic() - self._used > self._idle:
                return

    def end(self) -> None:
        """End all children, and what they have started."""
        for pid in (*self._waiting, *self._busy):
            _end(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it had no time to become the leader of a session
        self._taken.close()
        self._taking.close()

    def _fork(self) -> None:
        pid = os.fork()
        if not pid:
            self._live()
        self._waiting.add(pid)

    def _live(self) -> NoReturn:
        """Be a child: wait to be asked, do it, and end."""
        code = 1
        try:
            connection = self._prepare()
            if connection is not None:
                self._serve(connection)
            code = 0
        finally:
            os._exit(code)

    def _serve(self, connection: Connection) -> None:
        try:
            self._body(connection)
        except BaseException:
            # To the output, which is all that says why nothing else was said.
            traceback.print_exc()
            sys.stderr.flush()
            raise

    def _prepare(self) -> Connection | None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        # Whoever waits for the end of a connection must not wait for this process.
        self._taken.close()
        for others in self._busy.values():
            os.close(others)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        with socket.socket(fileno=self._asked) as asked:
            said, descriptors, _, _ = socket.recv_fds(asked, 1, 2)
        if said != ASKED:
            return None
        connection, output = descriptors
        socket.send_fds(self._taking, [str(os.getpid()).encode()], [connection])
        self._taking.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        talk = Connection(connection)
        talk.send(Begun(os.getpid()))
        return talk

    def _note_taken(self) -> None:
        """Take note of the children that serve somebody."""
        while select.select([self._taken], [], [], 0)[0]:
            said, descriptors, _, _ = socket.recv_fds(self._taken, 32, 1)
            pid = int(said)
            self._waiting.discard(pid)
            self._busy[pid] = descriptors[0]

    def _reap(self) -> None:
        """Take note of the children that ended, end what is left of them, and say so."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            _end(pid)
            # It may have been quicker than the news of it.
            self._note_taken()
            if pid in self._waiting and not status:
                self._wanted = False  # it saw that nobody can ask any more
            self._waiting.discard(pid)
            descriptor = self._busy.pop(pid, None)
            if descriptor is not None:
                _tell(descriptor, Ended(os.waitstatus_to_exitcode(status)))


def _tell(descriptor: int, ended: Ended) -> None:
    # Whoever asked may have gone.
    with Connection(descriptor) as talk, suppress(OSError):
        talk.send(ended)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _signals() -> int:
    """Return a descriptor that can be read when a child has ended."""
    arrived, arriving = os.pipe()
    os.set_blocking(arriving, False)
    signal.set_wakeup_fd(arriving, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C is for whoever started this process, which then ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return arrived
