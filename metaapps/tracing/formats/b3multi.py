"""B3 in several headers, `X-B3-…`.

Follows https://github.com/openzipkin/b3-propagation, and Brave where that says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from metaapps.tracing.formats.format import Decision, Extracted, place
from metaapps.tracing.span import Position

TRACE_ID: Final = "x-b3-traceid"
SPAN_ID: Final = "x-b3-spanid"
PARENT_SPAN_ID: Final = "x-b3-parentspanid"
SAMPLED: Final = "x-b3-sampled"
FLAGS: Final = "x-b3-flags"

_TRACE: Final = re.compile("[0-9a-f]{16}|[0-9a-f]{32}")
_SPAN: Final = re.compile("[0-9a-f]{16}")
# Tracers that are older than the specification send words.
_STATES: Final[Mapping[str, Decision]] = {
    "0": Decision.DENY,
    "false": Decision.DENY,
    "1": Decision.ACCEPT,
    "true": Decision.ACCEPT,
}
_HALF: Final = "0" * 16


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
        decision = _decision(sampled, flags)
        if decision is None:
            return None
        if trace is None:
            return None if decision is Decision.DEFER else Extracted(None, decision)
        position = _position(decision, _first(trace), get(SPAN_ID), get(PARENT_SPAN_ID))
        return None if position is None else Extracted(position, decision, "", shares=True)

    def write(self, position: Position, state: str) -> Mapping[str, str]:
        """Write `X-B3-…`. Debug implies that the trace is sampled, which isn't said then."""
        digits = position.raw.hex()
        trace = digits[2:34]
        if trace.startswith(_HALF):
            trace = trace[16:]  # as it came: whoever began it may know no longer ones
        written = {TRACE_ID: trace, SPAN_ID: digits[34:50]}
        if digits[50:]:
            written[PARENT_SPAN_ID] = digits[50:]
        if position.debug:
            written[FLAGS] = "1"
        else:
            written[SAMPLED] = "1" if position.sampled else "0"
        return written


def _decision(sampled: str | None, flags: str | None) -> Decision | None:
    """Return what the two headers decide, None if that can't be told.

    Flags other than debug are nobody's concern, but a decision that can't be read spoils the rest:
    it may have been to deny.
    """
    decision = Decision.DEFER if sampled is None else _STATES.get(_first(sampled).lower())
    if decision is not None and flags is not None and _first(flags) == "1":
        return Decision.DEBUG
    return decision


def _position(
    decision: Decision, trace: str, span: str | None, parent: str | None
) -> Position | None:
    if span is None or not (_TRACE.fullmatch(trace) and _SPAN.fullmatch(span := _first(span))):
        return None
    if parent is None:
        return place(decision, trace, span)
    parent = _first(parent)
    if not (_SPAN.fullmatch(parent) and parent.strip("0")):
        return None
    return place(decision, trace, span, parent)


def _first(value: str) -> str:
    return value.partition(",")[0].strip(" \t")
