"""What a round trip of requests and Flask costs, bare and with everything that may stand around it.

Prints CPU time of the whole process (client and server are two of its threads) per round trip over a
kept-alive connection, what each variant adds to the bare one, and that as a share of what
OpenTelemetry's instrumentations add. Variants run in processes of their own, in turns, and the
fastest turn counts: what else the machine does only ever adds.

    python -m benchmarks.crossing [--turns 7] [--calls 400]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
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


def measure(variant: str, calls: int) -> float:
    """Return the CPU time of a round trip under a variant, in µs. Once in a process."""
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
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.port}/users/1"
    session = requests.Session()
    session.trust_env = False
    for _ in range(calls // 4):
        session.get(url, timeout=10)
    start = time.process_time()
    for _ in range(calls):
        session.get(url, timeout=10)
    return (time.process_time() - start) / calls * 1e6


def turn(variant: str, calls: int) -> float:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.crossing", "--calls", str(calls), "--one", variant]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(ran.stdout))


def run(turns: int, calls: int) -> dict[str, float]:
    """Return the fastest turn of each variant that can be tried here."""
    variants = list(VARIANTS)
    if not _has_opentelemetry():
        variants.remove(OPENTELEMETRY)
    best = dict.fromkeys(variants, float("inf"))
    for _ in range(turns):
        for variant in variants:
            best[variant] = min(best[variant], turn(variant, calls))
    return best


def _has_opentelemetry() -> bool:
    with suppress(ModuleNotFoundError):
        names = ("requests", "flask")
        return all(find_spec(f"opentelemetry.instrumentation.{name}") for name in names)
    return False


def table(best: dict[str, float]) -> str:
    """Return the results for people."""
    least = best[BARE]
    peer = best.get(OPENTELEMETRY)
    lines = [f"{'round trip':40} {'CPU µs':>8} {'added':>8} {'×bare':>6} {'of OTel':>8}"]
    for variant, spent in best.items():
        added = spent - least
        share = "" if peer is None else f"{added / (peer - least):8.0%}"
        ratio = spent / least
        lines.append(f"{variant:40} {spent:8.0f} {added:+8.0f} {ratio:6.2f} {share}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(measure(options.one, options.calls)))
    else:
        print(table(run(options.turns, options.calls)))


if __name__ == "__main__":
    main()
