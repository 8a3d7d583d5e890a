"""Round trips: a client and a server in one process, over a connection that is kept alive."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.measure import Pair, Run
from benchmarks.variants import around


def requests_to_flask() -> Run:
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
    threading.Thread(target=server.serve_forever, args=(60,), daemon=True).start()
    url = f"http://127.0.0.1:{server.port}/users/1"
    session = requests.Session()
    session.trust_env = False

    def run(calls: int) -> None:
        for _ in range(calls):
            session.get(url, timeout=300)

    return run


def aiohttp_to_aiohttp() -> Run:
    import aiohttp
    from aiohttp import web

    async def user(request: web.Request) -> web.Response:
        return web.Response(text=f"user {request.match_info['user']}")

    async def start() -> tuple[aiohttp.ClientSession, str]:
        app = web.Application()
        app.router.add_get("/users/{user}", user)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return aiohttp.ClientSession(), f"http://127.0.0.1:{runner.addresses[0][1]}/users/1"

    async def call(calls: int) -> None:
        for _ in range(calls):
            async with session.get(url) as response:
                await response.read()

    loop = asyncio.new_event_loop()
    session, url = loop.run_until_complete(start())
    return lambda calls: loop.run_until_complete(call(calls))


def grpc_unary() -> Run:
    import grpc

    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        return request

    methods = {"Get": grpc.unary_unary_rpc_method_handler(answer)}
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Users", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    get = grpc.insecure_channel(f"127.0.0.1:{port}").unary_unary("/bench.Users/Get")

    def run(calls: int) -> None:
        assert server  # which stops when nothing refers to it
        for _ in range(calls):
            get(b"1", timeout=300)

    return run


PAIRS = (
    Pair(
        "requests-flask",
        around(
            requests_to_flask,
            ("requests", "flask"),
            ("requests:RequestsInstrumentor", "flask:FlaskInstrumentor"),
        ),
        40,
    ),
    Pair(
        "aiohttp-aiohttp",
        around(
            aiohttp_to_aiohttp,
            ("aiohttp", "aiohttp.web"),
            (
                "aiohttp_client:AioHttpClientInstrumentor",
                "aiohttp_server:AioHttpServerInstrumentor",
            ),
        ),
        60,
    ),
    Pair(
        "grpc-unary",
        around(
            grpc_unary,
            ("grpc",),
            ("grpc:GrpcInstrumentorClient", "grpc:GrpcInstrumentorServer"),
        ),
        60,
    ),
)
