"""Our context carried by OpenTelemetry's instrumentations, through a propagator of its API.

No meta-application is asked about what is carried so: there are no crossings.
"""

from baggage.opentelemetry.answering import CausalBaggageResponsePropagator
from baggage.opentelemetry.propagator import CausalBaggagePropagator

__all__ = ["CausalBaggagePropagator", "CausalBaggageResponsePropagator"]
