"""What holds for every instrumented HTTP server."""

from __future__ import annotations

from baggage.testing._server import View
from baggage.testing._server_carries import Carries
from baggage.testing._server_flows import Flows
from baggage.testing._server_lending import Lends
from baggage.testing._server_streams import Streams

__all__ = ["HttpServerSuite", "View"]


class HttpServerSuite(Carries, Flows, Streams, Lends):
    """Inherit, and say how a view is served. See `baggage.testing` for an example.

    `workers` is how many requests the server serves at a time, and `tells_address` whether it can
    tell the port that a request came to. `lends` is whether it ever gives back ids.
    """
