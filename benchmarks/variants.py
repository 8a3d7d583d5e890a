"""What may stand around a library: nothing, ours with this or that on top, or OpenTelemetry's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from benchmarks.measure import Run

BARE, PEER = "bare", "OpenTelemetry"


def around(
    make: Callable[[], Run], libraries: Sequence[str], peers: Sequence[str]
) -> dict[str, Callable[[], Run]]:
    """Return all variants of what `make` makes after these libraries were instrumented.

    `libraries` are named as for `baggage.instrument`. `peers` are OpenTelemetry's instrumentors, as
    "module:class" below `opentelemetry.instrumentation`.
    """

    def instrumented(*apps: Any) -> Run:
        from baggage.runtime import Runtime, Settings

        runtime = Runtime(Settings(metaapps=frozenset()))
        for app in apps:
            runtime.register(app)
        runtime.instrument(*libraries)
        return make()

    def carrying() -> Run:
        import baggage

        run = instrumented()
        baggage.pack("tenant", "acme")
        return run

    def traced() -> Run:
        from metaapps.tracing.app import Tracing

        spans: list[Any] = []
        return instrumented(Tracing(spans.append))

    def filibuster() -> Run:
        from metaapps.filibuster.app import Filibuster

        return instrumented(Filibuster((b"key",)))

    return {
        BARE: make,
        "nothing registered": instrumented,
        "nothing registered, a value carried": carrying,
        "one observer": lambda: instrumented(Observer()),
        "filibuster, idle": filibuster,
        "tracing, every call sampled": traced,
        PEER: lambda: _opentelemetry(make, peers),
    }


class Observer:
    """A meta-application that observes every call."""

    name = "observer"

    def interest(self, kind: Any, library: str) -> Any:
        from baggage.boundary import Interest

        return Interest.OBSERVE

    def around(self, call: Any) -> Any:
        from baggage.boundary import PROCEED

        yield PROCEED


def _opentelemetry(make: Callable[[], Run], peers: Sequence[str]) -> Run:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(provider)
    for peer in peers:
        module, _, instrumentor = peer.partition(":")
        getattr(
            import_module(f"opentelemetry.instrumentation.{module}"), instrumentor
        )().instrument()
    return make()
