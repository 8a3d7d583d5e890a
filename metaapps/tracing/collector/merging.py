"""What belongs to one span and came in several pieces, put together as the real server does it.

Queries answer with the pieces as they came; dependencies are of whole spans.
"""

from __future__ import annotations

from collections.abc import Sequence

from metaapps.tracing.collector.zipkin_span import (
    LONG_ID,
    NOWHERE,
    Endpoint,
    ZipkinSpan,
    ordered_annotations,
    ordered_tags,
)

_CLIENT, _PLAIN, _SHARED = range(3)


def merged(spans: Sequence[ZipkinSpan]) -> list[ZipkinSpan]:
    """Return a trace's spans by id, clients before servers, each span once, under one trace id.

    Pieces belong together if they have an id, say alike whether it is shared, and say nothing
    different of where they are. A server's span with the id of a client's is shared, also if it
    doesn't say so, and has its parent.
    """
    whole: list[ZipkinSpan] = []
    pieces = sorted(spans, key=_place)
    trace_id = next((span.trace_id for span in pieces if len(span.trace_id) == LONG_ID), None)
    at = 0
    while at < len(pieces):
        span, side = pieces[at], pieces[at].local
        at += 1
        while at < len(pieces) and _same(span, side, pieces[at]):
            side = _united(side, pieces[at].local)
            span = _with(span, pieces[at])
            at += 1
        if trace_id is not None:
            span = span._replace(trace_id=trace_id)
        whole.append(_after(whole[-1], span) if whole else span)
    return whole


def _place(span: ZipkinSpan) -> tuple[object, ...]:
    if span.shared:
        rank = _SHARED
    else:
        rank = _CLIENT if span.kind == "CLIENT" else _PLAIN
    # Who doesn't say where it is comes first, but who says only a part of it comes last.
    where = [(not part, part) for part in span.local[:3]] if span.local != NOWHERE else []
    return span.id, rank, where


def _same(span: ZipkinSpan, side: Endpoint, other: ZipkinSpan) -> bool:
    if (other.id, other.shared) != (span.id, span.shared):
        return False
    known = zip(side, other.local, strict=True)
    return all(mine == theirs for mine, theirs in known if mine and theirs)


def _with(span: ZipkinSpan, other: ZipkinSpan) -> ZipkinSpan:
    """Add what another piece of the same span says; what both say, the first says."""
    kind = span.kind or other.kind
    parent = span.parent_id or other.parent_id
    return ZipkinSpan(
        span.trace_id,
        span.id,
        parent,
        kind,
        span.name or other.name,
        span.timestamp or other.timestamp,
        span.duration or other.duration,
        _united(span.local, other.local),
        _united(span.remote, other.remote),
        ordered_annotations(span.annotations + other.annotations),
        ordered_tags(dict(span.tags) | dict(other.tags)),
        span.debug or other.debug,
        (span.shared or other.shared) and kind != "CLIENT",
    )


def _united(one: Endpoint, other: Endpoint) -> Endpoint:
    return Endpoint(
        one.service or other.service,
        one.ipv4 or other.ipv4,
        one.ipv6 or other.ipv6,
        one.port or other.port,
    )


def _after(last: ZipkinSpan, span: ZipkinSpan) -> ZipkinSpan:
    """Correct a server's half that comes after its client's, as some tracers write it."""
    if last.id != span.id:
        return span
    if last.kind == "CLIENT" and span.kind == "SERVER":
        span = span._replace(shared=True)
    if span.shared and not span.parent_id:
        span = span._replace(parent_id=last.parent_id)
    return span
