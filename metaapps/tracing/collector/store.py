"""Traces that are kept in memory, up to a size; the oldest go first.

Spans are kept as they came, in the order of the real server; what a query selects is in `query`.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Final, NamedTuple

from metaapps.tracing.collector import json_v2
from metaapps.tracing.collector.zipkin_span import ZipkinSpan

MAX_BYTES: Final = 128 * 1024 * 1024
_MILLISECOND: Final = 1_000

Trace = tuple[ZipkinSpan, ...]


class Kept(NamedTuple):
    """What became of a message: the traces that grew, and the spans that are new."""

    traces: tuple[Trace, ...] = ()
    written: tuple[bytes, ...] = ()


class _Trace:
    """One trace. A span that came twice is kept once."""

    __slots__ = ("size", "spans")

    def __init__(self) -> None:
        # By time as far as they say it, so that pieces of one moment stand together.
        self.spans: Final[dict[int, dict[ZipkinSpan, bytes]]] = {}
        self.size = 0

    def add(self, span: ZipkinSpan) -> bytes:
        """Return the span as it is written, nothing if it is there already."""
        moment = self.spans.setdefault(span.timestamp // _MILLISECOND, {})
        if span in moment:
            return b""
        moment[span] = written = json_v2.encode(span)
        self.size += len(written)
        return written

    def all(self) -> Trace:
        return tuple(span for moment in self.spans.values() for span in moment)


class Store:
    """Keeps traces, `max_bytes` of them, counted as JSON. Any number of threads may use it."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes: Final = max_bytes
        self._traces: Final[dict[str, _Trace]] = {}
        self._lock: Final = Lock()
        self._size = 0
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many traces had to go so far."""
        return self._dropped

    def add(self, spans: Iterable[ZipkinSpan]) -> Kept:
        """Keep spans, and say what is new; drops the oldest traces if it gets too much."""
        written: list[bytes] = []
        grown: dict[str, _Trace] = {}
        with self._lock:
            for span in spans:
                trace = self._traces.setdefault(span.trace_id, _Trace())
                if new := trace.add(span):
                    written.append(new)
                    self._size += len(new)
                    grown[span.trace_id] = trace
            kept = Kept(tuple(trace.all() for trace in grown.values()), tuple(written))
            self._shrink()
        return kept

    def traces(self) -> tuple[Trace, ...]:
        """Return all traces, that which began to come last at the end."""
        with self._lock:
            return tuple(trace.all() for trace in self._traces.values())

    def trace(self, trace_id: str) -> Trace:
        """Return the spans of a trace, none if there isn't one; the id is a normal one."""
        with self._lock:
            found = self._traces.get(trace_id)
            return found.all() if found is not None else ()

    def _shrink(self) -> None:
        while self._size > self._max_bytes:
            oldest = next(iter(self._traces))
            self._size -= self._traces.pop(oldest).size
            self._dropped += 1
