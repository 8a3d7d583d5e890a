"""A file that is a Zipkin v2 JSON array after every span, whoever else writes it.

Each span is spliced in before the closing bracket, in one write, under a lock on the file. Nothing
is kept open between spans, so processes may fork and files may be moved away.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from metaapps.tracing.errors import SpanError, TraceFileError
from metaapps.tracing.export import disk, zipkin
from metaapps.tracing.export.disk import WHITESPACE
from metaapps.tracing.export.lines import decode_lines
from metaapps.tracing.export.reporter import Tally
from metaapps.tracing.span import Span

logger: Final = logging.getLogger("metaapps.tracing")

UNWRITABLE: Final = "unwritable"

_HEAD: Final = 64
_TAIL: Final = 256


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

    def __init__(self, path: Path, *, patience: float = disk.PATIENCE) -> None:
        self.path: Final = path
        self._patience: Final = patience
        # Threads may race to set these: the worst that comes of it is a check, a wait or a line in
        # the log too many.
        self._seen: _Seen | None = None
        self._stuck = False
        self._refused = False
        self._complained = False
        self._lost: Final = Tally()

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many spans were dropped by now, by cause."""
        lost = self._lost.value()
        return {UNWRITABLE: lost} if lost else {}

    def report(self, span: Span) -> None:
        """Append one span."""
        if self._refused:
            self._lost.add()
            return
        try:
            self._append(zipkin.encode(span))
        except TraceFileError as error:
            self._refused = True
            self._lost.add()
            logger.error(
                "%s is left as it is, and nothing is traced: %s. "
                "Set TRACING_FILE to a new file, or to one that holds a Zipkin v2 JSON array",
                self.path,
                error,
            )
        except OSError as error:
            self._lost.add()
            if not self._complained:
                self._complained = True
                logger.warning("spans are lost, %s can't be written: %s", self.path, error)

    def flush(self, timeout: float = 0.0) -> bool:
        """Do nothing: what was reported is in the file."""
        return True

    def close(self, timeout: float = 0.0) -> bool:
        """Do nothing: nothing is kept open, and what is reported later is written, too."""
        return True

    def _append(self, span: bytes) -> None:
        with disk.opened(self.path, os.O_RDWR | os.O_CREAT) as file:
            self._lock(file)
            self._check(file)
            size = os.fstat(file).st_size
            start = max(0, size - _TAIL)
            tail = os.pread(file, size - start, start)
            kept, seam = _seam(tail, whole=start == 0)
            _splice(file, start + kept, tail[kept:], seam + span + b"\n]")

    def _lock(self, file: int) -> None:
        try:
            disk.lock(file, fcntl.LOCK_EX, 0.0 if self._stuck else self._patience)
        except TimeoutError:
            self._stuck = True
            raise
        self._stuck = False

    def _check(self, file: int) -> None:
        """Refuse what isn't ours to write; costly once, and again when the file was replaced."""
        status = disk.check_regular(file)
        seen = _Seen(status.st_dev, status.st_ino, status.st_size, os.pread(file, _HEAD, 0))
        if self._seen is None or not seen.continues(self._seen):
            content = disk.content(file, status.st_size)
            if content.strip(WHITESPACE):
                try:
                    zipkin.check_array(content)
                except SpanError as error:
                    raise TraceFileError(str(error)) from error
        self._seen = seen


def read(path: Path) -> tuple[Span, ...]:
    """Return the spans of a file: a JSON array, or JSON lines; as they are between two writes.

    Raises OSError, and TraceFileError for what is neither.
    """
    content = disk.read_whole(path).strip(WHITESPACE)
    try:
        if content.startswith(b"{"):
            return decode_lines(content)
        # Just made, or emptied by hand; the next span makes it an array.
        return zipkin.decode_array(content) if content else ()
    except SpanError as error:
        raise TraceFileError(str(error)) from error


def _seam(tail: bytes, *, whole: bool) -> tuple[int, bytes]:
    """Return how much of a file's tail stays before the next span, and what goes in between."""
    text = tail.rstrip(WHITESPACE)
    if whole and not text:
        return 0, b"[\n"
    body = text[:-1].rstrip(WHITESPACE)
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
