"""Services in processes of their own, and an end that keeps what comes to it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import grpc
import pytest

SERVICES: Final = Path(__file__).with_name("services")
BIN: Final = Path(sys.executable).parent
QUIET: Final = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
INSTRUMENTED: Final = (str(BIN / "opentelemetry-instrument"), sys.executable)
NODE_PACKAGES: Final = (
    "@opentelemetry/sdk-trace-node@2.2.0",
    "@opentelemetry/instrumentation-http@0.208.0",
    "@opentelemetry/api@1.9.0",
)


@contextmanager
def processes(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str] = QUIET
) -> Iterator[dict[str, int]]:
    """Run services that print their ports; yields these, by name. All start at the same time."""
    told = {name: value for name, value in os.environ.items() if not name.startswith("BAGGAGE")}
    with ExitStack() as stack:
        started = {}
        for name, command in commands.items():
            process = subprocess.Popen(
                [*command], env={**told, **environment}, stdout=subprocess.PIPE, text=True
            )
            started[name] = process
            stack.callback(process.wait)
            stack.callback(process.kill)
        ports = {}
        for name, process in started.items():
            assert process.stdout is not None
            stack.callback(process.stdout.close)
            ports[name] = int(process.stdout.readline() or pytest.fail(f"{name} did not start"))
        yield ports


@dataclass
class End:
    """Where a chain ends: it keeps the headers of the last request that came, and of `all`."""

    http: int = 0
    grpc: int = 0
    came: dict[str, list[str]] = field(default_factory=dict)
    all: list[dict[str, list[str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}/"

    @property
    def header(self) -> str | None:
        """The one `baggage` header."""
        lines = self.came.get("baggage", [])
        assert len(lines) <= 1, "two headers"
        return lines[0] if lines else None

    def take(self, headers: Any) -> None:
        came: dict[str, list[str]] = {}
        for name, value in headers:
            came.setdefault(name.lower(), []).append(value)
        self.came = came
        self.all.append(came)


@contextmanager
def ending() -> Iterator[End]:
    """Serve HTTP and gRPC, in this process, without any instrumentation."""
    end = End()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            end.take(self.headers.items())
            self.send_response(200)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"end")

        def log_message(self, *_: object) -> None:
            pass

    def called(_: bytes, context: grpc.ServicerContext) -> bytes:
        end.take(context.invocation_metadata())
        return b"end"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    end.http = server.server_port
    calls = grpc.server(ThreadPoolExecutor(2))
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]]
    methods = {"Forward": grpc.unary_unary_rpc_method_handler(called)}
    relay = grpc.method_handlers_generic_handler("relay.Relay", methods)
    calls.add_generic_rpc_handlers((relay,))
    end.grpc = calls.add_insecure_port("127.0.0.1:0")
    calls.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield end
    finally:
        server.shutdown()
        server.server_close()
        calls.stop(None).wait()


def get(port: int, to: str, **headers: str) -> tuple[int, str]:
    """Have a service pass a request on; return its answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("GET", f"/?to={quote(to)}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
