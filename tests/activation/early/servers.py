"""Services that were imported, subclassed and made before the process is activated."""

# ruff: noqa: E402, I001 - the order of imports is what this is about

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from typing import Any
from wsgiref.simple_server import make_server

import grpc
from aiohttp import web
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn import Config, Server
from werkzeug.serving import make_server as make_werkzeug


def look() -> str:
    import baggage

    return json.dumps([*baggage.unpack("n")])


def wsgi(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [look().encode()]


class OwnFlask(Flask):
    def __call__(self, environ: Any, start_response: Any) -> Any:
        return super().__call__(environ, start_response)


class OwnRequestHandler(grpc.GenericRpcHandler):
    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: look().encode())


async def answer(request: Any) -> PlainTextResponse:
    return PlainTextResponse(look())


async def aanswer(request: web.Request) -> web.Response:
    return web.Response(text=look())


flask = OwnFlask("early")
flask.add_url_rule("/", view_func=look)
starlette = Starlette(routes=[Route("/", answer)])
aiohttp_app = web.Application()
aiohttp_app.router.add_get("/", aanswer)
wsgiref_server = make_server("127.0.0.1", 0, wsgi)
flask_server = make_werkzeug("127.0.0.1", 0, flask)
for server in (wsgiref_server, flask_server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
grpc_server = grpc.server(ThreadPoolExecutor(1), [OwnRequestHandler()])
grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
grpc_server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
call: Any = channel.unary_unary("/early/look")

import baggage.auto

import baggage
from baggage.boundary import write_header

HEADER = write_header(baggage.Baggage().pack("n", 1), origin="caller")


def ask(port: int) -> list[Any]:
    """Ask a service in another's name."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    with baggage.suppressed():
        connection.request("GET", "/", headers={"baggage": HEADER})
        seen: list[Any] = json.loads(connection.getresponse().read())
    connection.close()
    return seen


@asynccontextmanager
async def serving_aiohttp() -> AsyncIterator[int]:
    runner = web.AppRunner(aiohttp_app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@asynccontextmanager
async def serving_uvicorn() -> AsyncIterator[int]:
    server = Server(Config(starlette, host="127.0.0.1", port=0, log_level="error"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


async def by_loop(serving: Callable[[], Any]) -> list[Any]:
    async with serving() as port:
        return await asyncio.to_thread(ask, port)


def by_grpc() -> Any:
    with baggage.attached(baggage.Baggage().pack("n", 1)):
        return json.loads(call(b"", timeout=300))


SERVERS: dict[str, Callable[[], list[Any]]] = {
    "wsgiref": lambda: ask(wsgiref_server.server_port),
    "Flask": lambda: ask(flask_server.server_port),
    "grpc": by_grpc,
    "aiohttp.web": lambda: asyncio.run(by_loop(serving_aiohttp)),
    "Starlette": lambda: asyncio.run(by_loop(serving_uvicorn)),
}

json.dump({name: see() for name, see in SERVERS.items()}, sys.stdout)
sys.stdout.flush()
channel.close()
grpc_server.stop(None)
