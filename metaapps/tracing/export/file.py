"""A file that is a Zipkin v2 JSON array after every span, whoever else writes it.

Each span is spliced in before the closing bracket, in one write, under a lock on the file. Nothing
is kept open between spans, so processes may fork and files may be moved away.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

from metaapps.tracing.errors import SpanError, TraceFileError
from metaapps.tracing.export import zipkin
from metaapps.tracing.span import Span

logger: Final = logging.getLogger("metaapps.tracing")

_WHITESPACE: Final = b" \t\r\n"
_HEAD: Final = 64
_TAIL: Final = 256
_FIRST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.01
PATIENCE: Final = 1.0


class _Seen(NamedTuple):
    """A file that was found to be an array. The number of a deleted file may be used again."""

    device: int
    inode: int
    size: int
    head: bytes

    def continues(self, before: _Seen) -> bool:
        """Say whether this is a file seen before, to which something was added."""
        return (
            self[:2] == before[:2]
            and self.size >= before.size > 0
            and self.head.startswith(before.head)
        )


class TraceFile:
    """Appends spans to one file; any number of threads and processes may do so at once.

    `report` waits for the disk, and up to `patience` seconds for whoever has the file locked (once:
    after that it doesn't wait until the lock is free again). It never raises on the file's account:
    a span that can't be written is lost, which is logged once. A file that holds something else is
    never written, and not tried again.
    """

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self.path: Final = path
        self._patience: Final = patience
        # Threads may race to set these: the worst that comes of it is a check, a wait or a line in
        # the log too many.
        self._seen: _Seen | None = None
        self._stuck = False
        self._refused = False
        self._complained = False

    def report(self, span: Span) -> None:
        """Append one span."""
        if self._refused:
            return
        try:
            self._append(zipkin.encode(span))
        except TraceFileError as error:
            self._refused = True
            logger.error(
                "%s is left as it is, and nothing is traced: %s. "
                "Set TRACING_FILE to a new file, or to one that holds a Zipkin v2 JSON array",
                self.path,
                error,
            )
        except OSError as error:
            if not self._complained:
                self._complained = True
                logger.warning("spans are lost, %s can't be written: %s", self.path, error)

    def _append(self, span: bytes) -> None:
        with _opened(self.path, os.O_RDWR | os.O_CREAT) as file:
            self._lock(file)
            self._check(file)
            size = os.fstat(file).st_size
            start = max(0, size - _TAIL)
            tail = os.pread(file, size - start, start)
            kept, seam = _seam(tail, whole=start == 0)
            _splice(file, start + kept, tail[kept:], seam + span + b"\n]")

    def _lock(self, file: int) -> None:
        try:
            _lock(file, fcntl.LOCK_EX, 0.0 if self._stuck else self._patience)
        except TimeoutError:
            self._stuck = True
            raise
        self._stuck = False

    def _check(self, file: int) -> None:
        """Refuse what isn't ours to write; costly once, and again when the file was replaced."""
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise TraceFileError("it is not a regular file")
        seen = _Seen(status.st_dev, status.st_ino, status.st_size, os.pread(file, _HEAD, 0))
        if self._seen is None or not seen.continues(self._seen):
            content = _content(file, status.st_size)
            if content.strip(_WHITESPACE):
                try:
                    zipkin.check_array(content)
                except SpanError as error:
                    raise TraceFileError(str(error)) from error
        self._seen = seen


def read(path: Path) -> tuple[Span, ...]:
    """Return the spans of a file, as they are between two writes.

    Raises OSError, and TraceFileError for what isn't an array of spans.
    """
    with _opened(path, os.O_RDONLY) as file:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise TraceFileError("it is not a regular file")
        _lock(file, fcntl.LOCK_SH, PATIENCE)
        content = _content(file, os.fstat(file).st_size)
    if not content.strip(_WHITESPACE):
        return ()  # just made, or emptied by hand; the next span makes it an array
    try:
        return zipkin.decode_array(content)
    except SpanError as error:
        raise TraceFileError(str(error)) from error


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Generator[int, None, None]:
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


def _lock(file: int, mode: int, patience: float) -> None:
    """Lock by asking again and again: a stopped process must not stop the application too."""
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


def _content(file: int, size: int) -> bytes:
    parts = []
    at = 0
    while at < size and (part := os.pread(file, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _seam(tail: bytes, *, whole: bool) -> tuple[int, bytes]:
    """Return how much of a file's tail stays before the next span, and what goes in between."""
    text = tail.rstrip(_WHITESPACE)
    if whole and not text:
        return 0, b"[\n"
    body = text[:-1].rstrip(_WHITESPACE)
    if text.endswith(b"]"):
        if body.endswith(b"}"):
            return len(body), b",\n"
        if body.endswith(b"["):
            return len(body), b"\n"
    raise TraceFileError("it no longer ends as an array of spans")


def _splice(file: int, at: int, old: bytes, new: bytes) -> None:
    """Replace the end of a file, or leave it as it was (the disk may be full)."""
    written = 0
    try:
        while written < len(new):
            written += os.pwrite(file, new[written:], at + written)
        if len(new) < len(old):
            os.ftruncate(file, at + len(new))
    except OSError:
        os.pwrite(file, old, at)
        os.ftruncate(file, at + len(old))
        raise
