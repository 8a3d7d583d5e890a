"""What the collector takes, refuses and keeps is what a real Zipkin server does: row by row."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from metaapps.tracing.collector import Collector, Store
from tests.tracing.collector import json_cases, proto_cases
from tests.tracing.zipkin_server import Answer, Zipkin

JSON = "application/json"
PROTO3 = "application/x-protobuf"
IDS = ('"traceId":"TID"', '"id":"000000000000000b"')


class Row(NamedTuple):
    """A message to post, and what is kept of trace TID: a JSON list, or None if it is refused."""

    name: str
    content_type: str
    body: bytes
    kept: str | None


def _json_rows() -> Iterator[Row]:
    for body, kept in json_cases.ARRAYS:
        yield Row(body, JSON, body.encode(), kept)
    for table in ("FIELDS", "ENDPOINTS", "ANNOTATIONS", "TAGS", "FLAGS", "NESTED"):
        rows: json_cases.Rows = getattr(json_cases, table)
        for fields, rest in rows:
            body = f'[{{"traceId":"TID","id":"b",{fields}}}]'
            yield Row(f"{table} {fields[:60]}", JSON, body.encode(), _whole(rest))


def _proto_rows() -> Iterator[Row]:
    for name, body, kept in proto_cases.MESSAGES:
        yield Row(name, PROTO3, body, kept)
    for name, fields, rest in proto_cases.FIELDS:
        yield Row(name, PROTO3, proto_cases.span(fields), _whole(rest))


def _whole(rest: str | None) -> str | None:
    """Return a trace of one span with these members beside its ids, in the order of the server."""
    if rest is None:
        return None
    trace, span = IDS
    parent, name, others = rest.partition('"parentId":')
    if rest.startswith('"id":'):
        return f"[{{{trace},{rest}}}]"
    if name and not parent:
        digits, _, others = others.partition(",")
        members = [trace, f"{name}{digits}", span, others]
    else:
        members = [trace, span, rest]
    return f"[{{{','.join(filter(None, members))}}}]"


ROWS = [*_json_rows(), *_proto_rows()]


@pytest.fixture(scope="module")
def collector() -> Iterator[Zipkin]:
    with Collector(Store()) as collector:
        yield Zipkin(collector.url)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_collector_keeps_or_refuses(row: Row, collector: Zipkin) -> None:
    assert _done(collector, row) == row.kept


def test_a_real_server_keeps_and_refuses_the_same(zipkin: Zipkin) -> None:
    wrong = [(row, kept) for row in ROWS if (kept := _done(zipkin, row)) != row.kept]
    assert not wrong


def test_what_is_refused_is_told_in_one_line(collector: Zipkin) -> None:
    for row in ROWS:
        if row.kept is None:
            answer, _ = _post(collector, row)
            assert answer.text
            assert answer.body.endswith(b"\n")
            assert "\n" not in answer.text


@pytest.mark.parametrize(("fields", "kept"), json_cases.LENIENT)
def test_the_collector_refuses_json_that_only_a_lenient_reader_takes(
    fields: str, kept: str, collector: Zipkin
) -> None:
    body = f'[{{"traceId":"TID","id":"b",{fields}}}]'.encode()
    assert _done(collector, Row(fields, JSON, body, None)) is None


def test_a_real_server_takes_json_that_only_a_lenient_reader_takes(zipkin: Zipkin) -> None:
    for fields, kept in json_cases.LENIENT:
        body = f'[{{"traceId":"TID","id":"b",{fields}}}]'.encode()
        row = Row(fields, JSON, body, _whole(kept))
        assert _done(zipkin, row) == row.kept


@pytest.mark.parametrize(
    ("name", "fields", "rest"),
    proto_cases.SWALLOWED,
    ids=[name for name, *_ in proto_cases.SWALLOWED],
)
def test_the_collector_keeps_what_follows_an_unknown_field(
    name: str, fields: bytes, rest: str, collector: Zipkin
) -> None:
    row = Row(name, PROTO3, proto_cases.span(fields), _whole(rest))
    assert _done(collector, row) == row.kept


def test_a_real_server_drops_what_follows_an_unknown_field(zipkin: Zipkin) -> None:
    for name, fields, _ in proto_cases.SWALLOWED:
        row = Row(name, PROTO3, proto_cases.span(fields), _whole(""))
        assert _done(zipkin, row) == row.kept


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ('"timestamp":1.5', ".timestamp: 1.5 is no whole number of 64 bits"),
        ('"tags":{"a":"","b.c":null}', ".tags.b.c: expected a string, not null"),
        ('"tags":[]', ".tags: expected an object, not an array"),
        ('"localEndpoint":{"port":65536}', ".localEndpoint.port: port 65536 is more than 65535"),
        (
            '"annotations":[{"timestamp":1,"value":"a"},{"timestamp":"x","value":"a"}]',
            ".annotations[1].timestamp: x is no whole number of 64 bits",
        ),
        (
            '"annotations":[{"timestamp":1}]',
            ".annotations[0]: an annotation needs a timestamp and a value",
        ),
    ],
)
def test_a_refusal_says_where(fields: str, where: str, collector: Zipkin) -> None:
    body = f'[{{"traceId":"1","id":"b"}},{{"traceId":"1","id":"b",{fields}}}]'.encode()
    assert collector.post(body).text == f"$[1]{where}"


def test_one_bad_span_refuses_the_whole_message(collector: Zipkin) -> None:
    body = b'[{"traceId":"TID","id":"b"},{"traceId":"TID","id":"c","kind":"x"}]'
    answer, trace_id = _post(collector, Row("", JSON, body, None))
    assert (answer.status, answer.text) == (
        400,
        "$[1].kind: 'x' is none of CLIENT, SERVER, PRODUCER, CONSUMER",
    )
    assert collector.get(f"/api/v2/trace/{trace_id}").status == 404


def _done(server: Zipkin, row: Row) -> str | None:
    """Post a row under a trace's id of its own, and return what is kept; None if it is refused."""
    answer, trace_id = _post(server, row)
    if answer.status == 400:
        return None
    assert (answer.status, answer.body) == (202, b"")
    expected = row.kept or "[]"
    if "TID" not in expected:
        return expected  # nothing to ask for
    high = expected.partition('"traceId":"')[2].partition("TID")[0]
    kept = server.trace(high + trace_id, spans=expected.count('"traceId"'))
    return kept.decode().replace(trace_id, "TID")


def _post(server: Zipkin, row: Row) -> tuple[Answer, str]:
    trace = b"\x11" + secrets.token_bytes(7)
    body = row.body.replace(proto_cases.TRACE, trace).replace(b"TID", trace.hex().encode())
    return server.post(body, row.content_type), trace.hex()
