"""A fleet that OpenTelemetry instruments carries our context, by `OTEL_PROPAGATORS` alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import quote

import grpc
import pytest

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY, Baggage
from tests.brokers import redis_url, unique
from tests.interop.running import BIN, INSTRUMENTED, QUIET, SERVICES, End, get, processes

__all__ = ["redis_url"]
ENVIRONMENT = {
    **QUIET,
    "ANSWERS": "1",
    "OTEL_PROPAGATORS": "causal_baggage,tracecontext,baggage",
    "BAGGAGE_METAAPPS": "",
}


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    kinds = ("flask", "aiohttp", "grpc")
    commands: dict[str, tuple[str, ...]] = {
        kind: (*INSTRUMENTED, str(SERVICES / f"carries_{kind}.py")) for kind in kinds
    }
    run = (*BOTH[:2], "--service", "both", *BOTH[2:])
    for kind in ("flask", "aiohttp"):
        commands[f"both {kind}"] = (*run, str(SERVICES / f"carries_{kind}.py"))
    with processes(commands, ENVIRONMENT) as ports:
        yield ports


def header(tenant: str) -> str:
    return f"user={tenant};vip,{write_header(EMPTY.pack('tenant', tenant), origin='front')}"


def test_a_chain_carries_what_each_service_packs(ports: dict[str, int], end: End) -> None:
    behind = f"http://127.0.0.1:{ports['aiohttp']}/?to={quote(end.url)}"
    for tenant in ("acme", "ajax"):  # by warm workers
        assert get(ports["flask"], behind, baggage=header(tenant)) == (200, "end")
        received = read_header(end.header or "")
        assert received.unpack("tenant") == (tenant,)
        assert set(received.unpack("hops")) == {"flask", "aiohttp"}
        assert len(received.unpack("hops")) == 2
        assert set(received.unpack("seen")) == {
            f"{tenant} by a {where}" for where in ("thread", "pool", "task")
        }
        assert received.foreign[0].startswith(f"user={tenant}")
        assert "traceparent" in end.came


def test_a_request_without_baggage_begins_anew(ports: dict[str, int], end: End) -> None:
    for kind in ("flask", "aiohttp"):
        assert get(ports[kind], end.url, baggage=header("acme")) == (200, "end")
        for _ in range(2):
            assert get(ports[kind], end.url) == (200, "end")
            received = read_header(end.header or "")
            assert (received.unpack("tenant"), received.unpack("hops")) == ((), (kind,))


def test_requests_at_the_same_time_keep_apart(ports: dict[str, int], end: End) -> None:
    behind = f"http://127.0.0.1:{ports['aiohttp']}/?to="

    def ask(number: int) -> None:
        to = behind + quote(f"{end.url}?{number}")
        assert get(ports["flask"], to, baggage=header(f"tenant{number}")) == (200, "end")

    end.all.clear()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))
    tenants = [read_header(found["baggage"][0]).unpack("tenant") for found in end.all]
    assert sorted(tenants) == sorted((f"tenant{number}",) for number in range(24))


def test_calls_of_grpc_carry_it(ports: dict[str, int], end: End) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes]
        call = channel.unary_unary("/relay.Relay/Forward")
        for metadata in ((("baggage", header("acme")),), ()):
            call(f"127.0.0.1:{end.grpc}".encode(), metadata=metadata, timeout=300)
            received = read_header(end.header or "")
            assert received.unpack("tenant") == (("acme",) if metadata else ())
            assert received.unpack("hops") == ("grpc",)


def asked(port: int, end: End, tenant: str) -> tuple[Baggage, Baggage]:
    """Return what came to the end, and what the answer brought."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=300)) as connection:
        sent = {"baggage": header(tenant)}
        connection.request("GET", f"/?to={quote(end.url)}", headers=sent)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"end")
        (brought,) = answer.headers.get_all("baggage", [])
    return read_header(end.header or ""), read_header(brought)


@pytest.mark.parametrize("kind", ["flask", "aiohttp"])
def test_where_both_are_at_work_a_request_arrives_once_and_its_answer_brings_things_home(
    ports: dict[str, int], end: End, kind: str
) -> None:
    for tenant in ("acme", "ajax"):
        sent, brought = asked(ports[f"both {kind}"], end, tenant)
        assert sent.origin == brought.origin == "both"
        assert sent.unpack("hops") == brought.unpack("hops") == (kind,)
        assert sent.unpack("tenant") == (tenant,)
        assert sent.foreign == (f"user={tenant};vip",)
        assert "traceparent" in end.came


def test_with_a_response_propagator_an_answer_brings_things_home(
    ports: dict[str, int], end: End
) -> None:
    for tenant in ("acme", "ajax"):
        sent, brought = asked(ports["flask"], end, tenant)
        assert (sent.origin, bool(brought.origin)) == ("", True)
        assert brought.unpack("hops") == ("flask",)


@pytest.mark.parametrize("kind", ["flask", "aiohttp"])
@pytest.mark.parametrize("sent", ["causal=%%%", "causal=AAAA,causal=BBBB", "<=,=,;;,a", "x" * 7000])
def test_garbage_is_served_as_nothing(
    ports: dict[str, int], end: End, kind: str, sent: str
) -> None:
    assert get(ports[kind], end.url, baggage=sent) == (200, "end")
    assert read_header(end.header or "").unpack("hops") == (kind,)


BOTH = (str(BIN / "baggage"), "run", "--", *INSTRUMENTED)


@pytest.mark.parametrize("command", [INSTRUMENTED, BOTH], ids=["theirs", "both"])
def test_tasks_of_celery_carry_it(redis_url: str, command: tuple[str, ...]) -> None:
    environment = {**os.environ, **ENVIRONMENT, "BROKER": redis_url, "QUEUE": unique("interop")}
    script = str(SERVICES / "carries_celery.py")
    with subprocess.Popen([*command, script, "worker"], env=environment) as worker:
        try:
            done = subprocess.run(
                [*command, script, "ask", "acme", "ajax"],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                timeout=300,
                check=True,
            )
        finally:
            worker.terminate()
    brought = command is BOTH
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"seen": ["acme", 1], "brought": [1] * brought},
        {"seen": ["ajax", 1], "brought": [1] * brought},
        {"seen": [0], "brought": [0] * brought},
    ]
