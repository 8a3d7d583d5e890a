"""The collector's HTTP server, in threads of its own; what it answers is in `answers`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from threading import Thread
from types import TracebackType
from typing import Final, Self

from baggage.context import suppressed
from metaapps.tracing.collector.answers import Answer, Answers
from metaapps.tracing.collector.message import MAX_MESSAGE
from metaapps.tracing.collector.store import Kept, Store

logger: Final = logging.getLogger("metaapps.tracing")

_MAX_LINE: Final = 1_024


def _silent(_: Kept) -> None:
    """Tell nobody."""


class Collector:
    """Serves a store as a context manager, and stops on the way out.

    Raises OSError if the port is taken; port 0 takes a free one. `grown` hears of spans that came,
    in the thread of the request, which waits for it.
    """

    def __init__(
        self,
        store: Store,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        grown: Callable[[Kept], None] = _silent,
    ) -> None:
        self._server: Final = _Server(host, port, Answers(store, grown))
        self._thread: Final = Thread(
            target=self._server.serve_forever, args=(0.1,), name="collector", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        # What it does is no part of a trace, whoever starts it.
        with suppressed():
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _TooLarge(Exception):
    """A message has more bytes than anybody looks at."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # All services may report at the same moment.
    request_queue_size = 1024

    def __init__(self, host: str, port: int, answers: Answers) -> None:
        self.address_family = AF_INET6 if ":" in host else AF_INET
        self.answers: Final = answers
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say in the log, in one line, that a request failed: mostly its client went away."""
        logger.info("a request was not answered: %r", sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30.0

    def do_GET(self) -> None:
        self._send(self.server.answers.get(self.path))

    def do_HEAD(self) -> None:
        self.do_GET()  # `_send` leaves the body out.

    def do_POST(self) -> None:
        try:
            body = self._body()
        except _TooLarge:
            self.close_connection = True
            self._send(Answer(413, f"more than {MAX_MESSAGE} bytes\n".encode()))
            return
        except ValueError:
            self.close_connection = True
            self._send(Answer(400, b"the body's length can't be read\n"))
            return
        kind = self.headers.get("Content-Type", "")
        encoding = self.headers.get("Content-Encoding", "")
        self._send(self.server.answers.post(self.path, body, kind, encoding))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Stay silent: what came is told by traces."""

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = int(self.headers.get("Content-Length", "0"))
        if length > MAX_MESSAGE:
            raise _TooLarge
        if length < 0:
            raise ValueError(length)
        return self.rfile.read(length)

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline(_MAX_LINE).partition(b";")[0], 16):
            if size < 0 or len(body) + size > MAX_MESSAGE:
                raise _TooLarge
            body += self.rfile.read(size)
            self.rfile.readline(_MAX_LINE)
        while self.rfile.readline(_MAX_LINE) not in {b"\r\n", b"\n", b""}:
            pass  # trailers
        return bytes(body)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        # What a sender wrote is told back to people in browsers: it is never to be taken for HTML.
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
