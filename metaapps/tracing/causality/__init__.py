"""What depended on what in a trace, by what was recorded of it and never by clocks."""

from metaapps.tracing.causality.path import Step
from metaapps.tracing.causality.query import Causality, Edge, Order, UnknownSpan

__all__ = ["Causality", "Edge", "Order", "Step", "UnknownSpan"]
