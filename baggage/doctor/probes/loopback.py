"""The other side of HTTP, which is not under test: a service of ours, or a client of ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from baggage.boundary import NO_FACTS, Call, CannotEnact, Facts, Fault, Kind
from baggage.doctor.probes.probe import behind
from baggage.runtime import PROCESS, wsgi

PATIENCE: Final = 30.0
"""Seconds that any one step of a self-test waits."""
Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]


def view(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer any request with what is known behind the boundary: a WSGI application."""
    body = behind().encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def service() -> Iterator[str]:
    """Give the URL of a service that reads and writes baggage, without any instrumentation."""
    with served(wsgi(view, "doctor")) as port:
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def served(application: Any) -> Iterator[int]:
    """Serve a WSGI application by wsgiref while a block runs; give the port."""
    server = make_server("127.0.0.1", 0, application, WSGIServer, _Quiet)
    with running(server.serve_forever, server.shutdown):
        yield server.server_port
    server.server_close()


@contextmanager
def running(serve: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    """Serve in a thread while a block runs."""
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(PATIENCE)


@contextmanager
def served_asgi(application: Asgi) -> Iterator[int]:
    """Serve an ASGI application by a few lines of asyncio while a block runs; give the port."""
    loop = asyncio.new_event_loop()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await application(await _scope(reader), _nothing_more, _Sending(writer))
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(connected, "127.0.0.1", 0))
    with running(loop.run_forever, lambda: loop.call_soon_threadsafe(loop.stop)):
        yield server.sockets[0].getsockname()[1]


async def _scope(reader: asyncio.StreamReader) -> Scope:
    request, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    pairs = [line.partition(b":") for line in lines if line]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.split(b" ")[0].decode(),
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.strip().lower(), value.strip()) for name, _, value in pairs],
    }


async def _nothing_more() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


@dataclass(frozen=True, slots=True)
class _Sending:
    """What an ASGI application sends by."""

    writer: asyncio.StreamWriter

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            pairs = [b"%s: %s\r\n" % (name, value) for name, value in message["headers"]]
            status = b"HTTP/1.1 %d OK\r\n" % message["status"]
            self.writer.write(status + b"".join(pairs) + b"Connection: close\r\n\r\n")
        elif message["type"] == "http.response.body":
            self.writer.write(message.get("body", b""))
            await self.writer.drain()


def ask(port: int) -> str:
    """Ask a server of this machine, as a client that carries baggage; return the answer's text."""
    return PROCESS.boundary.call(_CLIENT, request := _Message(), lambda: _sent(port, request)).text


@dataclass(slots=True)
class _Message:
    """A request or an answer. It is its own carrier."""

    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def get(self, name: str) -> str | None:
        return self.headers.get(name)

    def set(self, name: str, value: str) -> None:
        self.headers[name] = value


def _sent(port: int, request: _Message) -> _Message:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/", headers=request.headers)
        answer = connection.getresponse()
        text = answer.read().decode("latin-1")
        if answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status}: {text[:200]}")
        return _Message({name.lower(): value for name, value in answer.getheaders()}, text)
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class _Client:
    """The adapter of this client."""

    kind: Kind = Kind.CLIENT
    library: str = "baggage"
    packages: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def describe(self, request: object) -> Call:
        return Call(kind=self.kind, library=self.library, operation="GET /")

    def request_carrier(self, request: _Message) -> _Message:
        return request

    def response_carrier(self, response: _Message) -> _Message:
        return response

    def facts(self, response: object) -> Facts:
        return NO_FACTS

    def answer(self, error: BaseException) -> None:
        """Say nothing: no exception tells of an answer."""

    def enact(self, fault: Fault, request: object, response: object = None) -> object:
        raise CannotEnact(fault)


_CLIENT: Final = _Client()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep quiet."""
