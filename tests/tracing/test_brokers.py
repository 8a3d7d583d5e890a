"""Messages by a broker: spans of producers and consumers in two processes make one trace."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

import pytest
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from py_zipkin.request_helpers import extract_zipkin_attrs_from_headers

from baggage.boundary import Boundary, Kind, Policy, batch
from baggage.testing import Parcel, ParcelAdapter
from metaapps.tracing.app import Tracing
from metaapps.tracing.formats import FORMATS
from metaapps.tracing.span import Span

PUBLISHING, TAKING = ParcelAdapter(Kind.PRODUCER), ParcelAdapter(Kind.CONSUMER)
W3C = TraceContextTextMapPropagator()


class Post:
    """A shop that publishes, and a worker that takes; they share nothing but messages."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.lying: list[Parcel] = []
        self.shop, self.worker = (
            Boundary(Policy(service=name, strict=True), (self.tracing(),))
            for name in ("shop", "worker")
        )

    def tracing(self) -> Tracing:
        return Tracing(self.spans.append, formats=tuple(FORMATS.values()))

    def serve(self, work: Callable[[], object]) -> None:
        """Do some work in a request to the shop."""

        def served() -> None:
            arrival = self.shop.arrive(ParcelAdapter(Kind.SERVER), Parcel())
            assert arrival is not None
            arrival.drive(lambda: (work(), Parcel())[1])

        Context().run(served)

    def publish(self) -> Parcel:
        parcel = Parcel()
        publication = self.shop.publish(PUBLISHING, parcel)
        assert publication is not None
        publication.send(lambda: self.lying.append(Parcel(dict(parcel.headers))))
        return self.lying[-1]

    def take(self, *parcels: Parcel) -> None:
        """Work on messages at once, by a call."""

        def taken() -> None:
            deliveries = [self.worker.receive(TAKING, parcel) for parcel in parcels]
            assert all(deliveries)
            with batch([each for each in deliveries if each is not None]):
                self.worker.call(ParcelAdapter(), Parcel(), Parcel)

        Context().run(taken)

    def of(self, kind: Kind) -> list[Span]:
        return [span for span in self.spans if span.kind is kind]


@pytest.fixture
def post() -> Post:
    return Post()


def test_a_consumer_stands_below_its_producer_and_its_calls_below_it(post: Post) -> None:
    post.serve(post.publish)
    post.take(*post.lying)
    (served,), (put,), (taken,), (call,) = (
        post.of(kind) for kind in (Kind.SERVER, Kind.PRODUCER, Kind.CONSUMER, Kind.CLIENT)
    )
    for above, below in ((served, put), (put, taken), (taken, call)):
        assert below.position.parent_id == above.position.span_id
    assert len({span.position.trace_id for span in post.spans}) == 1
    assert (put.local.service, taken.local.service) == ("shop", "worker")


def test_each_delivery_of_a_message_is_a_span_of_its_own(post: Post) -> None:
    post.serve(post.publish)
    for _ in range(3):
        post.take(*post.lying)
    (put,) = post.of(Kind.PRODUCER)
    taken = post.of(Kind.CONSUMER)
    assert len({span.position.span_id for span in taken}) == 3
    assert {span.position.parent_id for span in taken} == {put.position.span_id}
    calls = post.of(Kind.CLIENT)
    assert {call.position.parent_id for call in calls} == {span.position.span_id for span in taken}


def test_what_a_batch_does_stands_below_one_message_and_comes_after_all_others(post: Post) -> None:
    for _ in range(3):
        post.serve(post.publish)
    post.take(*post.lying)
    (call,) = post.of(Kind.CLIENT)
    by_parent = {span.position.parent_id: span.position for span in post.of(Kind.CONSUMER)}
    first, *others = (by_parent[span.position.span_id] for span in post.of(Kind.PRODUCER))
    assert call.position.parent_id == first.span_id
    assert call.causes is not None
    after = call.causes.tags()["causal.after"].split(",")
    assert sorted(after) == sorted(f"^{other.trace_id}-{other.span_id}" for other in others)


def test_a_single_message_is_no_batch(post: Post) -> None:
    post.serve(post.publish)
    post.take(*post.lying)
    (call,) = post.of(Kind.CLIENT)
    assert call.causes is None or "causal.after" not in call.causes.tags()


def test_a_foreign_consumer_goes_on_with_the_trace(post: Post) -> None:
    post.serve(post.publish)
    (put,) = post.of(Kind.PRODUCER)
    (parcel,) = post.lying
    context = trace.get_current_span(W3C.extract(parcel.headers)).get_span_context()
    assert f"{context.trace_id:032x}" == put.position.trace_id
    assert f"{context.span_id:016x}" == put.position.span_id
    headers = {name.title(): value for name, value in parcel.headers.items()}
    zipkin = extract_zipkin_attrs_from_headers({**headers, "b3": parcel.headers["b3"]})
    assert zipkin is not None
    assert (zipkin.trace_id, zipkin.span_id) == (put.position.trace_id, put.position.span_id)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("b3", "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1"),
        ("traceparent", "00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01"),
    ],
)
def test_a_foreign_producers_trace_goes_on_here(post: Post, name: str, value: str) -> None:
    post.take(Parcel({name: value}))
    (taken,) = post.of(Kind.CONSUMER)
    assert taken.position.trace_id == "463ac35c9f6413ad48485a3953bb6124"
    assert taken.position.parent_id == "a2fb4a1d1a96d312"
    assert taken.position.span_id != "a2fb4a1d1a96d312"


@pytest.mark.parametrize("value", ["", "garbage", "463ac35c9f6413ad-zz-1"])
def test_a_message_with_garbage_begins_a_trace(post: Post, value: str) -> None:
    post.take(Parcel({"b3": value}))
    (taken,), (call,) = post.of(Kind.CONSUMER), post.of(Kind.CLIENT)
    assert taken.position.parent_id is None
    assert call.position.parent_id == taken.position.span_id
