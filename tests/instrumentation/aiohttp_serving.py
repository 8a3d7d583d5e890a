"""Applications of aiohttp.web behind real sockets."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from tests.instrumentation.looping import Looping

Handle = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


def application(handle: Handle) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def start(app: web.Application, **options: Any) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


@contextmanager
def serving(app: web.Application, running: Looping, **options: Any) -> Iterator[str]:
    runner, url = running.run(start(app, **options))
    try:
        yield url
    finally:
        running.run(runner.cleanup())
