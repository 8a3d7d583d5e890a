"""What spans say to other processes, and what of theirs they take up; and where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

import baggage
from baggage import context
from baggage.boundary import read_header, write_header
from baggage.context import Branch
from baggage.values import EMPTY
from metaapps.tracing import Handle, Kind, Peer, Position, Tracer
from metaapps.tracing.formats import FORMATS, Format
from metaapps.tracing.span import SPAN
from tests.tracing.tracers import Traced

CALLER = Position.root(b"the-callers-trac", b"the-call").child(b"its-call")
TRACE, CALL = CALLER.trace_id, CALLER.span_id


@pytest.fixture(autouse=True)
def _own_branch() -> Iterator[None]:
    with context.attached(EMPTY):
        yield


@pytest.fixture
def traced() -> Traced:
    return Traced()


def b3(text: str) -> dict[str, str]:
    return {"b3": text.format(trace=TRACE, span=CALL)}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("b3",), {"b3": "{trace}-{span}-1-{parent}"}),
        (("w3c",), {"traceparent": "00-{trace}-{span}-03"}),
        (
            ("b3multi",),
            {
                "X-B3-TraceId": "{trace}",
                "X-B3-SpanId": "{span}",
                "X-B3-ParentSpanId": "{parent}",
                "X-B3-Sampled": "1",
            },
        ),
        ((), {}),
    ],
)
def test_a_span_writes_its_own_ids_wherever_it_is_asked(
    names: tuple[str, ...], expected: dict[str, str]
) -> None:
    traced = Traced({"formats": [FORMATS[name] for name in names], "ids": None})
    headers: dict[str, str] = {"accept": "*/*"}
    with traced.start("root") as root:
        span = traced.start("call", kind=Kind.CLIENT)
        with traced.start("another"):
            assert span.inject(headers) is span
    ids = {"trace": root.trace_id, "span": span.span_id, "parent": root.span_id}
    carried = read_header(headers.pop("baggage"))
    assert carried.origin == "shop"
    assert span.position is not None
    assert carried.unpack(SPAN) == (span.position.sending().raw,)
    wanted = {name.lower(): value.format(**ids) for name, value in expected.items()}
    assert {name.lower(): it for name, it in headers.items()} == wanted | {"accept": "*/*"}


def test_what_a_baggage_header_said_before_stays(traced: Traced) -> None:
    present = write_header(EMPTY.pack("user", 7), origin="before")
    headers = {"baggage": f"tenant=acme,{present},region=eu;secret"}
    span = traced.start()
    span.inject(headers)
    carried = read_header(headers["baggage"])
    assert carried.foreign == ("tenant=acme", "region=eu;secret")
    assert carried.unpack("user") == (7,)
    assert carried.origin == "shop"
    assert headers["baggage"].count("causal=") == 1


def test_headers_may_be_given_to_a_function(traced: Traced) -> None:
    added: list[tuple[str, str]] = []
    span, headers = traced.start(), dict[str, str]()
    span.inject(lambda *header: added.append(header))
    span.inject(headers)
    assert dict(added) == headers


def test_the_service_of_a_branch_is_who_sends(traced: Traced) -> None:
    headers: dict[str, str] = {}
    with context.attached(Branch(EMPTY, "catalog")):
        traced.start().inject(headers)
    assert read_header(headers["baggage"]).origin == "catalog"


@pytest.mark.parametrize("share", [True, False])
def test_a_server_shares_the_callers_span_or_is_in_it(share: bool) -> None:
    traced = Traced({"share": share})
    headers: dict[str, str] = {}
    call = traced.start("call", kind=Kind.CLIENT).inject(headers)
    served = traced.tracer.join({name.title(): it for name, it in headers.items()}, "served")
    served.finish()
    span = traced.named("served")
    assert (span.shared, span.kind, span.remote) == (share, Kind.SERVER, Peer("shop"))
    assert (served.span_id == call.span_id) is share
    assert served.parent_id == (None if share else call.span_id)


@pytest.mark.parametrize("kind", [None, Kind.SERVER, Kind.PRODUCER])
@pytest.mark.parametrize("formats", [[], [FORMATS["b3"]]])
def test_the_span_of_what_is_no_call_is_nobodys_to_share(
    kind: Kind | None, formats: list[Format]
) -> None:
    traced, headers = Traced({"formats": formats}), dict[str, str]()
    span = traced.start("work", kind=kind).inject(headers)
    served = [traced.tracer.join(headers) for _ in range(2)]
    assert [each.parent_id for each in served] == [span.span_id] * 2
    assert len({span.span_id, *(each.span_id for each in served)}) == 3


@pytest.mark.parametrize("sender", [Kind.CLIENT, Kind.PRODUCER])
def test_whoever_processes_a_message_is_a_child_of_who_sent_it(sender: Kind) -> None:
    traced, headers = Traced({"formats": [FORMATS["b3"]]}), dict[str, str]()
    sent = traced.start("send", kind=sender).inject(headers)
    traced.tracer.join(headers, "process", kind=Kind.CONSUMER).finish()
    span = traced.named("process")
    assert (span.kind, span.shared, span.position.parent_id) == (
        Kind.CONSUMER,
        False,
        sent.span_id,
    )


def test_a_server_can_be_joined_in_any_format(traced: Traced) -> None:
    for name, form in FORMATS.items():
        served = traced.tracer.join(form.write(CALLER, ""))
        assert served.trace_id == TRACE
        assert CALL in {served.span_id, served.parent_id}, name


@pytest.mark.parametrize(
    ("said", "recording", "same_trace"),
    [
        ("{trace}-{span}-1", True, True),
        ("{trace}-{span}-d", True, True),
        ("{trace}-{span}-0", False, True),
        ("{trace}-{span}", True, True),
        ("0", False, False),
        ("1", True, False),
        ("d", True, False),
    ],
)
def test_the_callers_decision_holds(
    traced: Traced, said: str, recording: bool, same_trace: bool
) -> None:
    served = traced.tracer.join(b3(said), "served")
    assert served.recording is recording
    assert (served.trace_id == TRACE) is same_trace
    assert len(served.trace_id) == 32
    assert served.position is not None
    assert served.position.debug is said.endswith("d")


def test_who_defers_the_decision_is_decided_for_here() -> None:
    never = Traced({"sampler": lambda trace, call: False})
    assert not never.tracer.join(b3("{trace}-{span}")).recording
    assert never.tracer.join(b3("{trace}-{span}-1")).recording


def test_whoever_says_nothing_begins_a_trace(traced: Traced) -> None:
    for headers in ({}, {"b3": "garbage", "traceparent": "00-0-0-00", "baggage": "causal=%%"}):
        served = traced.tracer.join(headers)
        assert (served.recording, served.parent_id, served.trace_id != TRACE) == (True, None, True)


def test_headers_that_came_twice_are_one(traced: Traced) -> None:
    written: dict[str, str] = {}
    call = traced.start("call", kind=Kind.CLIENT).inject(written)
    came = Message()
    came["Baggage"] = "tenant=acme"
    came["baggage"] = written["baggage"]
    assert traced.tracer.join(came).span_id == call.span_id
    twice = Message()
    for _ in range(2):
        twice["traceparent"] = f"00-{TRACE}-{CALL}-01"
    assert traced.tracer.join(twice).trace_id != TRACE


STATE = {"traceparent": f"00-{TRACE}-{CALL}-01", "tracestate": "them=1,others=2"}


@pytest.fixture
def w3c() -> Traced:
    return Traced({"formats": [FORMATS["w3c"]]})


def sent(span: Handle) -> dict[str, str]:
    headers: dict[str, str] = {}
    span.inject(headers)
    return headers


def test_what_other_tracers_say_goes_on_from_a_server_that_is_joined(w3c: Traced) -> None:
    served = w3c.tracer.join(STATE)
    with served:
        call = w3c.start("call")
        for span in (served, call, call.child("deeper")):
            assert sent(span)["tracestate"] == "them=1,others=2"
    for span in (served, served.child("call"), served.child("call").child("deeper")):
        assert sent(span)["tracestate"] == "them=1,others=2"


def test_it_goes_on_through_our_own_headers_too(w3c: Traced) -> None:
    with w3c.tracer.join(STATE):
        headers = sent(w3c.start("call", kind=Kind.CLIENT))
    with w3c.tracer.join(headers) as served:
        assert sent(w3c.start("call"))["tracestate"] == "them=1,others=2"
    assert sent(served.child("call"))["tracestate"] == "them=1,others=2"


def test_what_other_tracers_say_of_one_trace_is_not_said_of_another(w3c: Traced) -> None:
    with w3c.tracer.join(STATE):
        with w3c.start("aside", parent=None) as aside:
            assert "tracestate" not in sent(w3c.start("call"))
        assert "tracestate" not in sent(aside)
        with w3c.tracer.join({"traceparent": f"00-{'7' * 32}-{CALL}-01"}):
            assert "tracestate" not in sent(w3c.start("call"))
        assert sent(w3c.start("call"))["tracestate"] == "them=1,others=2"
    with w3c.start("next"):
        assert "tracestate" not in sent(w3c.start("call"))
    assert context.current().keys() == ()


def test_an_unsampled_server_passes_on_what_others_say(w3c: Traced) -> None:
    with w3c.tracer.join(STATE | {"traceparent": f"00-{TRACE}-{CALL}-00"}):
        headers = sent(w3c.start("call"))
    assert headers["tracestate"] == "them=1,others=2"
    assert headers["traceparent"].endswith("-00")


def test_a_server_stands_in_its_own_trace_whatever_runs_around_it(traced: Traced) -> None:
    with traced.start("around") as around:
        with traced.tracer.join(b3("{trace}-{span}-1"), "served") as served:
            child = traced.start("child")
        assert traced.tracer.current() is around
    assert (served.trace_id, child.trace_id, child.parent_id) == (TRACE, TRACE, CALL)


@pytest.fixture
def denied() -> Traced:
    return Traced({"sampler": lambda trace, call: False, "formats": list(FORMATS.values())})


def test_a_trace_that_nobody_keeps_is_one_all_the_same(denied: Traced) -> None:
    with denied.start("root") as root:
        child = denied.start("child").tag("n", 1).annotate("x").error("e")
        assert denied.tracer.current().trace_id == child.trace_id == root.trace_id
        child.child("grandchild").finish()
        child.finish()
    assert (denied.spans, root.recording) == ([], False)
    assert context.current().empty


def test_a_trace_that_nobody_keeps_is_denied_to_others(denied: Traced) -> None:
    headers: dict[str, str] = {}
    span = denied.start().inject(headers)
    lower = {name.lower(): it for name, it in headers.items()}
    position = Position.decode(read_header(lower["baggage"]).unpack(SPAN)[0])
    assert position is not None
    assert not position.sampled
    assert lower["traceparent"] == f"00-{span.trace_id}-{span.span_id}-00"
    assert lower["b3"].split("-")[-1] == "0" or lower["b3"] == "0"
    assert lower["x-b3-sampled"] == "0"
    keeps = Traced()
    assert not keeps.tracer.join(headers).recording


@pytest.mark.parametrize("off", [Tracer(None), None])
def test_where_nobody_traces_everything_may_be_said_to_no_effect(off: Tracer | None) -> None:
    handle = Handle() if off is None else off.start("work")
    headers: dict[str, Any] = {}
    said = handle.annotate("x").tag("n", 1).rename("y").remote("z").local("z").error("e")
    assert said.over(None).inject(headers).answered().child("child") is handle
    with handle as entered, handle.scope():
        assert entered is handle
        assert context.current().empty
    handle.finish()
    handle.abandon()
    assert (headers, handle.trace_id, handle.span_id, handle.parent_id) == ({}, "", "", None)
    assert (handle.recording, handle.finished, handle.position) == (False, True, None)


def test_a_meta_applications_own_traffic_has_no_spans(traced: Traced) -> None:
    with traced.start("root") as root, baggage.suppressed():
        assert not traced.start("own").recording
        assert not traced.tracer.join(b3("{trace}-{span}-1")).recording
        with traced.start("own"):
            assert traced.tracer.current().trace_id == ""
        assert not root.child("own").recording
    assert traced.names == ["root"]
