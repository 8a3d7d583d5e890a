"""A small Zipkin server for development: it takes what the real one takes, and shows it."""

from metaapps.tracing.collector.serving import Collector
from metaapps.tracing.collector.store import Store

__all__ = ["Collector", "Store"]
