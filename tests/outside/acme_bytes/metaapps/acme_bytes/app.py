"""Count the bytes that are read for each tenant, over all services of a request.

It knows the waist and the current baggage, no library, and no other meta-application.
"""

from __future__ import annotations

from typing import Final

import baggage
from baggage.boundary import PROCEED, Call, Flow, Interest, Kind, Returned

TENANT: Final = baggage.key("acme.tenant", type=baggage.Last)
"""For whom a request is served; whoever knows it packs it."""

_BYTES: Final = "acme.bytes."
# Ahead of what other tools can send home by other ways, where a header has no room for everything.
_PRIORITY: Final = 40


class Bytes:
    """Adds up what clients read, wherever a tenant is known."""

    name = "acme"

    def interest(self, kind: Kind, library: str) -> Interest:
        """Be asked where answers are read."""
        return Interest.OBSERVE if kind is Kind.CLIENT else Interest.NONE

    def around(self, call: Call) -> Flow:
        """Let the call happen; then pack how many bytes came back."""
        outcome = yield PROCEED
        size = outcome.facts.size() if isinstance(outcome, Returned) else None
        for tenant in baggage.unpack(TENANT):
            if size:
                baggage.pack(baggage.key(f"{_BYTES}{tenant!s}", priority=_PRIORITY), size)
        return None


def totals() -> dict[str, int]:
    """Return the bytes read so far for each tenant, here and in all services asked."""
    carried = baggage.current()
    packed = [name for name in carried.keys() if name.startswith(_BYTES)]  # noqa: SIM118 - no dict
    return {name.removeprefix(_BYTES): sum(map(int, carried.unpack(name))) for name in packed}
