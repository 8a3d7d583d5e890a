"""What the collector says to each request: Zipkin's API, and the page. No sockets here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from metaapps.tracing.collector import json_v2, query
from metaapps.tracing.collector.links import links
from metaapps.tracing.collector.message import spans_of
from metaapps.tracing.collector.store import Kept, Store, Trace
from metaapps.tracing.collector.zipkin_span import Refused, ZipkinSpan, trace_id
from metaapps.tracing.errors import SpanError
from metaapps.tracing.export.zipkin import decode_array
from metaapps.tracing.span import Span
from metaapps.tracing.view import page

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_SPANS: Final = "/api/v2/spans"
_TRACE: Final = "/api/v2/trace/"
# Where the real server's pages are.
_PAGE: Final = "/zipkin/traces/"
_PAGES: Final = frozenset({"/", "/zipkin", "/zipkin/"})
_UP: Final = {"status": "UP", "zipkin": {"status": "UP"}}
# As many spans as are readable on one page.
_PAGE_SPANS: Final = 1_000


class Answer(NamedTuple):
    """A status and a body, which says by itself what was wrong."""

    status: int
    body: bytes = b""
    content_type: str = _TEXT


class Answers:
    """Answers requests from a store, in any number of threads; `grown` hears of what came."""

    def __init__(self, store: Store, grown: Callable[[Kept], None]) -> None:
        self._store: Final = store
        self._grown: Final = grown
        self._lists: Final[dict[str, Callable[[query.Asked], object]]] = {
            "/api/v2/services": lambda _: query.services(store.traces()),
            _SPANS: lambda asked: query.names(store.traces(), _service(asked)),
            "/api/v2/remoteServices": lambda asked: query.remotes(store.traces(), _service(asked)),
            "/api/v2/dependencies": self._dependencies,
            "/health": lambda _: _UP,
        }

    def post(self, target: str, body: bytes, content_type: str, encoding: str) -> Answer:
        """Keep the spans of a message, all of them or none."""
        if urlsplit(target).path != _SPANS:
            return _nowhere(target)
        try:
            spans = spans_of(body, content_type, encoding)
        except Refused as refusal:
            return _refusal(refusal)
        kept = self._store.add(spans)
        if kept.written:
            self._grown(kept)
        return Answer(202)

    def get(self, target: str) -> Answer:
        """Answer a question, or show the page."""
        parts = urlsplit(target)
        path, asked = parts.path, dict(parse_qsl(parts.query))
        try:
            if path in self._lists:
                return Answer(200, _json(self._lists[path](asked)), _JSON)
            if path == "/api/v2/traces":
                found = query.select(self._store.traces(), asked, _now())
                return Answer(200, json_v2.encode_list(map(_encoded, found)), _JSON)
            if path.startswith(_TRACE):
                trace = self._trace(path.removeprefix(_TRACE))
                return Answer(200, _encoded(trace), _JSON) if trace else _nowhere(target)
        except Refused as refusal:
            return _refusal(refusal)
        return self._page(path)

    def _page(self, path: str) -> Answer:
        if path.startswith(_PAGE):
            try:
                found: Sequence[Trace] = (self._trace(path.removeprefix(_PAGE)),)
            except Refused as refusal:
                return _refusal(refusal)
            return _shown(found, "Trace") if found[0] else _nowhere(path)
        if path not in _PAGES:
            return _nowhere(path)
        traces = self._store.traces()
        title = "1 trace" if len(traces) == 1 else f"{len(traces)} traces"
        if dropped := self._store.dropped:
            title += f", {dropped} older ones were dropped"
        shown = _newest(traces)
        if len(shown) < len(traces):
            title += f", of which the newest {len(shown)} are shown"
        return _shown(shown, title)

    def _trace(self, text: str) -> Trace:
        return self._store.trace(trace_id(unquote(text)))

    def _dependencies(self, asked: query.Asked) -> list[dict[str, object]]:
        query.number(asked, "endTs")
        found = links(query.within(self._store.traces(), asked, _now()))
        return [
            {"parent": link.parent, "child": link.child, "callCount": link.calls}
            | ({"errorCount": link.errors} if link.errors else {})
            for link in found
        ]


def _newest(traces: Sequence[Trace]) -> list[Trace]:
    """Return the traces that came last, as many as fit on a page, the newest first."""
    found: list[Trace] = []
    room = _PAGE_SPANS
    for trace in reversed(traces):
        room -= len(trace)
        if found and room < 0:
            break
        found.append(trace)
    return found


def _shown(traces: Sequence[Trace], title: str) -> Answer:
    spans = [shown for trace in traces for span in trace for shown in _ours(span)]
    return Answer(200, page(spans, title=title).encode(), _HTML)


def _ours(span: ZipkinSpan) -> tuple[Span, ...]:
    """Return a span as a page wants it; none for the id of zeros, which the real server takes."""
    try:
        return decode_array(json_v2.encode_list([json_v2.encode(span)]))
    except SpanError:
        return ()


def _encoded(trace: Trace) -> bytes:
    return json_v2.encode_list(map(json_v2.encode, trace))


def _service(asked: query.Asked) -> str:
    if not (service := asked.get("serviceName")):
        raise Refused("the parameter serviceName is missing")
    return service


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _now() -> int:
    return time.time_ns() // 1_000_000


def _refusal(refusal: Refused) -> Answer:
    return Answer(400, f"{refusal}\n".encode("utf-8", "replace"))


def _nowhere(target: str) -> Answer:
    return Answer(404, f"nothing at {target}\n".encode("utf-8", "replace"))
