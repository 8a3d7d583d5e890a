"""Where spans to look at come from: a file, or a Zipkin server.

What a server is asked for is not traced.
"""

from __future__ import annotations

import json
import re
import time
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from baggage.context import suppressed
from metaapps.tracing.cli.refusal import Refused
from metaapps.tracing.errors import SpanError, TraceFileError
from metaapps.tracing.export import zipkin
from metaapps.tracing.export.file import read
from metaapps.tracing.span import TRACE_BYTES, Span

_SCHEMES: Final = ("http://", "https://")
_API: Final = "/api/v2"
_PAGES: Final = "/zipkin/traces"
_TIMEOUT: Final = 10.0
_PATIENCE: Final = 60.0
_PIECE: Final = 65_536
# Twice what `tracing collect` keeps.
_MOST: Final = 256 * 1024 * 1024
_DIGITS: Final = 2 * TRACE_BYTES
_SERVER: Final = re.compile(r"[\w.-]+:\d+(/.*)?")


def spans(source: str, *, limit: int = 10, trace: str | None = None) -> tuple[Span, ...]:
    """Return the spans of a source, of its `trace` alone if that is given.

    A server is asked for its `limit` latest traces. Raises Refused.
    """
    if source.lower().startswith(_SCHEMES):
        found = _from_server(source, limit, trace)
    else:
        found = _from_file(source)
    if trace is None:
        return found
    wanted = trace.lower().zfill(_DIGITS)
    kept = tuple(span for span in found if span.position.trace_id == wanted)
    if not kept:
        raise Refused(f"no trace {plain(trace)} in {plain(source)}")
    return kept


def plain(text: str) -> str:
    """Keep what services were asked for from steering the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _from_file(source: str) -> tuple[Span, ...]:
    try:
        return read(Path(source))
    except FileNotFoundError as error:
        hint = f"; a server is http://{source}" if _SERVER.fullmatch(source) else ""
        raise _refused(source, _reason(error) + hint) from error
    except (OSError, TraceFileError) as error:
        raise _refused(source, _reason(error)) from error


def _from_server(source: str, limit: int, trace: str | None) -> tuple[Span, ...]:
    try:
        with suppressed():
            answer = _get(address(source, limit, trace))
        return _decoded(json.loads(answer))
    except HTTPError as error:
        with error:
            raise _refused(source, f"the server says {error.code} {error.reason}") from error
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise _refused(source, _reason(error)) from error


def address(source: str, limit: int, trace: str | None = None) -> str:
    """Return what to ask for the spans that a URL stands for. Raises ValueError for a bad one.

    That is one trace for its page or resource, whatever a query of the API answers, and the latest
    traces for anything else.
    """
    parts = urlsplit(source)
    if not parts.hostname:
        raise ValueError("this URL names no host")
    path = parts.path.rstrip("/")
    if f"{_API}/trace" in path:
        return urlunsplit(parts._replace(fragment=""))
    before, page, shown = path.partition(f"{_PAGES}/")
    if page:
        return _of_trace(parts, before, shown)
    base = path.removesuffix(_API).removesuffix("/zipkin")
    if trace is not None:
        return _of_trace(parts, base, trace)
    latest = parts._replace(path=f"{base}{_API}/traces", query=f"limit={limit}", fragment="")
    return urlunsplit(latest)


def _of_trace(parts: SplitResult, base: str, trace: str) -> str:
    return urlunsplit(
        parts._replace(path=f"{base}{_API}/trace/{quote(trace)}", query="", fragment="")
    )


def _get(url: str) -> bytes:
    """Return what a server answers, if that isn't too much, nor too slow."""
    deadline = time.monotonic() + _PATIENCE
    content = bytearray()
    headers = {"Accept": "application/json", "b3": "0"}
    # The scheme was looked at by `spans`.
    with urlopen(Request(url, headers=headers), timeout=_TIMEOUT) as answer:  # noqa: S310
        while piece := answer.read1(_PIECE):
            content += piece
            if len(content) > _MOST:
                raise ValueError(f"more than {_MOST >> 20} MiB came; ask for less by --limit")
            if time.monotonic() > deadline:
                raise ValueError(f"it takes longer than {_PATIENCE:.0f} s; ask for less by --limit")
    return bytes(content)


def _decoded(answer: object) -> tuple[Span, ...]:
    """Return the spans of an array of spans, or of an array of traces. Raises SpanError."""
    if not isinstance(answer, list):
        raise SpanError("the answer is no JSON array")
    found: list[Span] = []
    for value in answer:
        found += map(zipkin.decode, value if isinstance(value, list) else [value])
    return tuple(found)


def _reason(error: object) -> str:
    if isinstance(error, URLError):
        error = error.reason
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _refused(source: str, reason: str) -> Refused:
    return Refused(f"can't show {plain(source)}: {plain(' '.join(reason.split()))}")
