"""Services that call onward when they are called, and who listens to what they send."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import aiohttp
import requests
from aiohttp import web
from flask import Flask

from baggage.boundary import Policy
from baggage.runtime import Runtime, Settings
from metaapps.tracing.app import Tracing
from tests.instrumentation.aiohttp_serving import application, serving
from tests.instrumentation.looping import Looping, looping
from tests.instrumentation.serving import by_werkzeug, running

Headers = list[tuple[str, str]]


class Listener(ThreadingHTTPServer):
    """Answers whatever comes, and keeps the headers. Nothing in it is instrumented."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listening)
        self.heard: list[Headers] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class _Listening(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def do_GET(self) -> None:
        self.server.heard.append([(key.lower(), value) for key, value in self.headers.items()])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener() as listener, running(lambda: listener.serve_forever(0.01)):
        yield listener
        listener.shutdown()


@contextmanager
def traced(tracing: Tracing) -> Iterator[None]:
    runtime = Runtime(Settings(Policy(service="relay", strict=True), metaapps=frozenset()))
    runtime.register(tracing)
    runtime.instrument("flask", "requests", "aiohttp", "aiohttp.web")
    try:
        yield
    finally:
        runtime.uninstrument()


@contextmanager
def relaying(listener: Listener) -> Iterator[dict[str, str]]:
    """Serve a relay by each library; yields their addresses. `/3` calls onward three times."""
    with (
        by_werkzeug(_flask(listener)) as flask,
        looping() as loop,
        serving(_aiohttp(listener, loop), loop) as other,
    ):
        yield {"flask": flask, "aiohttp": other}


def _flask(listener: Listener) -> Flask:
    app = Flask("relay")

    @app.get("/<int:times>")
    def relay(times: int) -> str:
        for _ in range(times):
            requests.get(listener.url, timeout=300).raise_for_status()
        return "done"

    return app


def _aiohttp(listener: Listener, loop: Looping) -> web.Application:
    session: aiohttp.ClientSession = loop.session()

    async def relay(request: web.Request) -> web.Response:
        for _ in range(int(request.path[1:])):
            async with session.get(listener.url) as answer:
                answer.raise_for_status()
        return web.Response(text="done")

    return application(relay)


def ask(url: str, sent: Sequence[tuple[str, str]], times: int = 1) -> None:
    """Send a request whose headers go out as they are given: in any case, twice, with space."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    try:
        connection.putrequest("GET", f"/{times}")
        for name, value in sent:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    finally:
        connection.close()
