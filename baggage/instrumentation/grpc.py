"""gRPC's blocking library: calls of every arity and spelling, and what serves them.

The methods that stubs, channels and interceptors end in are wrapped, and so is the place where a
server finds a handler: channels and servers that exist already are covered. The library of an event
loop is in `grpc_aio`.
"""

from __future__ import annotations

from baggage.boundary import Boundary
from baggage.instrumentation._grpc.blocking_client import instrument_calls
from baggage.instrumentation._grpc.blocking_server import instrument_servers
from baggage.instrumentation._patching import Switch


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap gRPC, once."""
    instrument_calls(boundary, switch)
    instrument_servers(boundary, switch)
