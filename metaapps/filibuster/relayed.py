"""Calls that came by way of a service that is not instrumented, and passed the baggage on.

Such a service forwards the W3C `baggage` header, as OpenTelemetry does, and no header that it does
not know: so whoever is called by one of us is told so in a header of its own. What is relayed is a
delivery, as a message's by a broker: nobody here knows who else gets it, or how often, and nothing
goes home by the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from baggage.boundary import Call, Flow, Kind, collect
from baggage.context import Branch
from metaapps.filibuster.lineage import ROOT, Lineage
from metaapps.filibuster.orders import SEEN, Orders

_DIRECTLY: Final = "filibuster-direct"
DIRECTLY: Final[Mapping[str, str]] = MappingProxyType({_DIRECTLY: "1"})
"""What each call of an instrumented caller says."""


def is_relayed(call: Call, lineage: Lineage | None) -> bool:
    """Say whether a call came with the lineage of another one, which was called in between."""
    return lineage is not None and lineage.index != ROOT.index and not came_directly(call)


def came_directly(call: Call) -> bool:
    """Say whether nobody stands between a call's caller and the baggage that it brought.

    Where no headers can be seen that is taken for granted.
    """
    if call.kind is not Kind.SERVER or call.arrived.get("baggage") is None:
        return True
    return call.arrived.get(_DIRECTLY) is not None


def serving(
    flow: Flow, orders: Orders, running: Branch, hurry: Callable[[Orders, Sequence[bytes]], None]
) -> Flow:
    """Serve what was relayed by a delivery's flow; all is told before the answer leaves."""
    yield from flow
    collect(running)
    held = [value for value in running.unpack(SEEN) if isinstance(value, bytes)]
    running.update(lambda carried: carried.remove(SEEN))
    hurry(orders, held)
    return None
