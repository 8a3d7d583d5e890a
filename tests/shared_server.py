"""Servers that all processes of a test run share: started by the first, ended with the last."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

_PATIENCE: Final = 300.0
_ATTEMPTS: Final = 3
_PORT: Final = "port-"

# The server ends when no process holds it any more, however these ended. Who comes at that moment
# waits for the lock, and finds no address then.
_LAUNCH: Final = """
{
    "$@" & server=$!
    "$PYTHON" -I -S -c "$WATCH" $server & watching=$!
    wait $server; echo "the server ended with $?"
    kill $watching
} &
"""
_WATCH: Final = """
import fcntl, os, pathlib, sys
with open("held") as held:
    fcntl.flock(held, fcntl.LOCK_EX)
    pathlib.Path("address").unlink(missing_ok=True)
    os.kill(int(sys.argv[1]), 15)
"""
_ENDED: Final = "the server ended with"


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started, with a directory of its own, and what it says once it serves.

    `address` makes of its directory and its output where it is; None as long as it doesn't serve.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    address: Callable[[Path, str], str | None]
    environment: Callable[[Path], Mapping[str, str]] = field(default=lambda home: {})


def home(server: Server, factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run's server, the same for all of the run's processes."""
    base = factory.getbasetemp()
    # Workers have directories of their own in the one of their run.
    found = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / server.name
    found.mkdir(exist_ok=True)
    return found


@contextlib.contextmanager
def joined(server: Server, home: Path) -> Generator[str]:
    """Hold the run's server, and start it if nobody does; yields its address."""
    address = home / "address"
    with (home / "held").open("w") as held:
        with locked(home / "lock"):
            fcntl.flock(held, fcntl.LOCK_SH)
            if not address.exists():
                _start(server, home, address)
        yield address.read_text()


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Have a block to oneself, among all processes."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def port(home: Path, use: str) -> int:
    """Return the port that a server has for some use, which can't be told to find one by itself.

    It was free when it was first asked for. If somebody else has got it meanwhile, the server ends
    at once, and is started again at other ports.
    """
    remembered = home / f"{_PORT}{use}"
    if not remembered.exists():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            remembered.write_text(str(probe.getsockname()[1]))
    return int(remembered.read_text())


def _start(server: Server, home: Path, address: Path) -> None:
    said = ""
    for _ in range(_ATTEMPTS):
        for used in home.glob(f"{_PORT}*"):
            used.unlink()
        _launch(server, home)
        said, serving = _heard(server, home)
        if serving is not None:
            address.write_text(serving)
            return
        if _ENDED not in said:
            break
    pytest.fail(f"{server.name} did not start: {said}")


def _launch(server: Server, home: Path) -> None:
    (home / "log").unlink(missing_ok=True)  # the server before may still write its end to it
    with (home / "log").open("wb") as output:
        subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, server.name, *server.command(home)],
            env={
                **os.environ,
                **server.environment(home),
                "PYTHON": sys.executable,
                "WATCH": _WATCH,
            },
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the tests
            check=True,
        )


def _heard(server: Server, home: Path) -> tuple[str, str | None]:
    """Return what a server said until it served, ended, or took too long; and its address."""
    log, deadline = home / "log", time.monotonic() + _PATIENCE
    while (serving := server.address(home, said := log.read_text(errors="replace"))) is None:
        if _ENDED in said or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return said, serving
