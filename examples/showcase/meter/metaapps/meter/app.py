"""The meter: adds up, for whoever a request is served, what crosses boundaries on its behalf.

It knows the waist and the current baggage, no library, and no other meta-application. What the sums
come to is in `bill`.
"""

from __future__ import annotations

from typing import Final

import baggage
from baggage.boundary import PROCEED, Call, Flow, Interest, Kind, Returned

TENANT: Final = baggage.key("meter.tenant", direction="down")
"""For whom a request is served; whoever knows it packs it."""

# Ahead of what other tools can send home by other ways, where a header has no room for everything.
_PRIORITY: Final = 40
TIMES: Final = baggage.key("meter.times", type=baggage.Map, of=baggage.Sum, priority=_PRIORITY)
BYTES: Final = baggage.key("meter.bytes", type=baggage.Map, of=baggage.Sum, priority=_PRIORITY)
"""How often, and how many bytes were read; the fields are "tenant/resource"."""

_METERED: Final = frozenset({Kind.CLIENT, Kind.PRODUCER, Kind.SPAWN})


class Meter:
    """Meters what departs where a tenant is known: calls, messages, and work for others."""

    name = "meter"

    def interest(self, kind: Kind, library: str) -> Interest:
        """Look on where something departs."""
        return Interest.OBSERVE if kind in _METERED else Interest.NONE

    def around(self, call: Call) -> Flow:
        """Add it to what the tenant used: at once, so that a message takes its own part along."""
        resources = [f"{tenant!s}/{call.library}" for tenant in baggage.unpack(TENANT)]
        for resource in resources:
            baggage.pack(TIMES[resource], 1)
        outcome = yield PROCEED
        size = outcome.facts.size() if isinstance(outcome, Returned) else None
        for resource in resources if size else ():
            baggage.pack(BYTES[resource], size or 0)
        return None
