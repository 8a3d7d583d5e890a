"""What the fuzzer, and reading for it, found in what both meta-applications read of strangers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from metaapps.filibuster.coordinator import Coordinator, Inbox
from metaapps.filibuster.foreign.messages import invocation
from metaapps.filibuster.foreign.server import ForeignServer
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.orders import sign
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.reporting import DELIVERIES
from metaapps.filibuster.wire import decode_observation, encode_observation
from metaapps.tracing.collector import json_v2
from metaapps.tracing.collector.zipkin_span import Refused

KEY = b"a key"
CALL: dict[str, Any] = {
    "instrumentation_type": "invocation",
    "source_service_name": "foo",
    "module": "requests",
    "method": "get",
    "execution_index": '[["a", 1]]',
}
LONG = 200_000


@pytest.fixture
def server() -> Iterator[ForeignServer]:
    """One that nobody reaches over the network."""
    server = ForeignServer(port=0)
    yield server
    server._server.server_close()


def told(server: ForeignServer, path: str, **fields: object) -> int:
    method = "PUT" if path == "create" else "POST"
    status, _ = server.answer(method, f"/filibuster/{path}", json.dumps(fields).encode())
    return status


def observed(server: ForeignServer, changes: dict[str, Any], end: dict[str, Any]) -> Observation:
    """Return what is kept of a call that was announced, and ended, in these words."""
    ledger = server.begin(FAULT_FREE, Inbox())
    assert told(server, "create", **{**CALL, **changes}) == 200
    about = {"instrumentation_type": "invocation_complete", "generated_id": ledger.next - 1}
    assert told(server, "update", **about, **end) == 200
    (seen,) = ledger.inbox.settle(0)
    assert decode_observation(encode_observation(seen)) == seen
    return seen


@pytest.mark.parametrize("timeout", [10**400, -(10**400), float("inf"), float("nan"), True])
def test_a_foreign_timeout_that_no_clock_has_is_none(
    server: ForeignServer, timeout: object
) -> None:
    assert observed(server, {"metadata": {"timeout": timeout}}, {}).timeout is None


@pytest.mark.parametrize("status", [1 << 32, 10**300, str(1 << 32), -1])
def test_a_foreign_status_beyond_our_wire_is_none(server: ForeignServer, status: object) -> None:
    assert observed(server, {}, {"return_value": {"status_code": status}}).status is None


def test_a_foreign_clock_counts_nobody_who_did_nothing(server: ForeignServer) -> None:
    seen = observed(server, {"vclock": {"foo": 0, "bar": 1}, "origin_vclock": {"foo": 0}}, {})
    assert (seen.clock, seen.origin) == ({"bar": 1}, {})


def test_a_foreign_line_beyond_our_wire_is_none(server: ForeignServer) -> None:
    assert observed(server, {"callsite_line": 1 << 32}, {}).site.line == 0


def test_an_address_that_is_none_gets_an_answer(server: ForeignServer) -> None:
    assert server.answer("GET", "http://[", b"")[0] == 400


@pytest.mark.parametrize("unit", ["a", "a.", "https", "0a", "a:", "://", "//a"])
def test_foreign_arguments_are_read_once(unit: str) -> None:
    # Twice for each letter would be 10 ** 10 steps: no test takes that long.
    invocation({**CALL, "args": [unit * (LONG // len(unit))]})


@pytest.mark.parametrize("least", ["Infinity", "-Infinity", "NaN", "1e999", '"x"', "[]"])
def test_a_count_that_is_no_number_is_refused(least: str) -> None:
    coordinator = Coordinator(KEY)
    try:
        coordinator.open("e")
        body = f'{{"execution": "e", "least": {least}}}'.encode()
        signature = sign(DELIVERIES.encode() + b"\n" + body, KEY).hex()
        assert coordinator.answer(DELIVERIES, f"Signature {signature}", body) == (400, None)
    finally:
        coordinator._server.server_close()


def posted(timestamp: str) -> bytes:
    return f'[{{"traceId":"1","id":"2","timestamp":{timestamp}}}]'.encode()


@pytest.mark.parametrize(
    "number",
    [
        "1" * LONG,
        f'"{"1" * LONG}x"',
        f'"{"0" * LONG}x"',
        f'"1.{"1" * LONG}x"',
        f'"1e{"1" * LONG}x"',
    ],
)
def test_a_time_of_many_digits_is_refused_and_read_once(number: str) -> None:
    with pytest.raises(Refused, match=r"timestamp: .* is no whole number of 64 bits"):
        json_v2.decode(posted(number))


@pytest.mark.parametrize(
    ("number", "read"), [("0", 0), ("-0", 0), ('"+12"', 12), (f'"{"0" * LONG}7"', 7), ('"5."', 5)]
)
def test_a_time_is_read_however_it_is_written(number: str, read: int) -> None:
    (span,) = json_v2.decode(posted(number))
    assert span.timestamp == read


@pytest.mark.parametrize("quoted", [r"\n\u001b[2J\u0000", "x" * LONG])
def test_a_refusal_is_one_line_whatever_it_quotes(quoted: str) -> None:
    for body in (posted(f'"{quoted}"'), f'[{{"traceId":"{quoted}"}}]'.encode()):
        with pytest.raises(Refused) as refused:
            json_v2.decode(body)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) <= 1000
