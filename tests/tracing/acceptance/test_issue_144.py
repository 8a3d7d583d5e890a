"""A proxy makes four requests at once by a low-level client: one trace, in any way to be at once.

py_zipkin's issue 144, as its reporter would write it: by hooks on http.client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest

from metaapps.tracing import Kind
from metaapps.tracing.causality import Causality
from metaapps.tracing.export.file import read

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
HOOKS = ROOT / "examples/tracing/hooks.py"
BACKENDS = {"one": "joined", "two": "flask", "three": "joined", "four": "flask"}
SETTINGS = ("one_thread", "by_hand", "threads", "pool", "gather", "gevent", "eventlet")
PATCHED_BY = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": (
        "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()"
    ),
}
RUN = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"

Zipkin = Mapping[str, Any]


class Service(NamedTuple):
    """A process that serves."""

    process: subprocess.Popen[str]
    port: int

    @property
    def pid(self) -> str:
        return str(self.process.pid)


@contextmanager
def running(traces: Path, script: str, *words: str, patch: str = "") -> Iterator[Service]:
    command = [sys.executable, "-c", f"{patch}\n{RUN}", str(HERE / script), *words]
    environ = {**os.environ, "TRACING_FILE": str(traces), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Service(process, int(process.stdout.readline()))
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces") / "spans.json"


@pytest.fixture(scope="module")
def backends(traces: Path) -> Iterator[dict[str, Service]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running(traces, "backend.py", made, name))
            for name, made in BACKENDS.items()
        }


class Traced(NamedTuple):
    """The spans of one trace, and the process that was the proxy."""

    spans: list[Zipkin]
    proxy: Service

    def of(self, kind: str) -> list[Zipkin]:
        return [span for span in self.spans if span.get("kind") == kind]

    @property
    def served(self) -> Zipkin:
        """The span of the proxy's request."""
        (served,) = [span for span in self.of("SERVER") if service(span) == "proxy"]
        return served

    @property
    def answered(self) -> dict[str, Zipkin]:
        """The backends' spans, by id."""
        return {span["id"]: span for span in self.of("SERVER") if service(span) != "proxy"}


def service(span: Zipkin, side: str = "localEndpoint") -> str:
    name: str = span[side]["serviceName"]
    return name


@pytest.fixture(scope="module", params=SETTINGS)
def traced(request: pytest.FixtureRequest, traces: Path, backends: dict[str, Service]) -> Traced:
    method = "HEAD" if request.param == "one_thread" else "GET"
    ports = [str(backend.port) for backend in backends.values()]
    patch = PATCHED_BY.get(request.param, "")
    with running(traces, "proxy.py", request.param, method, *ports, patch=patch) as proxy:
        with urlopen(f"http://127.0.0.1:{proxy.port}/", timeout=300) as response:
            trace_id = response.read().decode()
        assert proxy.process.wait(300) == 0
    spans = [span for span in json.loads(traces.read_text()) if span["traceId"] == trace_id]
    return Traced(spans, proxy)


def test_there_are_nine_spans_and_no_others(traced: Traced) -> None:
    assert len(traced.spans) == 9
    assert len(traced.of("SERVER")) == 5
    assert len({span["id"] for span in traced.of("CLIENT")}) == 4
    assert "parentId" not in traced.served


def test_the_four_calls_are_siblings_below_the_proxys_request(traced: Traced) -> None:
    calls = traced.of("CLIENT")
    assert [call["parentId"] for call in calls] == [traced.served["id"]] * 4
    assert [service(call) for call in calls] == ["proxy"] * 4


def test_each_call_notes_once_that_the_headers_came(traced: Traced) -> None:
    for call in traced.of("CLIENT"):
        (note,) = call["annotations"]
        assert note["value"] == "Response headers received"
        assert call["timestamp"] <= note["timestamp"] <= call["timestamp"] + call["duration"] + 1


def test_each_backends_span_is_the_other_half_of_a_call(
    traced: Traced, backends: dict[str, Service]
) -> None:
    assert traced.answered.keys() == {call["id"] for call in traced.of("CLIENT")}
    for answer in traced.answered.values():
        assert (answer["shared"], answer["parentId"]) == (True, traced.served["id"])
    assert sorted(map(service, traced.answered.values())) == sorted(backends)


def test_the_halves_know_both_services_and_both_addresses(
    traced: Traced, backends: dict[str, Service]
) -> None:
    for call in traced.of("CLIENT"):
        answer = traced.answered[call["id"]]
        backend = backends[service(answer)]
        assert service(answer, "remoteEndpoint") == service(call) == "proxy"
        for span, client, server in (
            (call, "localEndpoint", "remoteEndpoint"),
            (answer, "remoteEndpoint", "localEndpoint"),
        ):
            assert span[server]["ipv4"] == span[client]["ipv4"] == "127.0.0.1"
            assert span[server]["port"] == backend.port
        assert call["localEndpoint"]["port"] == answer["remoteEndpoint"]["port"]


def test_each_half_has_its_own_process(traced: Traced, backends: dict[str, Service]) -> None:
    for call in traced.of("CLIENT"):
        answer = traced.answered[call["id"]]
        assert call["tags"]["pid"] == traced.proxy.pid
        assert answer["tags"]["pid"] == backends[service(answer)].pid


def test_no_call_waited_for_another_but_each_for_its_backend(traced: Traced, traces: Path) -> None:
    spans = [span for span in read(traces) if span.position.trace_id == traced.served["traceId"]]
    causality = Causality.of(spans)
    calls = [span for span in spans if span.kind is Kind.CLIENT]
    assert all(causality.concurrent(one, other) for one, other in combinations(calls, 2))
    assert all(call.position.span_id in call.labels()["causal.joined"] for call in calls)
    assert not any("causal.cut" in call.labels() for call in calls)


def test_the_hooks_are_twelve_lines_and_use_nothing_private() -> None:
    hooks = HOOKS.read_text().split('"""', 2)[2].strip()
    lines = hooks.splitlines()
    code = [line for line in lines if line and not line.startswith(("import ", "from "))]
    assert len(code) <= 12
    assert not any(" _" in line or "._" in line for line in code)
    assert hooks in (ROOT / "docs/spans.md").read_text()
