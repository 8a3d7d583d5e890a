"""Of any message at all, the collector makes what a real Zipkin server makes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaapps.tracing.collector import Collector, Store
from tests.tracing.collector.proto_cases import TRACE, block, fixed32, fixed64, span, varint
from tests.tracing.zipkin_server import Zipkin

Texts = st.SearchStrategy[str]

_IDS = [("traceId", '"TID"'), ("id", '"b"')]

numbers = st.one_of(
    st.integers(-(1 << 65), 1 << 65).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0", "-0", "1.0", "1e3", "80", "65536", "1E2", "0.5", "9223372036854775808"]),
)
texts = st.one_of(
    st.sampled_from(
        ["", "a", "A", "0", "0" * 16, "b" * 16, "b" * 17, "CLIENT", "SERVER", "Web Ä", "12", " 1"]
    ),
    st.sampled_from(
        ["1.2.3.4", "1.2.3", "::1", "::ffff:1.2.3.4", "2001:DB8:0:0:1::1", "1.5", "+1", "1e3", ".5"]
    ),
    st.text("0123456789abcdef.:", max_size=20),
    st.text("aÄ€😀\u2028\uffff\n", max_size=5),
).map(lambda text: f'"{text}"'.replace("\n", "\\n"))
scalars = st.one_of(numbers, texts, st.sampled_from(["null", "true", "false"]))


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"


def _objects(
    names: st.SearchStrategy[str], values: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(names, values), max_size=4).map(_object)


def _arrays(values: Texts) -> Texts:
    return st.lists(values, max_size=3).map(lambda each: f"[{','.join(each)}]")


endpoints = _objects(st.sampled_from(["serviceName", "ipv4", "ipv6", "port", "x"]), scalars)
notes = _arrays(_objects(st.sampled_from(["timestamp", "value", "endpoint"]), scalars))
tags = _objects(st.sampled_from(["a", "b", "", "é", "error"]), scalars)
anything = st.recursive(scalars, lambda inner: _arrays(inner) | _objects(st.just("a"), inner))
fields = st.one_of(
    st.tuples(st.sampled_from(["id", "parentId", "kind", "name", "x"]), texts),
    st.tuples(st.sampled_from(["timestamp", "duration"]), numbers),
    st.tuples(st.sampled_from(["debug", "shared"]), st.sampled_from(["true", "false", "null"])),
    st.tuples(st.sampled_from(["localEndpoint", "remoteEndpoint"]), endpoints),
    st.tuples(st.just("annotations"), notes),
    st.tuples(st.just("tags"), tags),
    st.tuples(st.sampled_from(["id", "kind", "name", "timestamp", "tags", "x"]), anything),
)
json_messages = st.lists(fields, max_size=5).map(
    lambda members: f"[{_object([*_IDS, *members])}]".encode()
)

longs = st.integers(0, 1 << 64)
short = st.binary(max_size=17)
words = st.text("aÄ€😀", max_size=5).map(str.encode)


def _joined(*fields: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(st.one_of(*fields), max_size=3).map(b"".join)


endpoint = _joined(
    st.builds(block, st.just(1), words),
    st.builds(block, st.integers(2, 3), short),
    st.builds(varint, st.just(4), st.integers(-1, 1 << 33)),
)
annotation = _joined(
    st.builds(fixed64, st.just(1), st.integers(-5, 5)),
    st.builds(block, st.just(2), words),
)
proto_fields = st.one_of(
    st.builds(block, st.integers(2, 3), short),
    st.builds(block, st.just(5), words),
    st.builds(block, st.integers(8, 9), endpoint),
    st.builds(block, st.just(10), annotation),
    st.builds(block, st.just(11), _joined(st.builds(block, st.integers(1, 2), words))),
    st.builds(
        varint, st.sampled_from([4, 7, 12, 13]), st.integers(-1, 5) | st.integers(0, 1 << 64)
    ),
    st.builds(fixed64, st.just(6), st.integers(-5, 1 << 63)),
)
# What the real server doesn't know stands last, because it drops what follows.
unknown = st.one_of(
    st.builds(block, st.integers(14, 40), short),
    st.builds(fixed64, st.integers(14, 40), st.integers(0, 9)),
    st.builds(fixed32, st.integers(14, 40), st.integers(0, 9)),
    st.sampled_from([b"\xff", b"\x0a", b"\x73\x74", b"\x0a\x09x"]),
)
proto_messages = st.builds(
    lambda known, last: span(b"".join(known) + last),
    st.lists(proto_fields, max_size=5),
    st.just(b"") | unknown,
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Zipkin]:
    with Collector(Store()) as collector:
        yield Zipkin(collector.url)


@settings(max_examples=60)
@given(json_messages)
@example(b'[{"traceId":"TID","id":"b","timestamp":1.0,"timestamp":null}]')
def test_any_json(collector: Zipkin, zipkin: Zipkin, message: bytes) -> None:
    _check(collector, zipkin, message, "application/json")


@settings(max_examples=60)
@given(proto_messages)
def test_any_proto3(collector: Zipkin, zipkin: Zipkin, message: bytes) -> None:
    _check(collector, zipkin, message, "application/x-protobuf")


@given(st.one_of(json_messages, proto_messages))
@example(b'[{"traceId":"TID","id":"0"}]')
@example(b'[{"traceId":"TID","id":"b","timestamp":9223372036854775807,"duration":5}]')
@example(b'[{"traceId":"TID","id":"b","annotations":[{"timestamp":-5,"value":""}]}]')
def test_whatever_is_taken_can_be_looked_at(collector: Zipkin, message: bytes) -> None:
    trace = (b"\x11" + secrets.token_bytes(7)).hex()
    body = message.replace(b"TID", trace.encode()).replace(TRACE, bytes.fromhex(trace))
    content_type = "application/json" if body.startswith(b"[") else "application/x-protobuf"
    if collector.post(body, content_type).status == 202:
        assert collector.get(f"/zipkin/traces/{trace}").status == 200
        assert collector.get("/").status == 200


def _check(collector: Zipkin, zipkin: Zipkin, message: bytes, content_type: str) -> None:
    trace = b"\x11" + secrets.token_bytes(7)
    body = message.replace(TRACE, trace).replace(b"TID", trace.hex().encode())
    theirs, ours = zipkin.post(body, content_type), collector.post(body, content_type)
    assert (ours.status, ours.text) == (202, "") or theirs.status >= 400, theirs.text
    if theirs.status == 202:
        assert ours.status == 202, ours.text
        assert collector.trace(trace.hex()) == zipkin.trace(trace.hex())
