"""B3 in several headers, `X-B3-…`.

Follows https://github.com/openzipkin/b3-propagation, and Brave where that says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from metaapps.tracing.formats.format import HALF, ZEROS, Decision, Extracted, Heads, heads, place
from metaapps.tracing.span import Position

TRACE_ID: Final = "x-b3-traceid"
SPAN_ID: Final = "x-b3-spanid"
PARENT_SPAN_ID: Final = "x-b3-parentspanid"
SAMPLED: Final = "x-b3-sampled"
FLAGS: Final = "x-b3-flags"

_TRACE: Final = re.compile("[0-9a-f]{16}|[0-9a-f]{32}")
_SPAN: Final = re.compile("[0-9a-f]{16}")
# Tracers that are older than the specification send words.
_STATES: Final[Mapping[str, Heads]] = {
    "0": heads(Decision.DENY),
    "false": heads(Decision.DENY),
    "1": heads(Decision.ACCEPT),
    "true": heads(Decision.ACCEPT),
}
_DEFER: Final = heads(Decision.DEFER)
_DEBUG: Final = heads(Decision.DEBUG)


class Multi:
    """The format of the headers `X-B3-…`."""

    __slots__ = ()

    name = "b3multi"

    def extract(self, headers: Mapping[str, str]) -> Extracted | None:
        """Read `X-B3-…`; of several of one name the first counts."""
        get = headers.get
        trace, sampled, flags = get(TRACE_ID), get(SAMPLED), get(FLAGS)
        if trace is None and sampled is None and flags is None:
            return None
        found = _decided(sampled, flags)
        if found is None:
            return None
        if trace is None:
            return None if found is _DEFER else Extracted(None, found.decision)
        position = _position(found, _first(trace), get(SPAN_ID), get(PARENT_SPAN_ID))
        return None if position is None else Extracted(position, found.decision, "", shares=True)

    def write(self, position: Position, state: str) -> Mapping[str, str]:
        """Write `X-B3-…`. Debug implies that the trace is sampled, which isn't said then."""
        digits = position.raw.hex()
        trace = digits[2:34]
        if trace.startswith(HALF):
            trace = trace[16:]  # as it came: whoever began it may know no longer ones
        written = {TRACE_ID: trace, SPAN_ID: digits[34:50]}
        if digits[50:]:
            written[PARENT_SPAN_ID] = digits[50:]
        if position.debug:
            written[FLAGS] = "1"
        else:
            written[SAMPLED] = "1" if position.sampled else "0"
        return written


def _decided(sampled: str | None, flags: str | None) -> Heads | None:
    """Return what the two headers decide, None if that can't be told.

    Flags other than debug are nobody's concern, but a decision that can't be read spoils the rest:
    it may have been to deny.
    """
    found = _DEFER if sampled is None else _STATES.get(_first(sampled).lower())
    if found is not None and flags is not None and _first(flags) == "1":
        return _DEBUG
    return found


def _position(heads: Heads, trace: str, span: str | None, parent: str | None) -> Position | None:
    if span is None or not (_TRACE.fullmatch(trace) and _SPAN.fullmatch(span := _first(span))):
        return None
    if parent is not None:
        parent = _first(parent)
        if parent in ZEROS or not _SPAN.fullmatch(parent):
            return None
    return place(heads, trace, span, parent)


def _first(value: str) -> str:
    return value.partition(",")[0].strip(" \t")
