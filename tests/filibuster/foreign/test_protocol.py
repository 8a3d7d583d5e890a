"""The server for the original's protocol, asked over real sockets by a client of its messages."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import load_analysis
from metaapps.filibuster.coordinator import Inbox
from metaapps.filibuster.foreign.ledger import Ledger
from metaapps.filibuster.foreign.path import path_of
from metaapps.filibuster.foreign.server import MAX_BODY, ForeignServer, ForeignServerError
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.tree import build

CLIENT_OF_TEST = bytes(range(16))


@pytest.fixture(scope="module")
def serving() -> Iterator[ForeignServer]:
    with ForeignServer(port=0) as started:
        yield started


@pytest.fixture
def server(serving: ForeignServer) -> ForeignServer:
    """A server without an execution."""
    serving.end()
    return serving


def exchange(
    server: ForeignServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any]:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=300)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def create(server: ForeignServer, *path: tuple[str, int], **changes: object) -> Mapping[str, Any]:
    """Announce a call of the service that the last name begins with."""
    name = path[-1][0]
    told = {
        "instrumentation_type": "invocation",
        "source_service_name": name.partition("-")[0],
        "module": "requests",
        "method": "get",
        "args": [f"5001/{name}"],
        "kwargs": {},
        "callsite_file": "/home/somebody/services/app.py",
        "callsite_line": "113",
        "full_traceback": "436928f8a571d50077e6c6972034959a",
        "metadata": {"timeout": 10},
        "vclock": {},
        "origin_vclock": {},
        "execution_index": json.dumps(path),
    }
    status, answer = exchange(
        server, "PUT", "/filibuster/create", json.dumps({**told, **changes}).encode()
    )
    assert status == 200, answer
    return dict(answer)


def update(server: ForeignServer, number: object, **told: object) -> int:
    kind = "request_received" if "target_service_name" in told else "invocation_complete"
    message = {"instrumentation_type": kind, "generated_id": number, "execution_index": "[]"}
    body = json.dumps({**message, **told}).encode()
    status, answer = exchange(server, "POST", "/filibuster/update", body)
    assert answer == {} or status >= 400
    return status


def returned(status: int, text: str = "5373923a3c6e2338d27835665066e38a") -> dict[str, object]:
    return {"return_value": {"__class__": "Response", "status_code": str(status), "text": text}}


def raised(name: str, **metadata: object) -> dict[str, object]:
    return {"exception": {"name": name, "metadata": metadata}}


def begin(server: ForeignServer, plan: Plan = FAULT_FREE) -> Ledger:
    return server.begin(plan, Inbox())


def only(ledger: Ledger) -> Observation:
    (seen,) = ledger.observations
    return seen


def planned(
    server: ForeignServer, fault: Fault, *path: tuple[str, int], **changes: object
) -> Ledger:
    """Begin an execution under a plan to fail a call, found by making it once without."""
    seen = _seen_once(server, *path, **changes)
    return begin(server, Plan((PlannedFault(seen.index, fault, "bar"),)))


def _seen_once(server: ForeignServer, *path: tuple[str, int], **changes: object) -> Observation:
    ledger = begin(server)
    create(server, *path, **changes)
    return only(ledger)


# What is asked, and what is answered


def test_it_says_that_it_is_well(server: ForeignServer) -> None:
    assert exchange(server, "GET", "/health-check") == (200, {"status": "OK"})


def test_an_execution_is_new_to_each_service_once(server: ForeignServer) -> None:
    def is_new(service: str) -> bool:
        status, answer = exchange(server, "GET", f"/filibuster/new-test-execution/{service}")
        assert status == 200
        return bool(answer["new-test-execution"])

    for _ in range(2):
        begin(server)
        assert [is_new("foo"), is_new("foo"), is_new("bar"), is_new("foo")] == [
            True,
            False,
            True,
            False,
        ]
    server.end()
    assert not is_new("foo")


def test_calls_get_numbers_in_order_and_their_index_back(server: ForeignServer) -> None:
    begin(server)
    answers = [create(server, ("foo-a", 1)), create(server, ("foo-b", 1))]
    first = answers[0]["generated_id"]
    assert answers[0] == {"generated_id": first, "execution_index": '[["foo-a", 1]]'}
    assert answers[1]["generated_id"] == first + 1


def test_a_call_is_observed_as_its_client_tells_of_it(server: ForeignServer) -> None:
    ledger = begin(server)
    number = create(
        server,
        ("foo-a", 1),
        args=["http://10.0.0.1:5001/movies/267eedb8-0f5d-42d5-8f43-72426b9fb3e6?page=2"],
        vclock={"foo": 2},
        origin_vclock={"test": 1},
    )["generated_id"]
    assert update(server, str(number), target_service_name="movies") == 200
    assert update(server, number, **returned(200)) == 200
    seen = only(ledger)
    assert (seen.source, seen.target) == ("foo", "movies")
    assert (seen.library, seen.method, seen.operation) == ("requests", "get", "GET /movies/{id}")
    assert (seen.status, seen.ok, seen.timeout) == (200, True, 10.0)
    assert (str(seen.site), seen.clock, seen.origin) == ("app.?:113", {"foo": 2}, {"test": 1})
    assert seen.digest is not None
    assert ledger.settle(0)


@pytest.mark.parametrize(
    ("module", "method", "args", "operation"),
    [
        ("requests", "GET", ["5001/bar/baz"], "GET /bar/baz"),
        ("requests", "get", ["bar/bar/baz?x=1"], "GET /bar/baz"),
        ("requests", "post", ["//bar:5001/bar"], "POST /bar"),
        ("WebClient", "GET", {"toString": "[http://0.0.0.0:5003/world]"}, "GET /world"),
        ("grpc", "insecure_channel", ["/pkg.Hello/Greet", "name: 'a'"], "/pkg.Hello/Greet"),
        ("pkg.Hello", "pkg.Hello/Greet", {"toString": "name: 'a'"}, "pkg.Hello/Greet"),
        ("redis", "fetch", [], "redis.fetch"),
    ],
)
def test_what_is_asked_is_named_without_hosts(
    server: ForeignServer, module: str, method: str, args: object, operation: str
) -> None:
    ledger = begin(server)
    create(server, ("foo-a", 1), module=module, method=method, args=args)
    assert only(ledger).operation == operation


# Indices


def test_an_index_depends_on_no_machine_line_or_hash(server: ForeignServer) -> None:
    here = _seen_once(server, ("foo-a", 1), args=["5001/a"])
    there = _seen_once(
        server,
        ("foo-another-hash", 1),
        args=["http://elsewhere:80/a"],
        callsite_file="/srv/checkout/services/app.py",
        callsite_line="115",
    )
    assert here.index == there.index


def test_calls_within_a_call_are_placed_by_their_path(server: ForeignServer) -> None:
    ledger = begin(server)
    outer, inner = ("foo-a", 1), ("bar-b", 1)
    create(server, outer)
    create(server, outer, inner)
    create(server, outer, inner, ("baz-c", 1))
    tree = build(ledger.observations)
    assert tree.findings == ()
    assert [tree.paths[seen.index] for seen in ledger.observations] == [(0,), (0, 0), (0, 0, 0)]


def test_of_two_calls_with_one_path_the_origin_clock_tells_which_encloses(
    server: ForeignServer,
) -> None:
    ledger = begin(server)
    # Counts don't travel in the original: a callee's repeated calls share one path.
    outer, inner = ("foo-a", 1), ("bar-b", 1)
    create(server, outer, vclock={"foo": 1})
    first, second = {"foo": 1, "bar": 1}, {"foo": 1, "bar": 2}
    for clock in (first, second):
        create(server, outer, inner, vclock=clock, origin_vclock={"foo": 1})
    for clock in (second, first):
        create(server, outer, inner, ("baz-c", 1), origin_vclock=clock)
    tree = build(ledger.observations)
    assert [tree.paths[seen.index] for seen in ledger.observations] == [
        (0,),
        (0, 0),
        (0, 1),
        (0, 1, 0),
        (0, 0, 0),
    ]
    assert tree.findings == ()


def test_where_paths_are_switched_off_the_origin_clock_places_a_call(server: ForeignServer) -> None:
    ledger = begin(server)
    create(server, ("foo-a", 1), vclock={"foo": 1})
    create(server, ("bar-b", 1), vclock={"foo": 1, "bar": 1}, origin_vclock={"foo": 1})
    first, second = ledger.observations
    assert (first.parent, second.parent) == (ROOT, first.index)


def test_a_call_within_a_call_of_ours_is_placed_by_our_index(server: ForeignServer) -> None:
    ledger = begin(server)
    (pair,) = path_of(CLIENT_OF_TEST).pairs
    create(server, pair, ("foo-a", 1))
    assert only(ledger).parent == CLIENT_OF_TEST


def test_our_own_calls_learn_the_names_of_foreign_services(server: ForeignServer) -> None:
    ledger = begin(server)
    path = str(path_of(CLIENT_OF_TEST))
    assert update(server, "0", target_service_name="foo", execution_index=path) == 200
    create(server, ("foo-a", 1))
    ours = Observation(role=only(ledger).role, index=CLIENT_OF_TEST, parent=ROOT, position=0)
    assert ledger.named([ours])[0].target == "foo"
    assert ledger.named(ledger.observations) == ledger.observations


def test_a_call_within_one_that_nobody_announced_is_a_finding(server: ForeignServer) -> None:
    ledger = begin(server)
    create(server, ("foo-unknown", 1), ("bar-b", 1))
    assert not build(ledger.observations).whole


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), min_size=1, max_size=20))
def test_however_calls_nest_and_repeat_each_has_a_place_of_its_own(
    calls: list[tuple[str, int]],
) -> None:
    server = ForeignServer(port=0)
    try:
        ledger = server.begin(FAULT_FREE, Inbox())
        paths: list[list[tuple[str, int]]] = [[]]
        clocks: list[dict[str, int]] = [{}]
        for tick, (name, around) in enumerate(calls):
            place = around % len(paths)
            path, clock = [*paths[place], (name, 1)], {"all": tick + 1}
            told = {
                "instrumentation_type": "invocation",
                "source_service_name": "s",
                "module": "requests",
                "method": "get",
                "args": ["80/"],
                "execution_index": json.dumps(path),
                "vclock": clock,
                "origin_vclock": clocks[place],
            }
            assert server.answer("PUT", "/filibuster/create", json.dumps(told).encode())[0] == 200
            paths.append(path)
            clocks.append(clock)
        assert build(ledger.observations).findings == ()
    finally:
        server._server.server_close()


# Faults


@pytest.mark.parametrize(
    ("fault", "library", "told"),
    [
        (
            Fault(FaultKind.REFUSED),
            "requests",
            {"forced_exception": {"name": "requests.exceptions.ConnectionError", "metadata": {}}},
        ),
        (
            Fault(FaultKind.TIMEOUT),
            "requests",
            {"forced_exception": {"name": "requests.exceptions.Timeout", "metadata": {}}},
        ),
        (
            Fault(FaultKind.RAISE, name="requests.exceptions.SSLError"),
            "requests",
            {"forced_exception": {"name": "requests.exceptions.SSLError", "metadata": {}}},
        ),
        (
            Fault(FaultKind.STATUS, status=503),
            "requests",
            {"failure_metadata": {"return_value": {"status_code": "503"}}},
        ),
        (
            Fault(FaultKind.STATUS, status=14),
            "grpc",
            {
                "forced_exception": {
                    "name": "grpc._channel._InactiveRpcError",
                    "metadata": {"code": "UNAVAILABLE"},
                }
            },
        ),
        (
            Fault(FaultKind.STATUS, status=5),
            "pkg.Hello",
            {
                "forced_exception": {
                    "name": "io.grpc.StatusRuntimeException",
                    "metadata": {"cause": "", "code": "NOT_FOUND"},
                }
            },
        ),
        (
            Fault(FaultKind.REFUSED),
            "WebClient",
            {
                "forced_exception": {
                    "name": "com.linecorp.armeria.client.UnprocessedRequestException",
                    "metadata": {"cause": "io.netty.channel.ConnectTimeoutException"},
                }
            },
        ),
        (Fault(FaultKind.BODY, body=b"x"), "requests", {}),
    ],
)
def test_a_planned_fault_is_told_in_the_words_of_the_library(
    server: ForeignServer, fault: Fault, library: str, told: Mapping[str, object]
) -> None:
    planned(server, fault, ("foo-a", 1), module=library)
    answer = create(server, ("foo-a", 1), module=library)
    assert {key: answer[key] for key in answer if key.startswith(("forced", "failure"))} == told


def test_metadata_of_an_analysis_file_is_told_with_its_expressions_worked_out(
    tmp_path: Path,
) -> None:
    exception = {
        "name": "requests.exceptions.Timeout",
        "restrictions": "timeout",
        "metadata": {"sleep": "@expr(metadata['timeout']-1)", "abort": False},
    }
    section = {"pattern": "requests\\.(get|put)", "exceptions": [exception]}
    file = tmp_path / "analysis.json"
    file.write_text(json.dumps({"python.requests": section}))
    with ForeignServer(port=0, catalogue=load_analysis(file)) as server:
        planned(server, Fault(FaultKind.TIMEOUT), ("foo-a", 1))
        answer = create(server, ("foo-a", 1))
    assert answer["forced_exception"] == {
        "name": "requests.exceptions.Timeout",
        "metadata": {"sleep": 9, "abort": False},
    }


@pytest.mark.parametrize(
    ("fault", "told", "is_hit"),
    [
        (Fault(FaultKind.REFUSED), raised("requests.exceptions.ConnectionError"), True),
        (Fault(FaultKind.REFUSED), returned(200), False),
        (Fault(FaultKind.STATUS, status=503), returned(503), True),
        (Fault(FaultKind.STATUS, status=503), returned(200), False),
        (Fault(FaultKind.STATUS, status=503), raised("requests.exceptions.Timeout"), False),
        (Fault(FaultKind.STATUS, status=14), raised("E", code="StatusCode.UNAVAILABLE"), True),
    ],
)
def test_a_fault_counts_as_injected_once_the_client_says_that_it_happened(
    server: ForeignServer, fault: Fault, told: dict[str, object], is_hit: bool
) -> None:
    ledger = planned(server, fault, ("foo-a", 1))
    number = create(server, ("foo-a", 1))["generated_id"]
    paths = ["/filibuster/fault-injected", "/fault-injected", "/fault-injected/bar"]

    def answers() -> list[bool]:
        return [exchange(server, "GET", path)[1]["result"] for path in paths]

    assert answers() == [False, False, False]
    update(server, number, **told)
    assert answers() == [is_hit, is_hit, is_hit]
    assert exchange(server, "GET", "/fault-injected/foo")[1] == {"result": False}
    assert (only(ledger).injected == fault) is is_hit


def test_a_call_that_fails_by_itself_is_no_injected_fault(server: ForeignServer) -> None:
    ledger = begin(server)
    number = create(server, ("foo-a", 1))["generated_id"]
    update(server, number, **raised("grpc._channel._InactiveRpcError", code="NOT_FOUND"))
    seen = only(ledger)
    assert (seen.raised, seen.status, seen.ok) == ("grpc._channel._InactiveRpcError", 5, False)
    assert seen.injected is None


# What makes no sense

GOOD = {
    "instrumentation_type": "invocation",
    "source_service_name": "foo",
    "module": "requests",
    "method": "get",
    "execution_index": '[["a", 1]]',
}
BAD_CHANGES: list[dict[str, object]] = [
    {"instrumentation_type": "other"},
    {"source_service_name": 3},
    {"source_service_name": "\x1b[2J"},
    {"module": "m" * 1000},
    {"metadata": []},
    {"vclock": {"foo": "1"}},
    {"vclock": {"foo": 1 << 40}},
    {"vclock": {"\ud800": 1}},
    {"origin_vclock": {"foo": True}},
    {"execution_index": None},
    {"execution_index": "[]"},
    {"execution_index": '[["a"]]'},
    {"execution_index": '[["a", 1.5]]'},
    {"execution_index": "[" * 10_000},
    {"execution_index": json.dumps([["a", 1]] * 101)},
]
BAD_CREATES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"instrumentation_type": "invocation"}',
    *(json.dumps({**GOOD, **changes}).encode() for changes in BAD_CHANGES),
]


@pytest.mark.parametrize("body", BAD_CREATES, ids=range(len(BAD_CREATES)))
def test_what_announces_no_call_is_refused_with_a_reason(
    server: ForeignServer, body: bytes
) -> None:
    ledger = begin(server)
    status, answer = exchange(server, "PUT", "/filibuster/create", body)
    assert (status, list(answer)) == (400, ["error"])
    assert ledger.observations == ()


@pytest.mark.parametrize("number", [1e9, -1, "77777", "x", None, 1.5, True, [], {}, "9" * 50])
def test_news_of_calls_that_nobody_announced_are_refused(
    server: ForeignServer, number: object
) -> None:
    begin(server)
    create(server, ("foo-a", 1))
    assert 400 <= update(server, number, **returned(200)) < 500
    assert 400 <= update(server, number, target_service_name="bar") < 500


def test_a_call_ends_once(server: ForeignServer) -> None:
    ledger = begin(server)
    number = create(server, ("foo-a", 1))["generated_id"]
    assert [update(server, number, **returned(code)) for code in (200, 500)] == [200, 404]
    assert only(ledger).status == 200
    assert ledger.inbox.settle(0) == ledger.observations


def test_a_call_that_never_ends_is_reported_as_far_as_it_is_known(server: ForeignServer) -> None:
    ledger = begin(server)
    number = create(server, ("foo-a", 1))["generated_id"]
    update(server, number, target_service_name="bar")
    assert not ledger.settle(0)
    (seen,) = ledger.inbox.settle(0)
    assert (seen.target, seen.status, seen.digest) == ("bar", None, None)
    assert update(server, number, **returned(200)) == 404
    assert ledger.inbox.settle(0) == (seen,)


def test_news_of_an_earlier_execution_are_refused(server: ForeignServer) -> None:
    begin(server)
    number = create(server, ("foo-a", 1))["generated_id"]
    ledger = begin(server)
    create(server, ("foo-a", 1))
    assert update(server, number, **returned(500)) == 404
    assert only(ledger).status is None


def test_calls_between_executions_are_refused_and_counted(server: ForeignServer) -> None:
    before = server.outside
    for body in (json.dumps(GOOD).encode(),) * 2:
        assert exchange(server, "PUT", "/filibuster/create", body)[0] == 409
    assert update(server, 0, **returned(200)) == 409
    assert exchange(server, "GET", "/filibuster/fault-injected") == (200, {"result": False})
    assert server.outside == before + 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/filibuster/create"),
        ("PUT", "/filibuster/update"),
        ("POST", "/filibuster/create"),
        ("GET", "/filibuster/new-test-execution"),
        ("GET", "/%00/%ff"),
    ],
)
def test_what_is_asked_elsewhere_is_not_found(
    server: ForeignServer, method: str, path: str
) -> None:
    begin(server)
    body = None if method == "GET" else b"{}"
    assert exchange(server, method, path, body)[0] == 404


def test_a_huge_body_is_refused_and_the_next_request_served(server: ForeignServer) -> None:
    begin(server)
    status, _ = exchange(server, "PUT", "/filibuster/create", b"x" * (MAX_BODY + 1))
    assert status == 413
    assert exchange(server, "GET", "/health-check")[0] == 200


@pytest.mark.parametrize("length", ["", "-1", "1e3", "9" * 40, "²"])
def test_a_length_that_is_none_is_refused(server: ForeignServer, length: str) -> None:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        head = f"PUT /filibuster/create HTTP/1.0\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    assert answer.split()[1] in (b"411", b"413")


def test_clients_that_hang_up_disturb_nobody(server: ForeignServer) -> None:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    for said in (b"", b"PUT", b"PUT /filibuster/create HTTP/1.0\r\nContent-Length: 9\r\n\r\n{"):
        with socket.create_connection((host, int(port)), timeout=300) as connection:
            connection.sendall(said)
    assert exchange(server, "GET", "/health-check")[0] == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*GOOD, "vclock", "x"]), inner),
    max_leaves=10,
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "instrumentation_type": st.sampled_from(
            ["invocation", "invocation_complete", "request_received"]
        )
        | JSON,
        "source_service_name": st.just("foo") | JSON,
        "target_service_name": st.just("bar") | JSON,
        "module": st.sampled_from(["requests", "grpc", "WebClient"]) | JSON,
        "method": st.sampled_from(["get", "pkg/Method"]) | JSON,
        "generated_id": st.integers(-1, 2) | JSON,
        "execution_index": st.just('[["a", 1]]') | JSON,
        "args": JSON,
        "metadata": JSON,
        "vclock": JSON,
        "origin_vclock": JSON,
        "return_value": JSON,
        "exception": JSON,
        "callsite_file": JSON,
        "callsite_line": JSON,
    },
)


@given(st.lists(st.tuples(st.booleans(), MESSAGE | JSON), max_size=8))
def test_whatever_is_told_is_taken_or_refused(told: list[tuple[bool, object]]) -> None:
    server = ForeignServer(port=0)
    try:
        ledger = server.begin(FAULT_FREE, Inbox())
        for is_new, message in told:
            method, path = ("PUT", "create") if is_new else ("POST", "update")
            body = json.dumps(message).encode()
            status, answer = server.answer(method, f"/filibuster/{path}", body)
            assert status in (200, 400, 404)
            json.dumps(answer)
        build(ledger.observations)
    finally:
        server._server.server_close()


# Where it listens


def test_it_listens_on_loopback_unless_told_otherwise(server: ForeignServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_is_one_line_that_says_what_to_do(server: ForeignServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(ForeignServerError, match=f"port {port} .* is in use: .*--port"):
        ForeignServer(port=port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "::2"])
def test_a_host_that_is_not_here_is_one_line(host: str) -> None:
    with pytest.raises(ForeignServerError) as raised_error:
        ForeignServer(host, 0)
    assert "\n" not in str(raised_error.value)
