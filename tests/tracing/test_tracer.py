from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from baggage import context
from baggage.boundary import Call, Kind
from baggage.values import EMPTY
from metaapps.tracing.formats import FORMATS
from metaapps.tracing.span import SPAN, STATE, Position, Span
from metaapps.tracing.tracer import Tracer

CALLER = Position.root(b"the-callers-trac", b"the-call").child(b"its-call")
OTHER = Position.root(b"another's-trace!", b"another!")
SERVER = Call(kind=Kind.SERVER, library="any", operation="any")
CONSUMER = Call(kind=Kind.CONSUMER, library="any", operation="any")


@pytest.fixture(autouse=True)
def _own_branch() -> Iterator[None]:
    with context.attached(EMPTY):
        yield


def counted() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def never_asked(trace: bytes, call: Call | None) -> bool:
    raise AssertionError("a decision was made anew")


def b3(position: Position) -> dict[str, str]:
    return dict(FORMATS["b3"].write(position, ""))


def w3c(position: Position) -> dict[str, str]:
    return dict(FORMATS["w3c"].write(position, ""))


@pytest.fixture
def tracer() -> Tracer:
    return Tracer(lambda span: None, sampler=never_asked, ids=counted())


def test_a_server_shares_the_span_of_the_call_that_it_answers(tracer: Tracer) -> None:
    came = tracer.came({}, CALLER.sending(), SERVER)
    assert (came.position, came.shared) == (CALLER, True)


def test_a_consumer_is_a_child_of_who_sent_the_message(tracer: Tracer) -> None:
    came = tracer.came({}, CALLER.sending(), CONSUMER)
    assert (came.position.parent_id, came.shared) == (CALLER.span_id, False)


def test_what_says_the_same_in_both_ways_counts_once(tracer: Tracer) -> None:
    came = tracer.came(b3(CALLER), CALLER.sending(), SERVER)
    assert (came.position, came.shared, came.state) == (CALLER, True, None)


def test_who_passes_our_baggage_on_and_traces_by_itself_is_the_nearer_caller(
    tracer: Tracer,
) -> None:
    nearer = CALLER.child(b"between!")
    came = tracer.came(b3(nearer), CALLER.sending(), SERVER)
    assert (came.position, came.shared) == (nearer, True)
    came = tracer.came(w3c(OTHER), CALLER.sending(), SERVER)
    assert (came.position.trace_id, came.position.parent_id) == (OTHER.trace_id, OTHER.span_id)


def test_the_span_of_a_w3c_caller_is_no_ones_to_share(tracer: Tracer) -> None:
    came = tracer.came(w3c(CALLER), None, SERVER)
    assert (came.position.parent_id, came.shared) == (CALLER.span_id, False)


def test_where_spans_are_not_shared_each_is_a_child() -> None:
    tracer = Tracer(lambda span: None, share=False)
    for headers, ours in (({}, CALLER.sending()), (b3(CALLER), None)):
        came = tracer.came(headers, ours, SERVER)
        assert (came.position.parent_id, came.shared) == (CALLER.span_id, False)


@pytest.mark.parametrize("write", [b3, w3c])
def test_a_deny_is_never_decided_anew(
    tracer: Tracer, write: Callable[[Position], dict[str, str]]
) -> None:
    denied = CALLER.kept(sampled=False)
    assert not tracer.came(write(denied), None, SERVER).position.sampled
    assert not tracer.came({}, denied.sending(), SERVER).position.sampled


def test_a_decision_alone_begins_a_trace_and_holds_for_it(tracer: Tracer) -> None:
    denied, accepted, debug = (tracer.came({"b3": said}, None, SERVER).position for said in "01d")
    assert (denied.sampled, accepted.sampled, debug.sampled) == (False, True, True)
    assert [each.debug for each in (denied, accepted, debug)] == [False, False, True]
    assert all(each.parent_id is None for each in (denied, accepted, debug))


@pytest.mark.parametrize("keeps", [True, False])
def test_a_deferred_decision_is_made_once_with_the_ids_that_came(keeps: bool) -> None:
    asked = []

    def sampler(trace: bytes, call: Call | None) -> bool:
        asked.append((trace, call))
        return keeps

    tracer = Tracer(lambda span: None, sampler=sampler)
    headers = {"b3": f"{CALLER.trace_id}-{CALLER.span_id}"}
    came = tracer.came(headers, None, SERVER)
    assert (came.position.span_id, came.shared) == (CALLER.span_id, True)
    assert came.position.sampled is keeps
    assert asked == [(CALLER.trace, SERVER)]


def test_a_sampler_that_fails_keeps_the_trace() -> None:
    def fails(trace: bytes, call: Call | None) -> bool:
        raise RuntimeError("broken")

    assert Tracer(lambda span: None, sampler=fails).root(None).sampled


def test_a_reporter_that_fails_fails_nobody() -> None:
    def fails(span: Span) -> None:
        raise RuntimeError("broken")

    with Tracer(fails).start("work"):
        pass


def test_drawn_ids_are_said_to_be_random_and_given_ones_are_not() -> None:
    assert Tracer(lambda span: None).root(None).random
    assert not Tracer(lambda span: None, ids=counted()).root(None).random


def test_an_id_of_zeros_is_drawn_again() -> None:
    drawn = itertools.chain([bytes(16), b"a" * 16, bytes(8)], itertools.repeat(b"b" * 8))
    position = Tracer(lambda span: None, ids=lambda size: next(drawn)).root(None)
    assert (position.trace, position.span) == (b"a" * 16, b"b" * 8)


def test_what_other_tracers_say_is_passed_on_in_their_format() -> None:
    tracer = Tracer(lambda span: None, formats=[FORMATS["w3c"], FORMATS["b3"]])
    carried = EMPTY.with_down({SPAN: CALLER.raw, STATE: "them=1"})
    headers = tracer.headers(CALLER, context.Branch(carried))
    assert headers["tracestate"] == "them=1"
    assert set(headers) == {"traceparent", "tracestate", "b3"}


def test_without_a_way_to_report_nothing_is_made() -> None:
    tracer = Tracer(None)
    assert tracer.start("work") is tracer.current() is tracer.join({"b3": "1"})


def test_an_unsampled_span_is_where_its_trace_is_and_nothing_is_kept_of_it() -> None:
    spans: list[Span] = []
    tracer = Tracer(spans.append, sampler=lambda trace, call: False)
    with tracer.start("outer") as outer, tracer.start("inner") as inner:
        inner.tag("key", "value").annotate("note")
        assert tracer.current().trace_id == inner.trace_id == outer.trace_id != ""
        assert not inner.recording
        headers: dict[str, str] = {}
        inner.inject(headers)
    assert spans == []
    joined = Tracer(spans.append, sampler=never_asked).join(headers)
    assert joined.trace_id == outer.trace_id
    assert not joined.recording
