"""All propagation formats: which are read, in which order, and several written at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from metaapps.tracing.formats import b3, w3c
from metaapps.tracing.formats.b3 import Single
from metaapps.tracing.formats.b3multi import Multi
from metaapps.tracing.formats.format import Extracted, Format
from metaapps.tracing.formats.w3c import TRACEPARENT, TRACESTATE, TraceContext
from metaapps.tracing.span import Position

_MULTI: Final = Multi()

FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {each.name: each for each in (Single(), _MULTI, TraceContext())}
)
"""By the names that settings have for them."""


def extract(headers: Mapping[str, str]) -> Extracted | None:
    """Return what a caller's headers say, None if they say nothing that can be understood.

    Names of headers are in lower case; of a header that came several times all values are shown,
    joined by ",". The first that is valid counts of `b3`, `X-B3-…`, `traceparent`. Where the last
    tells of the same trace as B3, what it alone can say is kept too. Never raises.
    """
    get = headers.get
    single = get("b3")
    found = None if single is None else b3.read(single)
    if found is None:
        found = _MULTI.extract(headers)
    parent = get(TRACEPARENT)
    if parent is None:
        return found
    context = w3c.read(parent, get(TRACESTATE))
    return context if found is None else _both(found, context)


def headers(position: Position, formats: Sequence[Format], state: str = "") -> dict[str, str]:
    """Return the headers that tell a callee of `position` in all these formats.

    `state` is the `tracestate` that came with the trace.
    """
    written: dict[str, str] = {}
    for each in formats:
        written.update(each.write(position, state))
    return written


def _both(found: Extracted, context: Extracted | None) -> Extracted:
    """Add to what B3 says what Trace Context says of the same trace."""
    ours, theirs = found.position, context and context.position
    if ours is None or theirs is None or context is None or ours.trace != theirs.trace:
        return found
    if theirs.random:
        ours = Position.of(
            ours.trace_id,
            ours.span_id,
            ours.parent_id,
            sampled=ours.sampled,
            debug=ours.debug,
            random=True,
        )
    return found._replace(position=ours, state=context.state)
