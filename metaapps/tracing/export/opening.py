"""Opening what spans go to, as settings name it: a file, servers, or several of these.

Pure but for what is opened, and nothing is before the first span. The environment is read in
`settings`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from metaapps.tracing.errors import SettingError
from metaapps.tracing.export.encoding import (
    OTLP_JSON,
    OTLP_PROTO,
    ZIPKIN_JSON,
    ZIPKIN_PROTO3,
    Encoding,
)
from metaapps.tracing.export.file import TraceFile
from metaapps.tracing.export.lines import JSON_LINES, LinesSink
from metaapps.tracing.export.reporter import INTERVAL, PATIENCE, Reporter
from metaapps.tracing.span import Span

LINES: Final = ".jsonl"
"""The ending of files that get lines; any other file is one JSON array at any time."""

_ZIPKIN: Final = {"json": ZIPKIN_JSON, "proto3": ZIPKIN_PROTO3}
_OTLP: Final = {"json": OTLP_JSON, "protobuf": OTLP_PROTO}
_LINES_INTERVAL: Final = 0.1


class Export(Protocol):
    """Where spans go. All is safe in any thread; `report` never waits for a server."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many spans were dropped by now, by cause."""

    def report(self, span: Span) -> None:
        """Take a span that ended."""

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until what was reported is sent or dropped; False if it took longer."""

    def close(self, timeout: float = PATIENCE) -> bool:
        """Flush, and take no more spans."""


class Several:
    """Reports each span to several exports."""

    def __init__(self, exports: Sequence[Export]) -> None:
        self._exports: Final = tuple(exports)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many spans were dropped by now, by cause, by all together."""
        total: Counter[str] = Counter()
        for export in self._exports:
            total.update(export.dropped)
        return dict(total)

    def report(self, span: Span) -> None:
        """Take a span that ended."""
        for export in self._exports:
            export.report(span)

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until what was reported is sent or dropped; False if it took longer, in all."""
        deadline = time.monotonic() + timeout
        done = [export.flush(deadline - time.monotonic()) for export in self._exports]
        return all(done)

    def close(self, timeout: float = PATIENCE) -> bool:
        """Flush and close all, within `timeout` seconds for all together."""
        deadline = time.monotonic() + timeout
        done = [export.close(deadline - time.monotonic()) for export in self._exports]
        return all(done)


def reporters(
    *,
    file: Path | None = None,
    url: str = "",
    encoding: str = "json",
    otlp: str = "",
    otlp_encoding: str = "protobuf",
    interval: float = INTERVAL,
) -> Export | None:
    """Open what is named; None where nothing is. Raises SettingError.

    `url` is a Zipkin server's, which gets `encoding`: "json" or "proto3". `otlp` is the URL of an
    OpenTelemetry collector, which gets `otlp_encoding`: "json" or "protobuf". For both, spans wait
    `interval` seconds at most. A `file` that ends in ".jsonl" gets lines in the background, of
    which a process that is killed loses the last 0.1 s. Any other has each span as soon as it ends,
    for which the application waits.
    """
    exports: list[Export] = []
    if file is not None:
        exports.append(_to_file(file))
    if url:
        exports.append(_to_server(url, _named(_ZIPKIN, encoding), interval))
    if otlp:
        exports.append(_to_server(otlp, _named(_OTLP, otlp_encoding), interval))
    if len(exports) > 1:
        return Several(exports)
    return exports[0] if exports else None


def _to_file(file: Path) -> Export:
    if file.suffix != LINES:
        return TraceFile(file)
    return Reporter(LinesSink(file), JSON_LINES, interval=_LINES_INTERVAL)


def _to_server(url: str, encoding: Encoding, interval: float) -> Export:
    # Clients and parsers of HTTP take longer to import than all of tracing.
    from metaapps.tracing.export.http import HttpSink

    return Reporter(HttpSink(url, encoding), encoding, interval=interval)


def _named(encodings: Mapping[str, Encoding], name: str) -> Encoding:
    if name not in encodings:
        raise SettingError(f"there is no encoding {name!r}, but {' and '.join(encodings)}")
    return encodings[name]
