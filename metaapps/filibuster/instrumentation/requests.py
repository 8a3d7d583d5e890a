"""The original's `RequestsInstrumentor`, by way of `baggage.instrument`."""

from __future__ import annotations

from typing import Any

from metaapps.filibuster.instrumentation.switch import switch_off, switch_on


class RequestsInstrumentor:
    """Instruments requests in a service under test."""

    def instrument(
        self, service_name: str | None = None, filibuster_url: str | None = None, **_: Any
    ) -> None:
        """Instrument requests; `service_name` names the service that calls.

        `filibuster_url` is taken and not needed: services decide by the plan that comes with each
        request, and ask nobody.
        """
        switch_on("requests", service_name)

    def uninstrument(self, **_: Any) -> None:
        """Switch the instrumentation off."""
        switch_off("requests")
