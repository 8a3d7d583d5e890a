"""The original's `FlaskInstrumentor`, by way of `baggage.instrument`."""

from __future__ import annotations

from typing import Any

from baggage.instrumentation.flask import name_service
from metaapps.filibuster.instrumentation.switch import switch_off, switch_on


class FlaskInstrumentor:
    """Instruments Flask applications as services under test."""

    def instrument_app(
        self,
        app: Any,
        service_name: str | None = None,
        filibuster_url: str | None = None,
        **_: Any,
    ) -> None:
        """Instrument one application, as a service of this name.

        Other applications in the process are instrumented too, under the process's name. For
        `filibuster_url` see `RequestsInstrumentor.instrument`.
        """
        if switch_on("flask", service_name, filibuster_url) and service_name:
            name_service(app, service_name)

    def instrument(
        self, service_name: str | None = None, filibuster_url: str | None = None, **_: Any
    ) -> None:
        """Instrument every application in the process."""
        switch_on("flask", service_name, filibuster_url)

    def uninstrument(self, **_: Any) -> None:
        """Switch the instrumentation off."""
        switch_off("flask")

    def uninstrument_app(self, app: Any) -> None:
        """Switch the instrumentation off, for all applications."""
        switch_off("flask")
