"""Who calls whom, as the collector finds it in traces; a real Zipkin server finds the same."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaapps.tracing.collector import Collector, Store
from tests.tracing.zipkin_server import Zipkin

Fields = dict[str, object]
Links = list[tuple[str, str, int, int]]


def _span(id: str, parent: str = "", kind: str = "", at: str = "", to: str = "") -> Fields:
    fields: Fields = {"id": id}
    if parent:
        fields["parentId"] = parent
    if kind:
        fields["kind"] = kind.strip("+").upper()
    if kind.endswith("+"):
        fields["shared"] = True
    if at:
        fields["localEndpoint"] = {"serviceName": at}
    if to:
        fields["remoteEndpoint"] = {"serviceName": to}
    return fields


ERROR: Fields = {"tags": {"error": ""}}

CASES: dict[str, tuple[list[Fields], Links]] = {
    "nothing": ([_span("a")], []),
    "a client alone": ([_span("a", kind="client", at="x", to="y")], [("x", "y", 1, 0)]),
    "a client that knows no server": ([_span("a", kind="client", at="x")], []),
    "a server alone": ([_span("a", kind="server", at="y")], []),
    "a server that knows its client": (
        [_span("a", kind="server", at="y", to="x")],
        [("x", "y", 1, 0)],
    ),
    "two halves that share an id": (
        [_span("a", kind="client", at="x", to="z"), _span("a", kind="server+", at="y")],
        [("x", "y", 1, 0)],
    ),
    "two halves, and nobody says that they share": (
        [_span("a", kind="client", at="x", to="z"), _span("a", kind="server", at="y")],
        [("x", "y", 1, 0)],
    ),
    "a server below its client": (
        [_span("a", kind="client", at="x", to="z"), _span("b", "a", kind="server", at="y")],
        [("x", "y", 1, 0)],
    ),
    "the same, which failed": (
        [_span("a", kind="client", at="x") | ERROR, _span("b", "a", kind="server", at="y")],
        [("x", "y", 1, 1)],
    ),
    "local work in between": (
        [
            _span("a", kind="server", at="x"),
            _span("b", "a", at="x"),
            _span("c", "b", kind="client", at="x", to="y"),
            _span("d", "b", kind="client", at="x", to="y") | ERROR,
        ],
        [("x", "y", 2, 1)],
    ),
    "a server whose caller never came": (
        [_span("b", "a", kind="server", at="y"), _span("c", "b", kind="client", at="y", to="z")],
        [("y", "z", 1, 0)],
    ),
    "a message": (
        [
            _span("a", kind="producer", at="x", to="broker"),
            _span("b", "a", kind="consumer", at="y", to="broker"),
        ],
        [("x", "broker", 1, 0), ("broker", "y", 1, 0)],
    ),
    "a span of no kind between two": ([_span("a", at="x", to="y")], [("x", "y", 1, 0)]),
    "a client under another's name": (
        [_span("a", kind="server", at="x"), _span("b", "a", kind="client", at="y", to="z")],
        [("x", "y", 1, 0), ("y", "z", 1, 0)],
    ),
    "three services by shared ids": (
        [
            _span("a", kind="client", at="x"),
            _span("a", kind="server+", at="y"),
            _span("b", "a", kind="client", at="y"),
            _span("b", "a", kind="server+", at="z") | ERROR,
        ],
        [("x", "y", 1, 0), ("y", "z", 1, 1)],
    ),
    "a span in two pieces": (
        [_span("a", kind="client", at="x"), _span("a", to="y") | {"duration": 5}],
        [("x", "y", 1, 0)],
    ),
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Zipkin]:
    with Collector(Store()) as collector:
        yield Zipkin(collector.url)


def _links(server: Zipkin, spans: Sequence[Fields]) -> Links:
    """Return what a server makes of a trace, whose services it knows from nowhere else."""
    trace_id, mark = "1" + secrets.token_hex(8)[1:], secrets.token_hex(6)
    marked = json.loads(json.dumps(spans).replace('"serviceName": "', f'"serviceName": "{mark}-'))
    message = json.dumps([{"traceId": trace_id} | span for span in marked])
    assert server.post(message.encode()).status == 202
    server.trace(trace_id)
    now = time.time_ns() // 1_000_000 + 60_000
    found = server.get(f"/api/v2/dependencies?endTs={now}&lookback={now}").json
    return [
        (
            link["parent"].removeprefix(f"{mark}-"),
            link["child"].removeprefix(f"{mark}-"),
            link["callCount"],
            link.get("errorCount", 0),
        )
        for link in found
        if link["parent"].startswith(mark)
    ]


@pytest.mark.parametrize("name", CASES)
def test_the_links_of_a_trace(name: str, collector: Zipkin) -> None:
    spans, links = CASES[name]
    assert _links(collector, spans) == links


def test_a_real_server_finds_the_same_links(zipkin: Zipkin) -> None:
    wrong = {
        name: found
        for name, (spans, links) in CASES.items()
        if (found := _links(zipkin, spans)) != links
    }
    assert not wrong


ids = st.sampled_from("abcd")
services = st.sampled_from(["", "x", "y", "z"])
kinds = st.sampled_from(["", "client", "server", "server+", "producer", "consumer"])
spans = st.builds(
    lambda span, port, timestamp, error: (
        span
        | ({"tags": {"error": ""}} if error else {})
        | {"timestamp": timestamp, "annotations": [{"timestamp": 1, "value": port}]}
    ),
    st.builds(_span, ids, st.just("") | ids, kinds, services, services),
    st.sampled_from(["m", "n"]),
    st.integers(1, 3),
    st.booleans(),
)


@settings(max_examples=40)
@given(st.lists(spans, min_size=1, max_size=6))
def test_a_real_server_finds_the_same_links_in_any_trace(
    collector: Zipkin, zipkin: Zipkin, trace: list[Fields]
) -> None:
    assert _links(collector, trace) == _links(zipkin, trace)
