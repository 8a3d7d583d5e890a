"""The launcher's end of the pipes to one supervisor.

What is said over them is described in `supervisor.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final, TypedDict, cast

from metaapps.filibuster.services import supervisor
from metaapps.filibuster.services.process import Process

_END_WITHIN: Final = 2 * supervisor.GRACE + 5.0


class Event(TypedDict, total=False):
    """What a supervisor reports: one of the first three, and what goes with it."""

    started: str
    failed: str
    ended: str
    pid: int
    error: str
    code: int


class SupervisorGoneError(Exception):
    """The supervisor ended, although nobody asked it to."""


class Link:
    """A supervisor and the pipes to it. Not for several threads at a time."""

    def __init__(self, log: Path, fds: Sequence[int]) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, str(os.getpid())],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=fds,
                # Ctrl-C in a terminal is for the launcher, which then ends the supervisor.
                start_new_session=True,
            )
        self._orders = cast(IO[bytes], self._process.stdin)
        self._reports = cast(IO[bytes], self._process.stdout)
        self._unread = b""

    @property
    def process(self) -> Process:
        return Process.of("supervisor", self._process.pid)

    def order(self, orders: Iterable[supervisor.Order]) -> None:
        """Have these services started; the answers come as events."""
        self._write(json.dumps(list(orders)).encode() + b"\n")

    def events(self, within: float) -> list[Event]:
        """Return what was reported, waiting at most `within` seconds for something to be.

        Raises SupervisorGoneError if there is nobody to report any more, except after the end.
        """
        if self._reports.closed or not self._readable(within):
            return []
        received = os.read(self._reports.fileno(), 65536)
        if not received:
            raise SupervisorGoneError(f"the supervisor ended with {self._process.wait()}")
        *lines, self._unread = (self._unread + received).split(b"\n")
        return [json.loads(line) for line in lines]

    def _readable(self, within: float) -> bool:
        # Not select(), which refuses descriptors from 1024 on: this is the user's process.
        waiting = select.poll()
        waiting.register(self._reports, select.POLLIN)
        return bool(waiting.poll(within * 1000))

    def detach(self) -> None:
        """Leave the supervisor and the services to themselves."""
        self._write(supervisor.DETACH)
        self._close()
        # Nobody here waits for it any more; without this, Popen would complain about that.
        self._process.returncode = 0

    def end(self) -> None:
        """Have everything ended, and wait for it; harmless after the end."""
        if self._process.returncode is None:
            self._write(supervisor.END)
            try:
                self._process.wait(_END_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._close()

    def _write(self, order: bytes) -> None:
        # If it is gone, then `events` tells, or it needs no telling.
        with contextlib.suppress(OSError):
            while order:
                order = order[self._orders.write(order) :]

    def _close(self) -> None:
        self._orders.close()
        self._reports.close()
