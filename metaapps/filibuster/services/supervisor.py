"""The program that owns the services' processes: starts them, reports on them, ends them all.

It is their parent, outlives whoever started it for as long as ending them takes, and so leaves
none behind however that one ends. It runs by its file, on the standard library alone, to be there
in a few milliseconds. What to start, and whether a service is ready, is not decided here.

Its argument is the number of the process that started it, which may be gone before this one runs.
The first line of its input is a JSON list of services. A byte `d` after it detaches: from then on
only SIGTERM ends the services. Until then they also end with the input, with any other byte, and
with the parent process. Its output is one JSON object per line: `started` with a pid, `failed`
with an error, `ended` with an exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Final, TypedDict

GRACE: Final = 3.0
"""Seconds between asking a service to end and ending it."""

DETACH: Final = b"d"
END: Final = b"e"

_LOOK: Final = 1.0
_STEP: Final = 0.01


class Order(TypedDict):
    """One service to start. `fd` is its listening socket, `log` the file that gets its output."""

    name: str
    command: list[str]
    directory: str
    environment: dict[str, str]
    fd: int
    log: str


class Supervisor:
    """The services' processes, each the leader of a session and process group of its own."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._attached = True
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._groups: set[int] = set()

    def start(self, orders: Iterable[Order]) -> None:
        """Start every service and give away its listening socket, which then closes with it."""
        for order in orders:
            try:
                process = _spawn(order)
            except (OSError, ValueError) as error:
                _report(failed=order["name"], error=str(error))
            else:
                self._running[order["name"]] = process
                self._groups.add(process.pid)
                _report(started=order["name"], pid=process.pid)
            os.close(order["fd"])

    def watch(self, signals: int) -> None:
        """Report services that end; return when all have to end. `signals` tells what arrived."""
        while True:
            inputs = [signals, sys.stdin.fileno()] if self._attached else [signals]
            readable, _, _ = select.select(inputs, [], [], _LOOK)
            if signals in readable and signal.SIGTERM in os.read(signals, 512):
                return
            self.reap()
            if sys.stdin.fileno() in readable:
                if os.read(sys.stdin.fileno(), 1) != DETACH:
                    return
                self._attached = False
            # A forked child of the parent may hold our input open after the parent is gone.
            if self._attached and os.getppid() != self._parent:
                return

    def end(self) -> None:
        """End every process that is left of the services."""
        end_groups(self._groups, self.reap)

    def reap(self) -> None:
        """Take note of the services that have ended."""
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                del self._running[name]
                _report(ended=name, code=process.returncode)
                # An empty group's number may be given to a stranger from here on.
                if not _lives(process.pid):
                    self._groups.discard(process.pid)


def end_groups(groups: Iterable[int], reap: Callable[[], object] = lambda: None) -> None:
    """End process groups: SIGTERM, and SIGKILL for what is left after GRACE seconds."""
    left = set(groups)
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = {group for group in left if _lives(group, number)}
        until = time.monotonic() + GRACE
        while left and time.monotonic() < until:
            time.sleep(_STEP)
            reap()
            left = {group for group in left if _lives(group)}


def _lives(group: int, number: int = 0) -> bool:
    """Send a signal to a process group; return whether anyone was there to receive it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left
        return False
    return True


def _spawn(order: Order) -> subprocess.Popen[bytes]:
    with open(order["log"], "wb") as log:
        return subprocess.Popen(
            order["command"],
            cwd=order["directory"],
            env=order["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(order["fd"],),
            start_new_session=True,
        )


def _report(**event: str | int) -> None:
    # Whoever listened may have gone; the services have not.
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


def _signals() -> int:
    """Return a pipe's end from which the numbers of the signals that arrive can be read."""
    arrived, arriving = os.pipe()
    os.set_blocking(arriving, False)
    signal.set_wakeup_fd(arriving, warn_on_full_buffer=False)
    # Not SIG_IGN, which the services would inherit.
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return arrived


def main() -> None:
    """Run until the services have to end, and end them."""
    signals = _signals()
    supervisor = Supervisor(int(sys.argv[1]))
    try:
        # Nothing follows this line before it is answered, so nothing is left in the buffer.
        supervisor.start(json.loads(sys.stdin.buffer.readline() or b"[]"))
        supervisor.watch(signals)
    finally:
        supervisor.end()


if __name__ == "__main__":
    main()
