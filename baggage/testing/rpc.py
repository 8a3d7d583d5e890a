"""What holds for every instrumented RPC library, on both sides."""

from __future__ import annotations

from baggage.testing._rpc import Call, Metadata, Refused, Service, Stream
from baggage.testing._rpc_carries import Carries
from baggage.testing._rpc_flows import Flows
from baggage.testing._rpc_lending import Lends
from baggage.testing._rpc_streams import Streams

__all__ = ["Call", "Metadata", "Refused", "RpcSuite", "Service", "Stream"]


class RpcSuite(Carries, Flows, Streams, Lends):
    """Inherit, and say how calls are served and made. See `baggage.testing` for an example.

    `faults` are those that the library can enact, each with the code that a caller then sees.
    `refusal` is the code that a callee refuses with, `failure` the one of its own mistakes. `lends`
    is whether calls ever lend.
    """
