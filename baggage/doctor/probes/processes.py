"""Self-tests of what starts other processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Final

from baggage.doctor.probes.loopback import PATIENCE
from baggage.doctor.probes.probe import NotTried, Peers, behind

_LOOK: Final = (
    "import sys; from baggage.runtime import PROCESS; PROCESS.start()\n"
    "from baggage.doctor.probes.probe import behind; sys.stdout.write(behind())"
)


def by_subprocess(_: Peers) -> str:
    """Look from a program that takes up what it was started with."""
    command = [sys.executable, "-c", _LOOK]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return ran.stdout


def by_fork(_: Peers) -> str:
    """Look from a fork."""
    if not hasattr(os, "fork"):
        raise NotTried("this system has no fork")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, behind().encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:
        return pipe.read().decode()


def by_process(_: Peers) -> str:
    """Look from a process."""
    mine, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_report, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    seen = str(mine.recv())
    process.join(PATIENCE)
    return seen


def _report(writing: Connection) -> None:
    writing.send(behind())


def by_process_pool(_: Peers) -> str:
    """Look from a worker of an executor."""
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(behind).result(PATIENCE)


def by_multiprocessing_pool(_: Peers) -> str:
    """Look from a worker of a pool."""
    with multiprocessing.Pool(1) as pool:
        return str(pool.apply_async(behind).get(PATIENCE))
