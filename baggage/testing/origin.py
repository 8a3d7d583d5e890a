"""A real HTTP server that remembers what it was asked and does as it is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from baggage.boundary import Boundary, Kind, PlainFacts, Policy, Returned
from baggage.context import suppressed
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.suite import comes_to_hold, failure

_ABORT: Final = struct.pack("ii", 1, 0)
_ON_ITS_WAY: Final = 2.0
_ATTEMPTS: Final = 20


class Silence(Enum):
    """What can be done instead of an answer."""

    HANG = "say nothing until the server stops"
    RESET = "reset the connection"


HANG, RESET = Silence.HANG, Silence.RESET


@dataclass(frozen=True, slots=True)
class Received:
    """One request: headers by lower-case name, those that came repeatedly joined by commas."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def baggage(self) -> str | None:
        """The `baggage` header, None without one."""
        return self.headers.get("baggage")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. A body that isn't bytes is sent chunk by chunk."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b"done"


Answer = Callable[[Received], Reply | Silence | bytes]
"""Bytes are sent as they are, and the connection ends."""


class Origin:
    """The server: `answer` may be replaced at any time, `received` is in order of arrival."""

    def __init__(self, answer: Answer) -> None:
        """Listen on a free port of the loopback interface; `serving` starts it."""
        self.answer = answer
        self.received: list[Received] = []
        self.stopping = threading.Event()
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def overdue(self, ask: Callable[[], object]) -> BaseException:
        """Return what a call raises that is given up after its request has left; wait for that.

        Who waits for a moment only may give up before it has asked, where the machine is busy.
        Such a call is no example of one that waits for its answer, and another one is made.
        """
        for _ in range(_ATTEMPTS):
            came = len(self.received)
            error = failure(ask)
            if comes_to_hold(lambda came=came: len(self.received) > came, _ON_ITS_WAY):  # type: ignore[misc]
                return error
        raise AssertionError("no request ever came")

    @contextmanager
    def serving(self) -> Iterator[Origin]:
        """Serve in threads of its own while a block runs."""
        serve = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        with suppressed():
            serve.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self._server.shutdown()
            serve.join()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        super().__init__(("127.0.0.1", 0), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients hang up as they like."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def _exchange(self) -> None:
        origin = self.server.origin
        received = self._read()
        origin.received.append(received)
        reply = origin.answer(received)
        if isinstance(reply, Reply):
            self._send(reply)
            return
        self.close_connection = True
        if isinstance(reply, bytes):
            self.wfile.write(reply)
            return
        if reply is HANG:
            origin.stopping.wait()
            return
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def _read(self) -> Received:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known},{value}"
        length = int(headers.get("content-length", "0"))
        return Received(
            self.command, self.path, headers, self.rfile.read(length), self.client_address[1]
        )

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            body = b"" if reply.status in (204, 304) else reply.body
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in reply.body:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")


def service(work: Callable[[], object], name: str = "callee", lend: tuple[str, ...] = ()) -> Answer:
    """Return the answer of an instrumented service that does this work for each request."""
    boundary = Boundary(Policy(service=name, strict=True, lend=lend))
    adapter = ParcelAdapter(Kind.SERVER)

    def answer(received: Received) -> Reply:
        arrival = boundary.arrive(adapter, Parcel(dict(received.headers)))
        assert arrival is not None
        back = Parcel()
        with arrival.scope():
            arrival.begin()
            work()
            arrival.end(Returned(back, PlainFacts(200)))
            arrival.respond(back)
        arrival.close()
        return Reply(headers=back.headers)

    return answer
