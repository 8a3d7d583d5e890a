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

        Services decide by the plan that comes with each request, and ask nobody. Only requests that
        a service under the original's own instrumentation made are asked about at `filibuster_url`,
        by default FILIBUSTER_URL of the environment.
        """
        switch_on("requests", service_name, filibuster_url)

    def uninstrument(self, **_: Any) -> None:
        """Switch the instrumentation off."""
        switch_off("requests")
