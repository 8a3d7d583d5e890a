"""The hooks of issue 144, where things don't go as they should."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

import baggage
from baggage import context
from baggage.values import EMPTY
from examples.tracing.hooks import Connection
from metaapps import tracing
from metaapps.tracing.export.memory import Memory


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory()
    baggage.register(tracing.Tracing(memory.report, service="proxy"))
    with context.attached(EMPTY):
        yield memory
    baggage.unregister("tracing")


def test_each_request_of_a_kept_connection_has_a_span_of_its_own(memory: Memory, port: int) -> None:
    connection = Connection("127.0.0.1", port)
    for _ in range(3):
        connection.request("GET", "/")
        with connection.getresponse() as response:  # type: ignore[no-untyped-call]
            assert response.read() == b"ok"
    connection.close()
    assert [len(span.annotations) for span in memory.spans] == [1, 1, 1]
    assert len({span.local for span in memory.spans}) == 1


def test_a_response_that_is_forgotten_ends_its_span(memory: Memory, port: int) -> None:
    connection = Connection("127.0.0.1", port)
    connection.request("GET", "/")
    connection.getresponse().read()  # type: ignore[no-untyped-call]
    connection.request("GET", "/")  # which makes the connection forget it, too
    gc.collect()
    assert len(memory.spans) == 1
    connection.getresponse().close()  # type: ignore[no-untyped-call]
    connection.close()


def test_a_span_is_with_its_connection_as_soon_as_anything_can_fail(memory: Memory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    connection = Connection("127.0.0.1", port)
    with pytest.raises(ConnectionRefusedError) as refused:
        connection.request("GET", "/")
    tracing.bound(connection).error(refused.value).finish()
    assert (memory.spans[0].error or "").startswith("ConnectionRefusedError: ")
