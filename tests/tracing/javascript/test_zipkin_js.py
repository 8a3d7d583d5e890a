"""A server that Zipkin's tracer for JavaScript traces shares the span of our call."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from metaapps.tracing.collector import Collector, Store
from tests.tracing.javascript.package import modules
from tests.tracing.zipkin_server import Zipkin

CALL = """
import sys
import baggage
from metaapps import tracing
baggage.instrument(service=sys.argv[1])
import requests
with tracing.start("work"):
    assert requests.get(sys.argv[2], timeout=300).text == "done"
"""


@pytest.fixture(scope="module")
def collector() -> Iterator[Zipkin]:
    with Collector(Store()) as collector:
        yield Zipkin(collector.url)


@contextlib.contextmanager
def _serving(report_to: str, service: str) -> Generator[str]:
    """Run a server in JavaScript, and return its URL."""
    script = Path(__file__).with_name("server.js")
    process = subprocess.Popen(
        ["node", str(script), report_to, service],
        stdout=subprocess.PIPE,
        env=os.environ | {"NODE_PATH": str(modules())},
    )
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/stock"
        finally:
            process.kill()


def _check_shared(server: Zipkin, formats: str) -> None:
    mark = secrets.token_hex(6)
    ours, theirs = f"python-{mark}", f"javascript-{mark}"
    with _serving(server.url, theirs) as url:
        told = {"TRACING_URL": server.url, "TRACING_FORMATS": formats}
        call = [sys.executable, "-c", CALL, ours, url]
        subprocess.run(call, env=os.environ | told, check=True)
        trace = _trace(server, theirs)
    work, client, remote = (
        next(span for span in trace if span.get("kind") == kind)
        for kind in (None, "CLIENT", "SERVER")
    )
    assert client["parentId"] == work["id"]
    assert (remote["id"], remote["parentId"]) == (client["id"], work["id"])
    assert remote["shared"] is True
    assert "shared" not in client
    assert remote["localEndpoint"]["serviceName"] == theirs
    now = time.time_ns() // 1_000_000 + 60_000
    links = server.get(f"/api/v2/dependencies?endTs={now}&lookback=600000").json
    assert {"parent": ours, "child": theirs, "callCount": 1} in links


def _trace(server: Zipkin, service: str) -> list[dict[str, Any]]:
    """Return the trace that a service has a part in, once all three parts are there."""
    deadline = time.monotonic() + 60
    while True:
        found = server.get(f"/api/v2/traces?serviceName={service}").json
        if found and len(found[0]) == 3:
            return list(found[0])
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.mark.parametrize("formats", ["b3", "b3multi", "b3multi,w3c"])
def test_it_shares_the_span_of_our_call(formats: str, collector: Zipkin) -> None:
    _check_shared(collector, formats)


@pytest.mark.parametrize("formats", ["b3", "b3multi"])
def test_a_real_server_shows_that_it_shares_the_span_of_our_call(
    formats: str, zipkin: Zipkin
) -> None:
    _check_shared(zipkin, formats)
