"""What holds for every instrumented HTTP client."""

from __future__ import annotations

from baggage.testing._client import Send
from baggage.testing._client_carries import Carries
from baggage.testing._client_faults import Faults
from baggage.testing._client_flows import Flows
from baggage.testing._client_lending import Lends
from baggage.testing._client_transparent import Transparent

__all__ = ["HttpClientSuite", "Send"]


class HttpClientSuite(Carries, Flows, Faults, Transparent, Lends):
    """Inherit, and say how a call is made. See `baggage.testing` for an example.

    `faults` are those that the client can enact, `crossings_of_a_retry` is how many crossings the
    hook sees of a call that `retrying` sends three times, `lends` is whether it ever lends.
    """
