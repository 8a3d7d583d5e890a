"""What the rows of accepted and refused headers are made of, and which headers are read."""

from __future__ import annotations

from typing import Final

from metaapps.tracing.formats import Decision, Extracted
from metaapps.tracing.span import Position

HIGH: Final = "463ac35c9f6413ad"
LOW: Final = "48485a3953bb6124"
TRACE: Final = HIGH + LOW
SPAN: Final = "a2fb4a1d1a96d312"
PARENT: Final = "0020000000000001"
ZEROS: Final = "0" * 16
NAMES: Final = (
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "traceparent",
    "tracestate",
)

DEFER, DENY, ACCEPT, DEBUG = Decision


def caller(
    decision: Decision = ACCEPT,
    parent: str | None = None,
    *,
    trace: str = TRACE,
    span: str = SPAN,
) -> Extracted:
    """Return what B3 says of a span."""
    return Extracted(
        Position.of(
            trace,
            span,
            parent,
            sampled=decision in {ACCEPT, DEBUG},
            debug=decision is DEBUG,
        ),
        decision,
        shares=True,
    )


def lone(decision: Decision) -> Extracted:
    """Return a decision without ids."""
    return Extracted(None, decision)
