"""Self-tests of HTTP servers: a client of ours asks each."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from baggage.doctor.probes.loopback import PATIENCE, ask, running, served, served_asgi, view
from baggage.doctor.probes.probe import Peers, behind


def by_wsgiref(_: Peers) -> str:
    """Serve an application."""
    with served(view) as port:
        return ask(port)


def by_flask(_: Peers) -> str:
    """Serve an application by wsgiref, which is left alone."""
    from flask import Flask

    app = Flask("doctor")
    app.add_url_rule("/", view_func=behind)
    with served(app) as port:
        return ask(port)


def by_django(_: Peers) -> str:
    """Serve a view by wsgiref, which is left alone."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import re_path

    def answer(_: object) -> Any:
        return HttpResponse(behind())

    settings.configure(MIDDLEWARE=[], ROOT_URLCONF=(re_path("", answer),))
    with served(WSGIHandler()) as port:
        return ask(port)


def by_waitress(_: Peers) -> str:
    """Serve an application."""
    from waitress.server import create_server

    sockets: dict[int, Any] = {}
    server = create_server(view, map=sockets, host="127.0.0.1", port=0, threads=1)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            server.asyncore.loop(timeout=0.05, map=sockets, count=1)
        server.task_dispatcher.shutdown()
        server.asyncore.close_all(sockets, ignore_all=True)

    with running(serve, stopping.set):
        return ask(server.effective_port)


def by_gunicorn(_: Peers) -> str:
    """Have a worker serve an application."""
    from gunicorn.config import Config
    from gunicorn.glogging import Logger
    from gunicorn.workers.sync import SyncWorker

    settings = Config()
    worker = SyncWorker(0, 0, [], None, PATIENCE, settings, Logger(settings))
    worker.wsgi = view

    def serve() -> None:
        worker.handle(listening, *listening.accept())

    with socket.create_server(("127.0.0.1", 0)) as listening, running(serve, worker.tmp.close):
        return ask(listening.getsockname()[1])


def by_starlette(_: Peers) -> str:
    """Serve an application by a server of ours."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def answer(_: object) -> PlainTextResponse:
        return PlainTextResponse(behind())

    with served_asgi(Starlette(routes=[Route("/", answer)])) as port:
        return ask(port)


async def _aview(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer any request with what is known behind the boundary: an ASGI application."""
    seen = behind().encode()  # before the headers leave, which carry it home
    length = (b"content-length", str(len(seen)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": seen})


def by_uvicorn(_: Peers) -> str:
    """Serve an application."""
    import uvicorn

    config = uvicorn.Config(_aview, interface="asgi3", log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = True

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()  # who asks before it serves waits
        with running(lambda: asyncio.run(server.serve(sockets=[bound])), stop):
            return ask(bound.getsockname()[1])


def by_hypercorn(_: Peers) -> str:
    """Serve an application."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    bound = socket.create_server(("127.0.0.1", 0))  # who asks before it serves waits
    port = bound.getsockname()[1]
    config = Config()
    config.loglevel = "CRITICAL"
    config.bind = [f"fd://{bound.detach()}"]
    loop, stopping = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        loop.run_until_complete(serve(_aview, config, shutdown_trigger=stopping.wait))
        loop.close()

    with running(run, lambda: loop.call_soon_threadsafe(stopping.set)):
        return ask(port)


def by_aiohttp(_: Peers) -> str:
    """Serve an application."""
    from aiohttp import web

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=behind())

    app = web.Application()
    app.router.add_get("/", answer)
    loop, ports = asyncio.new_event_loop(), [0]
    serving = threading.Event()

    async def serve() -> web.AppRunner:
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports[0] = runner.addresses[0][1]
        serving.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(serve())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    with running(run, lambda: loop.call_soon_threadsafe(loop.stop)):
        if not serving.wait(PATIENCE):
            raise TimeoutError("the server does not start")
        return ask(ports[0])
