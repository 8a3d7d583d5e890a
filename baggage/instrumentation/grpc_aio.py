"""gRPC's library for event loops: calls of every arity, and what serves them.

Covered as in `grpc`: by the classes that stubs and channels end in, and where a server finds a
handler, whatever kind of function that is.
"""

from __future__ import annotations

from baggage.boundary import Boundary
from baggage.instrumentation._grpc.aio_client import instrument_calls
from baggage.instrumentation._grpc.aio_server import instrument_servers
from baggage.instrumentation._patching import Switch


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap grpc.aio, once."""
    instrument_calls(boundary, switch)
    instrument_servers(boundary, switch)
