"""Zipkin-style spans, as a meta-application; with the causal edges that a tree of them lacks."""

from baggage.boundary import Kind
from metaapps.tracing.api import (
    bind,
    bound,
    current,
    flush,
    join,
    start,
    trace_id,
    traced,
    tracer,
)
from metaapps.tracing.app import Tracing
from metaapps.tracing.handle import Handle
from metaapps.tracing.span import Annotation, Peer, Position, Span
from metaapps.tracing.tracer import Tracer

__all__ = [
    "Annotation",
    "Handle",
    "Kind",
    "Peer",
    "Position",
    "Span",
    "Tracer",
    "Tracing",
    "bind",
    "bound",
    "current",
    "flush",
    "join",
    "start",
    "trace_id",
    "traced",
    "tracer",
]
