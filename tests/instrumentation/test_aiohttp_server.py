"""aiohttp.web, in several ways to answer, keeps what every HTTP server has to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from aiohttp import web

from baggage.instrumentation import aiohttp_web as instrumentation
from baggage.testing.http_server import HttpServerSuite, View
from tests.instrumentation.looping import Looping, looping

Handle = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


def answering(view: View) -> Handle:
    """Return a handler that calls a view in a thread: it may block."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await asyncio.to_thread(view)
        if isinstance(answer, int):
            return web.Response(status=answer)
        if isinstance(answer, bytes):
            return web.Response(body=answer)
        return await stream(request, answer)

    return handle


async def stream(request: web.Request, chunks: Iterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse()
    first = await asyncio.to_thread(next, chunks, None)
    await response.prepare(request)
    while first is not None:
        await response.write(first)
        first = await asyncio.to_thread(next, chunks, None)
    return response


def application(handle: Handle) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def start(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


@contextmanager
def serving(app: web.Application, running: Looping) -> Iterator[str]:
    runner, url = running.run(start(app))
    try:
        yield url
    finally:
        running.run(runner.cleanup())


class TestHandlers(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    @contextmanager
    def serving(self, view: View) -> Iterator[str]:
        with looping() as running, self.served(view, running) as url:
            yield url

    def served(self, view: View, running: Looping) -> AbstractContextManager[str]:
        return serving(application(answering(view)), running)
