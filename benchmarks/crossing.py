"""What a round trip of requests and Flask costs, bare and with everything that may stand around it.

Prints the CPU time of the whole process (client and server are two of its threads) per round trip
over a kept-alive connection, what each variant adds to the bare one, and that as a share of what
OpenTelemetry's instrumentations add. Each variant is a process of its own; they take turns at short
blocks of calls, and the lower quartile of a variant's blocks counts, because what else the machine
does only ever adds.

    python -m benchmarks.crossing [--blocks 80] [--calls 40]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from statistics import quantiles
from typing import Any

BARE, OPENTELEMETRY = "bare", "OpenTelemetry (requests + flask)"


def bare() -> None:
    """Instrument nothing."""


def _instrument(*apps: Any) -> None:
    from baggage.runtime import Runtime, Settings

    runtime = Runtime(Settings(metaapps=frozenset()))
    for app in apps:
        runtime.register(app)
    runtime.instrument("requests", "flask")


def nothing_registered() -> None:
    _instrument()


def one_observer() -> None:
    from baggage.boundary import PROCEED, Interest

    class Observer:
        name = "observer"

        def interest(self, kind: Any, library: str) -> Interest:
            return Interest.OBSERVE

        def around(self, call: Any) -> Any:
            yield PROCEED

    _instrument(Observer())


def idle_filibuster() -> None:
    from metaapps.filibuster.app import Filibuster

    _instrument(Filibuster((b"key",)))


def tracing() -> None:
    from metaapps.tracing.app import Tracing

    spans: list[Any] = []
    _instrument(Tracing(spans.append))


def carrying() -> None:
    """Carry a value out on each call, without anybody who asks."""
    import baggage

    _instrument()
    baggage.pack("tenant", "acme")


def opentelemetry() -> None:
    from opentelemetry import trace
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    FlaskInstrumentor().instrument()


VARIANTS: dict[str, Callable[[], None]] = {
    BARE: bare,
    "nothing registered": nothing_registered,
    "nothing registered, one value carried": carrying,
    "one observer": one_observer,
    "filibuster, idle": idle_filibuster,
    "tracing, every call sampled": tracing,
    OPENTELEMETRY: opentelemetry,
}


def work(variant: str, calls: int) -> None:
    """Measure a block for each line of the standard input; print its CPU µs for each call."""
    VARIANTS[variant]()
    import requests
    from flask import Flask
    from werkzeug.serving import WSGIRequestHandler, make_server

    class KeepsAlive(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: Any, **__: Any) -> None:
            pass

    app = Flask("benchmark")
    app.add_url_rule("/users/<int:user>", view_func=lambda user: f"user {user}", endpoint="user")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepsAlive)
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(60,), daemon=True).start()
    url = f"http://127.0.0.1:{server.port}/users/1"
    session = requests.Session()
    session.trust_env = False
    for _ in sys.stdin:
        start = time.process_time()
        for _ in range(calls):
            session.get(url, timeout=10)
        print((time.process_time() - start) / calls * 1e6, flush=True)


class Worker:
    """A process that measures one variant."""

    def __init__(self, variant: str, calls: int) -> None:
        command = [sys.executable, "-m", "benchmarks.crossing", "--calls", str(calls)]
        self._process = subprocess.Popen(
            [*command, "--one", variant], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def block(self) -> float:
        """Measure one block."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate()


def run(blocks: int, calls: int) -> dict[str, float]:
    """Return the CPU µs of a round trip under each variant that can be tried here."""
    variants = list(VARIANTS)
    if not _has_opentelemetry():
        variants.remove(OPENTELEMETRY)
    workers = {variant: Worker(variant, calls) for variant in variants}
    for worker in workers.values():
        worker.block()
    found: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(blocks):
        for variant, worker in workers.items():
            found[variant].append(worker.block())
    for worker in workers.values():
        worker.end()
    return {variant: quantiles(times, n=4)[0] for variant, times in found.items()}


def _has_opentelemetry() -> bool:
    with suppress(ModuleNotFoundError):
        names = ("requests", "flask")
        return all(find_spec(f"opentelemetry.instrumentation.{name}") for name in names)
    return False


def table(found: dict[str, float]) -> str:
    """Return the results for people."""
    least = found[BARE]
    peer = found.get(OPENTELEMETRY)
    lines = [f"{'round trip':40} {'CPU µs':>8} {'added':>8} {'×bare':>6} {'of OTel':>8}"]
    for variant, spent in found.items():
        added = spent - least
        share = "" if peer is None else f"{added / (peer - least):8.0%}"
        ratio = spent / least
        lines.append(f"{variant:40} {spent:8.0f} {added:+8.0f} {ratio:6.2f} {share}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing")
    parser.add_argument("--blocks", type=int, default=80)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        work(options.one, options.calls)
    else:
        print(table(run(options.blocks, options.calls)))


if __name__ == "__main__":
    main()
