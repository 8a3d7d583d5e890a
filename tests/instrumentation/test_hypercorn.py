"""ASGI applications behind hypercorn keep what every HTTP server has to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from hypercorn.asyncio import serve
from hypercorn.config import Config

from baggage.boundary import Kind
from baggage.instrumentation import asyncio_queues
from baggage.instrumentation import hypercorn as instrumentation
from baggage.instrumentation._asgi import AsgiAdapter
from baggage.instrumentation._asgi_server import Served
from baggage.instrumentation._patching import Switch
from baggage.testing import Recorder
from baggage.testing.http_server import View
from baggage.testing.visitor import ask
from baggage.values import EMPTY
from tests.instrumentation.asgi_serving import AsgiSuite, bare
from tests.instrumentation.serving import running


@contextmanager
def by_hypercorn(app: Any) -> Iterator[str]:
    """Serve in a loop of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = "http://{}:{}/".format(*listening.getsockname())
    config = Config()
    config.loglevel = "CRITICAL"
    config.graceful_timeout = 0
    config.bind = [f"fd://{listening.detach()}"]
    loop, stopping = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(app, config, shutdown_trigger=stopping.wait))

    with running(run):
        yield url
        loop.call_soon_threadsafe(stopping.set)


def requests_only(view: View) -> Any:
    app = bare(view)

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await app(scope, receive, send)

    return call


class TestHypercorn(AsgiSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_hypercorn(requests_only(view))

    def test_an_application_that_has_a_name_keeps_it(self) -> None:
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        app = requests_only(lambda: b"done")
        with by_hypercorn(Served(self.boundary, AsgiAdapter("asgi"), app, "named")) as url:
            assert ask(url, EMPTY).baggage.origin == "named"
        assert [crossed.call.library for crossed in recorder.ended] == ["asgi"]

    def test_what_the_server_tells_an_application_is_no_message(self) -> None:
        recorder = Recorder(kinds=(Kind.PRODUCER, Kind.CONSUMER))
        self.boundary.register(recorder)
        switch = Switch()
        asyncio_queues.instrument(self.boundary, switch)
        try:
            with by_hypercorn(requests_only(lambda: b"done")) as url:
                assert ask(url, EMPTY).body == b"done"
        finally:
            switch.on = False
        assert recorder.begun == []
