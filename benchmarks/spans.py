"""Spans that an application makes by hand, and how they are written.

The same span everywhere: a child with five tags, one annotation and a remote endpoint. Ours is
placed in the baggage meanwhile, and notes what it waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measure import Pair, Run

_TAGS = {f"key.{number}": f"value {number}" for number in range(5)}


def _repeat(once: Callable[[], object], after: Callable[[], object] = lambda: None) -> Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            once()
        after()

    return run


def _tell_ours(span: Any) -> None:
    for name, value in _TAGS.items():
        span.tag(name, value)
    span.annotate("half way")
    span.remote("catalog", "10.0.0.7", 8080)


def ours(*, sampled: bool, write: Callable[[Any], object] | None = None) -> Run:
    import baggage
    from metaapps import tracing
    from metaapps.tracing.sampling import ALWAYS, NEVER

    ended: list[tracing.Span] = []
    sampler = ALWAYS if sampled else NEVER
    baggage.register(tracing.Tracing(ended.append, sampler=sampler, service="shop"))
    tracing.start("request").__enter__()

    def once() -> None:
        with tracing.start("load basket") as span:
            if span.recording:
                _tell_ours(span)

    def after() -> None:
        # As the reporter's thread does, some time later.
        if write is not None:
            for span in ended:
                write(span)
        ended.clear()

    return _repeat(once, after)


def ours_untraced() -> Run:
    from metaapps import tracing

    def once() -> None:
        with tracing.start("load basket"):
            pass

    return _repeat(once)


def _opentelemetry_tracer(processor: Any, *, sampled: bool) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON if sampled else ALWAYS_OFF))
    if processor is not None:
        provider.add_span_processor(processor)
    return provider.get_tracer("shop")


def _tell_opentelemetry(span: Any) -> None:
    for name, value in _TAGS.items():
        span.set_attribute(name, value)
    span.add_event("half way")
    span.set_attribute("peer.service", "catalog")


def opentelemetry(*, sampled: bool, write: Callable[[Any], object] | None = None) -> Run:
    from opentelemetry.sdk.trace import SpanProcessor

    ended: list[Any] = []

    class Keeping(SpanProcessor):
        def on_end(self, span: Any) -> None:
            ended.append(span if write is None else write(span))

    tracer = _opentelemetry_tracer(Keeping(), sampled=sampled)
    tracer.start_as_current_span("request").__enter__()

    def once() -> None:
        with tracer.start_as_current_span("load basket") as span:
            if span.is_recording():
                _tell_opentelemetry(span)

    return _repeat(once, ended.clear)


def opentelemetry_untraced() -> Run:
    from opentelemetry import trace

    tracer = trace.get_tracer("shop")

    def once() -> None:
        with tracer.start_as_current_span("load basket"):
            pass

    return _repeat(once)


def _py_zipkin_span() -> Any:
    from py_zipkin.zipkin import zipkin_span

    return zipkin_span(service_name="shop", span_name="load basket", binary_annotations=_TAGS)


def py_zipkin(*, sampled: bool, write: Callable[[Any], object] | None = None) -> Run:
    from py_zipkin import Encoding
    from py_zipkin.storage import get_default_tracer
    from py_zipkin.zipkin import zipkin_span

    zipkin_span(
        service_name="shop",
        span_name="request",
        transport_handler=lambda _: None,
        sample_rate=100.0 if sampled else 0.0,
        encoding=Encoding.V2_JSON,
    ).start()
    tracer = get_default_tracer()

    def once() -> None:
        with _py_zipkin_span() as span:
            if sampled:
                span.add_annotation("half way")
                span.add_sa_binary_annotation(8080, "catalog", "10.0.0.7")

    def after() -> None:
        if write is not None:
            for span in tracer.get_spans():
                write(span)
        tracer.clear()

    return _repeat(once, after)


def py_zipkin_untraced() -> Run:
    def once() -> None:
        with _py_zipkin_span():
            pass

    return _repeat(once)


def _written(encoding: Any) -> Run:
    """Write one ended span of ours again and again, with what it waited for."""
    import baggage
    from metaapps import tracing

    ended: list[tracing.Span] = []
    baggage.register(tracing.Tracing(ended.append, service="shop"))
    with tracing.start("request"):
        for _ in range(2):
            with tracing.start("load basket") as span:
                _tell_ours(span)
    return _repeat(lambda: encoding.span(ended[1]))


def our_json() -> Run:
    from metaapps.tracing.export.encoding import ZIPKIN_JSON

    return _written(ZIPKIN_JSON)


def our_proto3() -> Run:
    from metaapps.tracing.export.encoding import ZIPKIN_PROTO3

    return _written(ZIPKIN_PROTO3)


def _py_zipkin_written(encoding: str) -> tuple[Callable[[Any], object], Any]:
    from py_zipkin import Encoding
    from py_zipkin.encoding import create_endpoint
    from py_zipkin.encoding._encoders import get_encoder
    from py_zipkin.encoding._helpers import Span
    from py_zipkin.util import generate_random_64bit_string, generate_random_128bit_string
    from py_zipkin.zipkin import Kind

    span = Span(
        generate_random_128bit_string(),
        "load basket",
        generate_random_64bit_string(),
        generate_random_64bit_string(),
        Kind.LOCAL,
        1_700_000_000.0,
        0.01,
        create_endpoint(0, "shop", "127.0.0.1"),
        create_endpoint(8080, "catalog", "10.0.0.7"),
        annotations={"half way": 1_700_000_000.005},
        tags=dict(_TAGS),
    )
    return get_encoder(Encoding[encoding]).encode_span, span


def py_zipkin_encoded(encoding: str) -> Run:
    write, span = _py_zipkin_written(encoding)
    return _repeat(lambda: write(span))


def _ours_and_written() -> Run:
    from metaapps.tracing.export.encoding import ZIPKIN_JSON

    return ours(sampled=True, write=ZIPKIN_JSON.span)


def _py_zipkin_and_written() -> Run:
    from py_zipkin import Encoding
    from py_zipkin.encoding._encoders import get_encoder

    return py_zipkin(sampled=True, write=get_encoder(Encoding.V2_JSON).encode_span)


def _nothing() -> Run:
    return _repeat(lambda: None)


def _pair(name: str, calls: int = 2000, **variants: Callable[[], Run]) -> Pair:
    named = {variant.replace("_", " "): start for variant, start in variants.items()}
    return Pair(name, {"nothing": _nothing, **named}, calls)


PAIRS = (
    _pair(
        "span-untraced",
        baggage=ours_untraced,
        OpenTelemetry=opentelemetry_untraced,
        py_zipkin=py_zipkin_untraced,
    ),
    _pair(
        "span-unsampled",
        baggage=lambda: ours(sampled=False),
        OpenTelemetry=lambda: opentelemetry(sampled=False),
        py_zipkin=lambda: py_zipkin(sampled=False),
    ),
    _pair(
        "span-sampled",
        baggage=lambda: ours(sampled=True),
        OpenTelemetry=lambda: opentelemetry(sampled=True),
        py_zipkin=lambda: py_zipkin(sampled=True),
    ),
    _pair("span-to-json", baggage=our_json, py_zipkin=lambda: py_zipkin_encoded("V2_JSON")),
    _pair("span-to-proto3", baggage=our_proto3, py_zipkin=lambda: py_zipkin_encoded("V2_PROTO3")),
    _pair("span-sampled-and-to-json", baggage=_ours_and_written, py_zipkin=_py_zipkin_and_written),
)
