"""Servers whose answers take a random time, and clients whose calls differ in what they carry."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc

from baggage.context import suppressed

LONGEST = 0.01


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(random.uniform(0, LONGEST))
        self.send_response(503 if self.path.endswith("/failing") else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


@contextmanager
def http_server() -> Iterator[str]:
    """Serve; yield the URL. Nothing here is part of any execution."""
    with suppressed():
        server = _Server(("127.0.0.1", 0), _Handler)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/x"
    finally:
        server.shutdown()
        server.server_close()


class _Answering(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            time.sleep(random.uniform(0, LONGEST))
            return b"ok"

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def grpc_server() -> Iterator[str]:
    """Serve any method; yield the address."""
    with suppressed():
        server = grpc.server(ThreadPoolExecutor(16))
        server.add_generic_rpc_handlers((_Answering(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
