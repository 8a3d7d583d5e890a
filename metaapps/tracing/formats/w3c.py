"""W3C Trace Context, level 2: the headers `traceparent` and `tracestate`.

Follows https://www.w3.org/TR/trace-context-2/. What a `tracestate` may hold is in `tracestate`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from metaapps.tracing.formats import tracestate
from metaapps.tracing.formats.format import Decision, Extracted, heads, place
from metaapps.tracing.span import Position

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

# Two headers of one name are shown as one with a comma, which no version has.
_VALUE: Final = re.compile(
    "([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?", re.DOTALL
)
_THIS: Final = "00"
_FORBIDDEN: Final = "ff"
_SAMPLED: Final = 0x01
_RANDOM: Final = 0x02
_KNOWN: Final = {
    flags: heads(
        Decision.ACCEPT if flags & _SAMPLED else Decision.DENY, random=bool(flags & _RANDOM)
    )
    for flags in range((_SAMPLED | _RANDOM) + 1)
}
# Of the bits that mean nothing yet, any may be set.
_FLAGS: Final = {f"{flags:02x}": _KNOWN[flags & (_SAMPLED | _RANDOM)] for flags in range(256)}


class TraceContext:
    """The format of `traceparent` and `tracestate`."""

    __slots__ = ()

    name = "w3c"

    def extract(self, headers: Mapping[str, str]) -> Extracted | None:
        """Read both headers; a `traceparent` that came twice is none."""
        value = headers.get(TRACEPARENT)
        return None if value is None else read(value, headers.get(TRACESTATE))

    def write(self, position: Position, state: str) -> Mapping[str, str]:
        """Write `traceparent`, and `tracestate` if there is something to pass on."""
        digits = position.raw.hex()
        flags = _SAMPLED * position.sampled | _RANDOM * position.random
        written = {TRACEPARENT: f"00-{digits[2:34]}-{digits[34:50]}-0{flags}"}
        if state:
            written[TRACESTATE] = state
        return written


def read(value: str, state: str | None) -> Extracted | None:
    """Return what values of `traceparent` and `tracestate` say, None if the former is none."""
    match = _VALUE.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    if version == _FORBIDDEN or (version == _THIS and more is not None):
        return None
    found = _FLAGS[flags]
    position = place(found, trace, span)
    if position is None:
        return None
    return Extracted(position, found.decision, tracestate.read(state) if state else "")
