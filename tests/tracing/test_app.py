from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from baggage import context
from baggage.boundary import (
    PROCEED,
    Call,
    CallSite,
    Endpoint,
    Fault,
    FaultKind,
    Flow,
    Interest,
    Kind,
    MetaApp,
    Outcome,
    PlainFacts,
    Proceed,
    Raised,
    Returned,
)
from baggage.values import EMPTY, Key, Value
from metaapps.tracing import app as tracing
from metaapps.tracing.errors import SettingError
from metaapps.tracing.export.file import read
from metaapps.tracing.span import SPAN, Peer, Position, Span

OK = Returned("an answer", PlainFacts(status=200))
CLIENT = Call(
    kind=Kind.CLIENT,
    library="requests",
    operation="GET /items",
    endpoint=Endpoint("127.0.0.1", 5001),
    source="shop",
    site=CallSite("shop", "home", 7),
)
SERVER = Call(kind=Kind.SERVER, library="flask", operation="GET /items", source="catalog")
ELSEWHERE = Position.root(b"elsewhere-trace!", b"elsewhr!", sampled=True).child(b"caller!!")


def counted() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def ticking(step: int) -> Callable[[], int]:
    times = itertools.count(1_000_000, step)
    return lambda: next(times)


@dataclass
class Traced:
    """Tracing with ids 1, 2, …, a clock that starts at 1 s, and crossings of 3 µs each."""

    share: bool = True
    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = tracing.Tracing(
            self.spans.append,
            share=self.share,
            ids=counted(),
            now=ticking(1),
            ticks=ticking(3_999),
        )

    def begin(self, call: Call) -> tuple[Flow, Position]:
        """Start a flow, and return it with the position that it hands on."""
        flow = self.app.around(call)
        directive = next(flow)
        assert isinstance(directive, Proceed)
        return flow, handed_on(directive.down[SPAN])

    def cross(self, call: Call, outcome: Outcome = OK) -> Span:
        """Let one crossing happen, and return its span."""
        flow, _ = self.begin(call)
        finish(flow, outcome)
        return self.spans[-1]


def finish(flow: Flow, outcome: Outcome) -> None:
    with pytest.raises(StopIteration) as end:
        flow.send(outcome)
    assert end.value.value is None, "tracing never changes an outcome"


def handed_on(value: Value) -> Position:
    position = Position.decode(value)
    assert position is not None
    return position


@pytest.fixture
def traced() -> Traced:
    return Traced()


def standing(position: Position) -> context.Branch:
    changes: dict[Key, Value] = {SPAN: position.raw}
    return context.Branch(EMPTY.with_down(changes))


@pytest.fixture(autouse=True)
def _own_branch() -> Iterator[None]:
    with context.attached(EMPTY):
        yield


def test_it_is_a_meta_application(traced: Traced) -> None:
    assert isinstance(traced.app, MetaApp)


def test_it_asks_for_crossings_between_services_alone(traced: Traced) -> None:
    asked = {kind for kind in Kind if traced.app.interest(kind, "any") is Interest.OBSERVE}
    assert asked == {Kind.CLIENT, Kind.SERVER, Kind.PRODUCER, Kind.CONSUMER}


def test_without_a_place_for_spans_it_asks_for_nothing() -> None:
    app = tracing.Tracing(None)
    assert {app.interest(kind, "any") for kind in Kind} == {Interest.NONE}


def test_a_call_from_nowhere_begins_a_trace(traced: Traced) -> None:
    flow, sent = traced.begin(CLIENT)
    finish(flow, OK)
    assert sent.standing() == Position.root((1).to_bytes(16, "big"), (2).to_bytes(8, "big"))
    assert [span._replace(causes=None) for span in traced.spans] == [
        Span(
            position=sent.standing(),
            kind=Kind.CLIENT,
            name="GET /items",
            timestamp=1_000_000,
            duration=3,
            local=Peer("shop"),
            remote=Peer("", "127.0.0.1", 5001),
            tags={"library": "requests", "site": "shop.home:7", "status": "200"},
        )
    ]


def test_a_departure_leaves_the_caller_where_it_stood(traced: Traced) -> None:
    with context.attached(standing(ELSEWHERE)):
        flow, sent = traced.begin(CLIENT)
        assert context.current().unpack(SPAN) == (ELSEWHERE.raw,)
        finish(flow, OK)
    assert sent.parent_id == ELSEWHERE.span_id
    assert sent.trace_id == ELSEWHERE.trace_id


@pytest.mark.parametrize("kind", [Kind.CLIENT, Kind.PRODUCER])
def test_siblings_have_one_parent(traced: Traced, kind: Kind) -> None:
    call = Call(kind=kind, library="any", operation="any")
    with context.attached(standing(ELSEWHERE)):
        overlapping = [traced.begin(call)[0] for _ in range(3)]
        for flow in overlapping:
            finish(flow, OK)
        traced.cross(call)
    assert {span.position.parent_id for span in traced.spans} == {ELSEWHERE.span_id}
    assert len({span.position.span_id for span in traced.spans}) == 4


def test_siblings_in_threads_have_one_parent(traced: Traced) -> None:
    def work(branch: context.Branch) -> None:
        with context.attached(branch):
            traced.cross(CLIENT)

    with context.attached(standing(ELSEWHERE)):
        threads = [threading.Thread(target=work, args=(context.split()[1],)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        traced.cross(CLIENT)
    assert [span.position.parent_id for span in traced.spans] == [ELSEWHERE.span_id] * 5
    assert len({span.position.span_id for span in traced.spans}) == 5


def test_a_server_shares_the_id_of_its_call(traced: Traced) -> None:
    with context.attached(standing(ELSEWHERE)):
        flow, sent = traced.begin(CLIENT)
        finish(flow, OK)
    with context.attached(standing(sent)):
        flow, stands = traced.begin(SERVER)
        finish(flow, OK)
    client, server = traced.spans
    assert sent.sent
    assert stands == server.position == client.position
    assert (client.shared, server.shared) == (False, True)


def test_a_server_does_not_share_what_no_call_sent(traced: Traced) -> None:
    with context.attached(standing(ELSEWHERE)):
        span = traced.cross(SERVER)
    assert span.position.parent_id == ELSEWHERE.span_id
    assert not span.shared


def test_a_server_that_does_not_share_is_its_calls_child() -> None:
    traced = Traced(share=False)
    with context.attached(standing(ELSEWHERE.sending())):
        _, stands = traced.begin(SERVER)
        span = traced.cross(SERVER)
    assert stands.parent_id == span.position.parent_id == ELSEWHERE.span_id
    assert not span.shared


def test_a_consumer_never_shares(traced: Traced) -> None:
    with context.attached(standing(ELSEWHERE.sending())):
        span = traced.cross(Call(kind=Kind.CONSUMER, library="any", operation="any"))
    assert span.position.parent_id == ELSEWHERE.span_id
    assert not span.shared


def test_a_server_that_nobody_called_begins_a_trace(traced: Traced) -> None:
    span = traced.cross(SERVER)
    assert span.position.parent_id is None
    assert not span.shared


@pytest.mark.parametrize("garbage", [b"", b"\x11", "text", 5, b"\xff" * 33])
def test_garbage_is_no_position(traced: Traced, garbage: Value) -> None:
    with context.attached(EMPTY.with_down({SPAN: garbage})):
        assert traced.cross(SERVER).position.parent_id is None


def test_what_is_not_sampled_is_not_reported(traced: Traced) -> None:
    position = Position.of(ELSEWHERE.trace_id, ELSEWHERE.span_id, sampled=False)
    with context.attached(standing(position)):
        flow = traced.app.around(CLIENT)
        assert next(flow) is PROCEED, "where it stands travels as it is"
        finish(flow, OK)
    assert traced.spans == []


def test_an_exception_is_an_error(traced: Traced) -> None:
    span = traced.cross(CLIENT, Raised(ConnectionResetError("gone"), target="catalog"))
    assert span.error == "ConnectionResetError: gone"
    assert span.remote == Peer("catalog", "127.0.0.1", 5001)
    assert "fault.injected" not in span.tags


@pytest.mark.parametrize(("status", "error"), [(503, "503"), (None, "failed")])
def test_an_answer_that_is_no_success_is_an_error(
    traced: Traced, status: int | None, error: str
) -> None:
    answer = Returned("an answer", PlainFacts(status=status, ok=False), target="catalog")
    assert traced.cross(CLIENT, answer).error == error


@pytest.mark.parametrize(
    "outcome",
    [
        Raised(TimeoutError(), injected=Fault(FaultKind.TIMEOUT)),
        Returned("", PlainFacts(status=503, ok=False), injected=Fault(FaultKind.STATUS, 503)),
    ],
)
def test_an_injected_fault_is_told(traced: Traced, outcome: Outcome) -> None:
    span = traced.cross(CLIENT, outcome)
    assert span.tags["fault.injected"] == str(outcome.injected)
    assert span.error


def test_a_crossing_whose_end_nobody_saw_has_no_duration(traced: Traced) -> None:
    flow, sent = traced.begin(CLIENT)
    flow.close()
    assert [(span.position, span.duration) for span in traced.spans] == [(sent.standing(), 0)]


def test_no_crossing_is_shorter_than_a_microsecond() -> None:
    spans: list[Span] = []
    app = tracing.Tracing(spans.append, ticks=lambda: 5)
    flow = app.around(CLIENT)
    next(flow)
    finish(flow, OK)
    assert spans[0].duration == 1


def test_ids_of_zeros_are_drawn_again() -> None:
    draws = iter([bytes(16), b"t" * 16, bytes(8), bytes(8), b"s" * 8])
    spans: list[Span] = []
    app = tracing.Tracing(spans.append, ids=lambda size: next(draws))
    flow = app.around(CLIENT)
    next(flow)
    finish(flow, OK)
    assert spans[0].position == Position.root(b"t" * 16, b"s" * 8)


@pytest.mark.parametrize(
    ("call", "outcome", "remote"),
    [
        (CLIENT, Returned(0, target="answered"), Peer("answered", "127.0.0.1", 5001)),
        (
            Call(kind=Kind.CLIENT, library="l", operation="o", target="known"),
            Raised(OSError()),
            Peer("known"),
        ),
        (Call(kind=Kind.CLIENT, library="l", operation="o"), OK, Peer()),
        (
            Call(kind=Kind.SERVER, library="l", operation="o", endpoint=Endpoint("::1", 9)),
            Returned(0, target="myself"),
            Peer("", "::1", 9),
        ),
    ],
)
def test_the_other_side_is_named_as_well_as_is_known(
    traced: Traced, call: Call, outcome: Outcome, remote: Peer
) -> None:
    assert traced.cross(call, outcome).remote == remote


def test_the_environment_says_where_spans_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trace.json"
    monkeypatch.setenv("TRACING_FILE", str(path))
    monkeypatch.setenv("TRACING_SHARE", "0")
    app = tracing.create()
    with context.attached(standing(ELSEWHERE)):
        flow = app.around(SERVER)
        next(flow)
        finish(flow, OK)
    (span,) = read(path)
    assert span.position.parent_id == ELSEWHERE.span_id


def test_an_environment_that_says_nothing_traces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACING_FILE", raising=False)
    app = tracing.create()
    assert {app.interest(kind, "any") for kind in Kind} == {Interest.NONE}


def test_an_environment_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACING_SHARE", "perhaps")
    with pytest.raises(SettingError):
        tracing.create()
