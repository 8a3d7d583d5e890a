"""Spans as a tree in plain text, for the message of a test that fails."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from metaapps.tracing.causality import Causality
from metaapps.tracing.span import Span
from metaapps.tracing.tree import Row, traces

_MOST: Final = 200


def drawn(spans: Iterable[Span], marked: Collection[Span] = ()) -> str:
    """Return the spans' traces, a line for each span; `>` stands before those that are `marked`."""
    found = traces(spans)
    if not found:
        return "there are no spans"
    causality = Causality.of(row.span for trace in found for row in trace.rows)
    lines = []
    for trace in found:
        lines.append(f"trace {trace.trace_id}")
        for row in trace.rows:
            sign = ">" if any(row.span is span for span in marked) else " "
            lines.append(f"{sign} {_line(row, causality)}")
    more = len(lines) - _MOST
    return "\n".join([*lines[:_MOST], f"and {more} more lines"] if more > 0 else lines)


def _line(row: Row, causality: Causality) -> str:
    span = row.span
    whose = " ".join(filter(None, (span.local.service, span.kind.value if span.kind else "")))
    parts = [
        f"{'  ' * row.depth}{span.name or '?'}",
        f"({whose})" if whose else "",
        span.position.span_id,
        "shared" if span.shared else "",
    ]
    for how, others in (("after", causality.after(span)), ("joined", causality.joined(span))):
        if others:
            parts.append(f"{how} {', '.join(other.name or '?' for other in others)}")
    if span.error is not None:
        parts.append(f"error: {span.error}")
    if row.lost:
        parts.append("caller missing")
    return "  ".join(filter(None, parts))
