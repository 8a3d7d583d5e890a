"""A server that takes messages of spans, remembers them, and answers as it is told."""

from __future__ import annotations

import gzip
import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

from metaapps.tracing.span import Position, Span

SILENCE = 0
"""The status of an answer that never comes: the connection ends instead."""


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    client: tuple[str, int]
    """Who sent it: the same for all requests of one connection."""

    @property
    def plain(self) -> bytes:
        packed = self.headers.get("content-encoding") == "gzip"
        return gzip.decompress(self.body) if packed else self.body

    @property
    def ids(self) -> list[int]:
        return [int(span["id"], 16) for span in json.loads(self.plain)]


@dataclass(frozen=True)
class Answer:
    status: int = 202
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False
    """Whether the connection ends after it, without a word about that."""


class Collector:
    """Answers each request by `answer`, once `gate` is open."""

    def __init__(self, answer: Callable[[Received], Answer] = lambda _: Answer()) -> None:
        self.answer = answer
        self.gate = threading.Event()
        self.gate.set()
        self.begun: queue.Queue[Received] = queue.Queue()
        """What has arrived, answered or not."""
        self.received: list[Received] = []
        """What was answered with 2xx."""
        self.hung_up: queue.Queue[None] = queue.Queue()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[int]:
        return [number for request in self.received for number in request.ids]

    @contextmanager
    def serving(self, port: int = 0, secure: SSLContext | None = None) -> Iterator[Collector]:
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        server.daemon_threads = True
        if secure is not None:
            server.socket = secure.wrap_socket(server.socket, server_side=True)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.gate.set()
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, body, self.client_address)
            collector.begun.put(received)
            collector.gate.wait()
            answer = collector.answer(received)
            if answer.status == SILENCE:
                self.close_connection = True
                return
            if answer.status < 300:
                collector.received.append(received)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = answer.hang_up

        def finish(self) -> None:
            super().finish()
            self.connection.close()
            collector.hung_up.put(None)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler


def numbered(number: int, name: str = "", **more: Any) -> Span:
    """Return a span whose id is a number above 0."""
    return Span(Position.root(b"t" * 16, number.to_bytes(8, "big")), name=name, **more)
