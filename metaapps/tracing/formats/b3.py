"""B3 in one header, `b3`.

Follows https://github.com/openzipkin/b3-propagation, and Brave where that says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from metaapps.tracing.formats.format import HALF, Decision, Extracted, Heads, heads, place
from metaapps.tracing.span import Position

_STATES: Final[Mapping[str | None, Heads]] = {
    None: heads(Decision.DEFER),
    "0": heads(Decision.DENY),
    "1": heads(Decision.ACCEPT),
    "d": heads(Decision.DEBUG),
}
_LONE: Final = {
    state: Extracted(None, found.decision) for state, found in _STATES.items() if state is not None
}
_VALUE: Final = re.compile(
    "([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d]))?(?:-([0-9a-f]{16}))?"
)


class Single:
    """The format of the header `b3`."""

    __slots__ = ()

    name = "b3"

    def extract(self, headers: Mapping[str, str]) -> Extracted | None:
        """Read `b3`; of several the first counts."""
        value = headers.get("b3")
        return None if value is None else read(value)

    def write(self, position: Position, state: str) -> Mapping[str, str]:
        """Write `b3`."""
        digits = position.raw.hex()
        decision = "d" if position.debug else "1" if position.sampled else "0"
        trace = digits[2:34]
        if trace.startswith(HALF):
            trace = trace[16:]  # as it came: whoever began it may know no longer ones
        parent = digits[50:]
        if not parent:
            return {"b3": f"{trace}-{digits[34:50]}-{decision}"}
        return {"b3": f"{trace}-{digits[34:50]}-{decision}-{parent}"}


def read(value: str) -> Extracted | None:
    """Return what a value of `b3` says, None for what is no such value."""
    lone = _LONE.get(value)
    if lone is not None:
        return lone
    match = _VALUE.fullmatch(value)
    if match is None:
        first = value.partition(",")[0].strip(" \t")
        return None if first == value else read(first)
    trace, span, state, parent = match.groups()
    found = _STATES[state]
    position = place(found, trace, span, parent)
    return None if position is None else Extracted(position, found.decision, "", shares=True)
