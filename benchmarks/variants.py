"""What may stand around a library: nothing, ours with this or that on top, or OpenTelemetry's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

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

    return {
        BARE: make,
        "nothing registered": instrumented,
        "nothing registered, a value carried": carrying,
        "one observer": lambda: instrumented(Observer()),
        "a tracer's pattern": lambda: instrumented(TracersPattern()),
        "a tracer's pattern, a header more": lambda: instrumented(TracersPattern({"b3": _B3})),
        "filibuster, idle": lambda: instrumented(_filibuster()),
        "tracing, no call sampled": lambda: instrumented(_tracing(sampled=False)),
        "tracing, every call sampled": lambda: instrumented(_tracing()),
        "tracing, every call sampled, b3 too": lambda: instrumented(_tracing(formats=["b3"])),
        "filibuster idle, every call sampled": lambda: instrumented(_filibuster(), _tracing()),
        f"{PEER}, no call sampled": lambda: _opentelemetry(make, peers, sampled=False),
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


class TracersPattern:
    """What any tracer does at the waist, without its spans.

    It reads what a span tells of a call and its outcome, and moves one value on at each crossing.
    """

    name = "pattern"

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        from baggage.boundary import Kind, Proceed
        from baggage.context import current
        from baggage.values import Direction, Key

        self._key = Key("pattern.position", direction=Direction.DOWN)
        self._headers = headers
        self._client, self._proceed, self._current = Kind.CLIENT, Proceed, current

    def interest(self, kind: Any, library: str) -> Any:
        from baggage.boundary import Interest

        return Interest.OBSERVE

    def around(self, call: Any) -> Any:
        told = [call.kind, call.library, call.operation, call.endpoint, call.site]
        position = self._current().unpack(self._key)
        if call.kind is self._client:
            sent = {self._key: bytes(33)}
            if self._headers is None:
                outcome = yield self._proceed(down=sent)
            else:
                outcome = yield self._proceed(down=sent, headers=dict(self._headers))
        else:
            told += [call.local, call.arrived.get("traceparent"), call.arrived.get("b3")]
            outcome = yield self._proceed(down={self._key: bytes(33)})
        told += [position, call.target, call.source, outcome.target]
        told += [outcome.facts.status, outcome.facts.ok]


def _tracing(*, sampled: bool = True, formats: Sequence[str] = ()) -> Any:
    from metaapps.tracing.app import Tracing
    from metaapps.tracing.formats import FORMATS
    from metaapps.tracing.sampling import ALWAYS, NEVER

    spans: list[Any] = []
    return Tracing(
        spans.append,
        sampler=ALWAYS if sampled else NEVER,
        formats=[FORMATS[name] for name in formats],
    )


def _filibuster() -> Any:
    from metaapps.filibuster.app import Filibuster

    return Filibuster((b"key",))


_B3: Final = f"{'1' * 32}-{'2' * 16}-1"


def _opentelemetry(make: Callable[[], Run], peers: Sequence[str], *, sampled: bool = True) -> Run:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON if sampled else ALWAYS_OFF))
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(provider)
    for peer in peers:
        module, _, instrumentor = peer.partition(":")
        getattr(
            import_module(f"opentelemetry.instrumentation.{module}"), instrumentor
        )().instrument()
    return make()
