"""Crossings that end badly, or late, or that strangers sent."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Boundary, Call, Kind, Policy, read_header, write_header
from baggage.testing import Parcel, ParcelAdapter, ParcelReturned
from metaapps.tracing import Span, Tracing
from metaapps.tracing.formats import FORMATS
from metaapps.tracing.span import STATE


@dataclass
class Gone:
    """A request whose connection may be gone."""

    over: bool = False

    def endpoint(self) -> Any:
        assert not self.over, "asked for an address of what is gone"


class Fleeting(ParcelAdapter):
    """An adapter that finds out an address when asked."""

    def describe(self, request: Any) -> Call:
        tellers: dict[str, Callable[[Any], Any]] = {
            "endpoint": lambda gone: gone.endpoint(),
            "local": lambda gone: gone.endpoint(),
        }
        return Call.told(self.kind, self.library, "serve", request, tellers)

    def request_carrier(self, request: Any) -> Parcel:
        return Parcel()


def test_addresses_are_not_asked_for_once_the_request_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    spans: list[Span] = []
    boundary = Boundary(Policy(service="test"), (Tracing(spans.append),))
    request = Gone()
    arrival = boundary.arrive(Fleeting(Kind.SERVER), request)
    assert arrival is not None
    with arrival.scope():
        arrival.begin()
    request.over = True
    arrival.close()
    assert len(spans) == 1
    assert not caplog.records


@given(state=st.text(max_size=80))
def test_no_stranger_puts_what_he_likes_in_a_header(state: str) -> None:
    tracing = Tracing(lambda span: None, formats=[FORMATS["w3c"]])
    boundary = Boundary(Policy(service="test", strict=True), (tracing,))
    first = Parcel()
    boundary.call(ParcelAdapter(), first, Parcel)
    carried = read_header(first.headers["baggage"]).with_down({STATE: state})
    forged = {"baggage": write_header(carried, origin="stranger")}
    told: dict[str, str] = {}

    def handle() -> Parcel:
        request = Parcel()
        boundary.call(ParcelAdapter(), request, Parcel)
        tracing.tracer.current().inject(told)
        tracing.tracer.join(forged).inject(told)
        return request

    answer = boundary.serve(ParcelAdapter(Kind.SERVER), Parcel(forged), handle)
    for headers in (told, answer.headers):
        assert headers["traceparent"]
        assert headers.get("tracestate", "").isprintable()


@pytest.mark.parametrize(("status", "known"), [(1, False), (4, False), (14, False), (13, True)])
def test_a_caller_that_gave_up_knows_of_no_end_of_its_callee(status: int, known: bool) -> None:
    spans: list[Span] = []
    boundary = Boundary(Policy(service="test", strict=True), (Tracing(spans.append),))

    def send() -> Parcel:
        raise ParcelReturned(Parcel(status=status))

    with pytest.raises(ParcelReturned):
        boundary.call(ParcelAdapter(), Parcel(), send)
    (span,) = spans
    assert (span.labels().get("causal.joined") == span.position.span_id) is known


def test_callees_of_a_service_in_between_that_does_not_trace_have_spans_of_their_own() -> None:
    spans: list[Span] = []
    tracing = Tracing(spans.append, formats=[FORMATS["b3"]])
    traced = Boundary(Policy(service="shop", strict=True), (tracing,))
    between = Boundary(Policy(service="proxy", strict=True))

    def call(caller: Boundary, callee: Boundary, work: Callable[[], object]) -> Parcel:
        def serve() -> Parcel:
            answer: Parcel = callee.serve(ParcelAdapter(Kind.SERVER), request, handle)
            return answer

        def handle() -> Parcel:
            work()
            return Parcel()

        request = Parcel()
        caller.call(ParcelAdapter(), request, lambda: Context().run(serve))
        return request

    def twice() -> None:
        call(between, traced, Parcel)
        call(between, traced, Parcel)

    call(traced, between, twice)
    call(traced, traced, Parcel)
    *below, first, shared, second = spans
    assert [span.position.parent_id for span in below] == [first.position.span_id] * 2
    assert len({span.position.span for span in spans}) == 4
    assert [span.shared for span in spans] == [False, False, False, True, False]
    assert shared.position.span == second.position.span
