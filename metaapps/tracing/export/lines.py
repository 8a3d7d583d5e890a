"""JSON lines: a file of Zipkin v2 spans, each on a line of its own, to which batches are appended.

For whoever tails, rotates or ships files, and for many spans. A file that is one JSON array at any
time is in `file`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from metaapps.tracing.errors import SpanError, TraceFileError
from metaapps.tracing.export import disk, zipkin
from metaapps.tracing.export.encoding import Encoding
from metaapps.tracing.export.sink import Refused, Unavailable
from metaapps.tracing.span import Span

logger: Final = logging.getLogger("metaapps.tracing")

_HEAD: Final = 4_096
_ID: Final = b'"traceId"'
_BEGINNING: Final = b"{" + _ID


def _message(spans: Sequence[bytes]) -> bytes:
    return b"\n".join(spans) + b"\n"


JSON_LINES: Final = Encoding("application/x-ndjson", "", zipkin.encode, _message, frame=0, seam=1)


class LinesSink:
    """Appends messages of whole lines to a file; several processes on one machine may do so.

    Each message is one write, all of it or, on a full disk, nothing. What a killed process left of
    a line stays a line of its own. Nothing is kept open in between, so the file may be moved away:
    then it begins anew. A file that holds something else is left as it is.
    """

    def __init__(self, path: Path, *, patience: float = disk.PATIENCE) -> None:
        self._path: Final = path
        self._patience: Final = patience

    def send(self, message: bytes) -> None:
        """Append a message. Raises Refused, or Unavailable."""
        try:
            with disk.opened(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
                # Only who has the lock may believe what it sees of the file's end.
                disk.lock(file, fcntl.LOCK_EX, self._patience)
                _append(file, message)
        except TraceFileError as error:
            raise Refused(f"{self._path} is left as it is: {error}") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unavailable(f"{self._path} can't be written: {reason}") from error

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def forked(self) -> None:
        """Do nothing: nothing is open."""


def read(path: Path) -> tuple[Span, ...]:
    """Return the spans of a file of JSON lines. Lines that were cut short are left out, and logged.

    Raises OSError, and TraceFileError for what isn't lines of spans.
    """
    try:
        return decode_lines(disk.read_whole(path))
    except SpanError as error:
        raise TraceFileError(str(error)) from error


def decode_lines(content: bytes) -> tuple[Span, ...]:
    """Return the spans of JSON lines; see `read`. Raises SpanError."""
    spans: list[Span] = []
    cut = 0
    for number, line in enumerate(content.split(b"\n"), 1):
        line = line.strip()
        if not line:
            continue
        try:
            spans.append(zipkin.decode(json.loads(line)))
        except SpanError as error:
            raise SpanError(f"line {number}: {error}") from error
        except (ValueError, RecursionError) as error:
            # An object that was cut short is no object; what is no object was never ours.
            if not line.startswith(b"{"):
                raise SpanError(f"line {number} is no span: not JSON") from error
            cut += 1
    if cut:
        logger.warning("lines that were cut short, and are left out: %d", cut, extra={"lines": cut})
    return tuple(spans)


def _append(file: int, message: bytes) -> None:
    size = disk.check_regular(file).st_size
    if not _ours(os.pread(file, _HEAD, 0)):
        raise TraceFileError("it holds something else than lines of spans")
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    whole = b"\n" + message if torn else message
    written = os.write(file, whole)
    if written < len(whole):
        os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ours(head: bytes) -> bool:
    """Say whether a file that begins so may be appended to: it has spans, or a bit of one."""
    head = head.lstrip()
    first = head.partition(b"\n")[0]
    return (first.startswith(b"{") and _ID in first) or _BEGINNING.startswith(head)
