"""A service of ours that a foreign service called: what it asks, and how it takes the answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from baggage.boundary import (
    Call,
    CallSite,
    Directive,
    Endpoint,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Kind,
    Outcome,
    Proceed,
    Raised,
    Returned,
)
from baggage.boundary.outcome import PlainFacts
from baggage.context import Branch, attached
from baggage.values import EMPTY
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.foreign import headers
from metaapps.filibuster.foreign.faults import Ordered, ordered
from metaapps.filibuster.foreign.path import path_of
from metaapps.filibuster.foreign.server import Answer, ForeignServer
from metaapps.filibuster.lineage import ROOT, Progress
from metaapps.filibuster.orders import FOREIGN, LINEAGE, ORDERS, Orders
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.relayed import DIRECTLY
from metaapps.filibuster.wire import encode_lineage, encode_orders

KEY = b"the key"
CAME = {
    "x-filibuster-generated-id": "3",
    "x-filibuster-vclock": '{"foo": 1}',
    "x-filibuster-origin-vclock": '{"foo": 1}',
    "x-filibuster-execution-index": '[["68ae4deac392aa61feeeb0634d243d57", 1]]',
    "x-filibuster-request-id": "a request",
}
CONNECTION_ERROR = {"name": "requests.exceptions.ConnectionError", "metadata": {}}


class Recorder(ForeignServer):
    """A server that answers what it is told to, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.orders: Mapping[str, object] = {}
        super().__init__(port=0)

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        told = json.loads(body)
        self.asked.append((f"{method} {target}", told))
        if method == "POST":
            return 200, {}
        index = told["execution_index"]
        return 200, {"generated_id": 7, "execution_index": index, **self.orders}


@pytest.fixture
def server() -> Iterator[Recorder]:
    with Recorder() as serving:
        yield serving


def arrive(app: Filibuster, running: Branch, came: Mapping[str, str]) -> None:
    """Let a request arrive at bar."""
    call = Call(
        kind=Kind.SERVER, library="flask", operation="GET /bar/baz", source="bar", arrived=came
    )
    directive = next(app.around(call))
    assert isinstance(directive, Proceed)
    running.update(lambda carried: carried.with_down(directive.down))


def calling(app: Filibuster) -> tuple[Flow, Directive]:
    """Let bar make a call."""
    call = Call(
        kind=Kind.CLIENT,
        library="requests",
        operation="GET /baz",
        method="get",
        source="bar",
        endpoint=Endpoint("127.0.0.1", 5002),
        timeout=1.0,
        site=CallSite("bar.app", "bar_baz", 29),
    )
    flow = app.around(call)
    return flow, next(flow)


def end(flow: Flow, outcome: Outcome) -> object:
    with pytest.raises(StopIteration) as stopped:
        flow.send(outcome)
    return stopped.value.value


OK = Returned(object(), PlainFacts(200))


def test_a_service_tells_the_published_sequence(server: Recorder) -> None:
    app = Filibuster((KEY,), server=server.url)
    with attached(EMPTY) as running:
        arrive(app, running, CAME)
        flow, directive = calling(app)
        end(flow, OK)
    assert isinstance(directive, Proceed)
    sent = directive.headers
    received, created, completed = server.asked
    assert received == (
        "POST /filibuster/update",
        {
            "instrumentation_type": "request_received",
            "generated_id": "3",
            "execution_index": CAME["x-filibuster-execution-index"],
            "target_service_name": "bar",
        },
    )
    path = json.loads(created[1]["execution_index"])
    assert path[0] == json.loads(CAME["x-filibuster-execution-index"])[0]
    assert len(path) == 2
    told = {key: created[1][key] for key in created[1] if key != "full_traceback"}
    assert (created[0], told) == (
        "PUT /filibuster/create",
        {
            "instrumentation_type": "invocation",
            "source_service_name": "bar",
            "module": "requests",
            "method": "get",
            "args": ["5002/baz"],
            "kwargs": {},
            "callsite_file": "bar.app",
            "callsite_line": "29",
            "metadata": {"timeout": 1.0},
            "vclock": {"foo": 1, "bar": 1},
            "origin_vclock": {"foo": 1},
            "execution_index": json.dumps(path),
        },
    )
    assert sent == {
        "x-filibuster-generated-id": "7",
        "x-filibuster-vclock": '{"foo": 1, "bar": 1}',
        "x-filibuster-origin-vclock": '{"foo": 1, "bar": 1}',
        "x-filibuster-execution-index": json.dumps(path),
        "x-filibuster-request-id": "a request",
    }
    assert completed == (
        "POST /filibuster/update",
        {
            "instrumentation_type": "invocation_complete",
            "generated_id": 7,
            "execution_index": json.dumps(path),
            "vclock": {"foo": 1, "bar": 1},
            "return_value": {"__class__": "object", "status_code": "200"},
        },
    )


def test_an_ordered_exception_is_injected_and_told(server: Recorder) -> None:
    server.orders = {"forced_exception": CONNECTION_ERROR}
    app = Filibuster((KEY,), server=server.url)
    with attached(EMPTY) as running:
        arrive(app, running, CAME)
        flow, directive = calling(app)
        assert isinstance(directive, Inject)
        assert directive.fault == Fault(FaultKind.REFUSED)
        end(flow, Raised(ConnectionError(), injected=directive.fault))
    assert server.asked[-1][1]["exception"] == {"name": "ConnectionError", "metadata": {}}


def test_an_exception_after_the_call_is_raised_after_the_call(server: Recorder) -> None:
    metadata = {"sleep": 1.5, "abort": False}
    server.orders = {
        "forced_exception": {"name": "requests.exceptions.Timeout", "metadata": metadata}
    }
    app = Filibuster((KEY,), server=server.url)
    with attached(EMPTY) as running:
        arrive(app, running, CAME)
        flow, directive = calling(app)
        assert isinstance(directive, Proceed)
        assert directive.headers["x-filibuster-forced-sleep"] == "1.5"
        assert end(flow, OK) == Fault(FaultKind.TIMEOUT)
    told = server.asked[-1][1]["exception"]
    assert told == {"name": "requests.exceptions.Timeout", "metadata": metadata}


@pytest.mark.parametrize(("told", "slept"), [("2", [2.0]), ("0", []), ("-1", []), ("nan", [])])
def test_a_service_sleeps_before_it_serves_if_told_so(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, told: str, slept: list[float]
) -> None:
    naps: list[float] = []
    monkeypatch.setattr("metaapps.filibuster.foreign.asking.time.sleep", naps.append)
    app = Filibuster((KEY,), server=server.url)
    with attached(EMPTY) as running:
        arrive(app, running, {**CAME, "x-filibuster-forced-sleep": told})
    assert naps == slept


def test_without_orders_headers_or_a_server_nothing_is_asked(server: Recorder) -> None:
    for app, came in [
        (Filibuster((KEY,)), CAME),
        (Filibuster((KEY,), server=server.url), {}),
        (Filibuster((KEY,), server=server.url), {"x-filibuster-execution-index": "nonsense"}),
    ]:
        with attached(EMPTY) as running:
            arrive(app, running, came)
            assert calling(app)[1] == Proceed()
    assert server.asked == []


def test_a_server_that_is_gone_hinders_no_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = Filibuster((KEY,), server=url)
    with attached(EMPTY) as running:
        arrive(app, running, CAME)
        flow, directive = calling(app)
        assert isinstance(directive, Proceed)
        assert directive.headers == {}
        end(flow, OK)


# With orders


def ordered_branch(plan: Plan, *, foreign: bool) -> tuple[Branch, bytes]:
    """Return a branch that carries orders, and the index of the call that it serves."""
    call = Call(kind=Kind.CLIENT, library="requests", operation="GET /bar/baz")
    step = Progress(ROOT).call(call, by_test=True)
    orders = Orders("an execution", plan, 1 << 40)
    down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(step.below)}
    carried = EMPTY.with_down({**down, **({FOREIGN: "run\n[]"} if foreign else {})})
    return Branch(carried), step.index


def test_with_orders_nobody_is_asked_and_foreign_callees_are_told_our_index(
    server: Recorder,
) -> None:
    app = Filibuster((KEY,), server=server.url)
    branch, index = ordered_branch(Plan(), foreign=True)
    ours = headers.write(headers.ForeignHeaders(path=path_of(index)))
    with attached(branch) as running:
        # As the test's process sends it: both our baggage and the foreign headers.
        arrive(app, running, ours)
        _, directive = calling(app)
    assert isinstance(directive, Proceed)
    came = headers.read(directive.headers)
    assert came is not None
    assert came.path.ours is not None
    assert came.path.ours != index
    assert server.asked == []


def test_outside_of_foreign_runs_no_foreign_header_is_sent(server: Recorder) -> None:
    app = Filibuster((KEY,), server=server.url)
    branch, _ = ordered_branch(Plan(), foreign=False)
    with attached(branch) as running:
        arrive(app, running, {})
        _, directive = calling(app)
    assert isinstance(directive, Proceed)
    assert directive.headers == DIRECTLY


def test_orders_that_came_through_a_foreign_service_are_not_followed(server: Recorder) -> None:
    app = Filibuster((KEY,), server=server.url)
    branch, _ = ordered_branch(Plan(), foreign=True)
    with attached(branch) as running:
        arrive(app, running, CAME)
        calling(app)
        assert running.unpack(ORDERS) == (b"",)
    assert [asked for asked, _ in server.asked] == [
        "POST /filibuster/update",
        "PUT /filibuster/create",
    ]


# Orders in the original's words


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, None),
        ({"forced_exception": None}, None),
        ({"forced_exception": {"metadata": {}}}, None),
        ({"failure_metadata": {"return_value": {"status_code": "many"}}}, None),
        (
            {"failure_metadata": {"return_value": {"status_code": 500}}},
            Ordered(Fault(FaultKind.STATUS, status=500)),
        ),
        (
            {"failure_metadata": {"exception": {"metadata": {"code": "NOT_FOUND"}}}},
            Ordered(Fault(FaultKind.STATUS, status=5)),
        ),
        (
            {"forced_exception": {"name": "os.system", "metadata": {"sleep": "x"}}},
            Ordered(Fault(FaultKind.RAISE, name="os.system"), name="os.system"),
        ),
        (
            {"forced_exception": {"name": "E", "metadata": {"sleep": 1e9, "abort": True}}},
            Ordered(Fault(FaultKind.RAISE, name="E"), sleep=60.0, name="E"),
        ),
    ],
)
def test_orders_are_read_as_data_alone(
    answer: Mapping[str, object], expected: Ordered | None
) -> None:
    assert ordered(answer) == expected
