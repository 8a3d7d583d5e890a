"""The original's gRPC instrumentors, by way of `baggage.instrument`."""

from __future__ import annotations

from typing import Any

from metaapps.filibuster.instrumentation.switch import switch_off, switch_on

_LIBRARIES = ("grpc", "grpc.aio")


class _GrpcInstrumentor:
    """Both sides at once: a service that answers calls makes some, and the other way round."""

    def instrument(
        self, service_name: str | None = None, filibuster_url: str | None = None, **_: Any
    ) -> None:
        """Instrument gRPC, with and without asyncio; `service_name` names this service.

        Channels and servers that exist already are covered, and secure ones as well as insecure
        ones. For `filibuster_url` see `RequestsInstrumentor.instrument`.
        """
        for library in _LIBRARIES:
            switch_on(library, service_name, filibuster_url)

    def uninstrument(self, **_: Any) -> None:
        """Switch the instrumentation off, of both sides."""
        for library in _LIBRARIES:
            switch_off(library)


class GrpcInstrumentorClient(_GrpcInstrumentor):
    """Instruments the calls of a service under test."""


class GrpcInstrumentorServer(_GrpcInstrumentor):
    """Instruments a service under test that answers by gRPC."""
