"""What holds for everything that takes messages from one process to another by a broker."""

from __future__ import annotations

from baggage.testing._broker import Taken
from baggage.testing._broker_carries import BrokerCarries
from baggage.testing._broker_flows import BrokerFlows
from baggage.testing._broker_transparent import BrokerTransparent

__all__ = ["BrokerSuite", "Taken"]


class BrokerSuite(BrokerCarries, BrokerFlows, BrokerTransparent):
    """Inherit, and say how messages are published and taken. See `baggage.testing`.

    `destination`, `publish` and `consume` are enough. What is published in one destination is taken
    in the order in which it was. `publish` and `consume` are called in several threads, one step at
    a time: where a library's connections are no affair of threads, keep one for each. `here` says
    that messages are taken where `consume` is called; set it to False where the library has workers
    of its own. `operation` and `endpoint` say what flows see of a destination.
    """
