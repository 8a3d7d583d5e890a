"""Files that several processes write: opened, locked and read whole, without ever waiting for long.

What is in them is in `file` and `lines`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

from metaapps.tracing.errors import TraceFileError

PATIENCE: Final = 1.0
WHITESPACE: Final = b" \t\r\n"

_FIRST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.01


@contextlib.contextmanager
def opened(path: Path, flags: int) -> Generator[int, None, None]:
    """Open a file, and its directories with it if it is to be made. Raises OSError."""
    # Never block on a FIFO, nor wait for a terminal.
    flags |= os.O_NONBLOCK | os.O_NOCTTY
    try:
        file = os.open(path, flags, 0o666)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, flags, 0o666)
    try:
        yield file
    finally:
        os.close(file)  # and so the lock


def lock(file: int, mode: int, patience: float) -> None:
    """Lock by asking again and again: a stopped process must not stop the application too.

    Raises TimeoutError after so many seconds.
    """
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError("somebody else keeps it locked") from None
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        else:
            return


def check_regular(file: int) -> os.stat_result:
    """Return what is known of a regular file. Raises TraceFileError for any other."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise TraceFileError("it is not a regular file")
    return status


def content(file: int, size: int) -> bytes:
    """Return the first so many bytes of a file."""
    parts = []
    at = 0
    while at < size and (part := os.pread(file, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def read_whole(path: Path) -> bytes:
    """Return what a file holds between two writes. Raises OSError, TraceFileError."""
    with opened(path, os.O_RDONLY) as file:
        check_regular(file)
        lock(file, fcntl.LOCK_SH, PATIENCE)
        return content(file, os.fstat(file).st_size)
