"""aiohttp.web, in several ways to answer, keeps what every HTTP server has to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar

from aiohttp import web

from baggage.instrumentation import aiohttp_web as instrumentation
from baggage.testing.http_server import HttpServerSuite, View
from tests.instrumentation.aiohttp_serving import Handle, application, serving
from tests.instrumentation.looping import Looping, looping


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


class TestHandlers(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    @contextmanager
    def serving(self, view: View) -> Iterator[str]:
        with looping() as running, self.served(view, running) as url:
            yield url

    def served(self, view: View, running: Looping) -> AbstractContextManager[str]:
        return serving(application(answering(view)), running)
