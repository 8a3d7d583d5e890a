"""The way back, from services that OpenTelemetry instruments: on the answers of its servers."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry import context as otel
from opentelemetry.context import Context

from baggage.context import branch
from baggage.opentelemetry.following import KEY, Request
from baggage.wire import NAME

_log = logging.getLogger("baggage.opentelemetry")


class CausalBaggageResponsePropagator:
    """Puts what a service packed on its answers, for callers that read them: services of ours.

    A `ResponsePropagator` of OpenTelemetry's, which the instrumentations of Flask, WSGI and ASGI
    ask, to be set once:

        from opentelemetry.instrumentation.propagators import set_global_response_propagator

        set_global_response_propagator(CausalBaggageResponsePropagator())
    """

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        """Set the header, of the request that is answered here."""
        try:
            request, running = otel.get_value(KEY), branch()
            if running is None or running.muted or not isinstance(request, Request):
                return
            header = request.answer() if running.scope is request.branch.scope else ""
            if header and setter is None:
                carrier[NAME] = header
            elif header:
                setter.set(carrier, NAME, header)
        except Exception:  # noqa: BLE001 - kept from the application
            _log.exception("propagation failed")
