"""ASGI applications behind uvicorn."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import uvicorn

from baggage.instrumentation import _asgi_server
from baggage.testing.http_server import HttpServerSuite, View
from baggage.testing.suite import eventually

Send = Callable[[dict[str, Any]], Any]


class Uvicorn:
    """One server, whose application may be replaced at any time; it starts at the first need."""

    def __init__(self) -> None:
        self.app: Any = None
        config = uvicorn.Config(
            self._call,
            interface="asgi3",
            log_config=None,
            log_level="critical",
            lifespan="off",
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def start(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()
            eventually(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    async def _call(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class AsgiSuite(HttpServerSuite):
    """A suite of ASGI applications."""

    @pytest.fixture(autouse=True)
    def _patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let first bytes come late, which headers wait for: a thread may get no turn for long."""
        monkeypatch.setattr(_asgi_server, "_PATIENCE", 300.0)


class BehindUvicorn(AsgiSuite):
    """A suite whose applications are all behind one server."""

    uvicorn: ClassVar[Uvicorn]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _uvicorn(cls) -> Iterator[None]:
        cls.uvicorn = Uvicorn()
        yield
        cls.uvicorn.stop()

    @contextmanager
    def serving(self, view: View) -> Iterator[str]:
        self.uvicorn.app = self.application(view)
        self.uvicorn.start()
        yield self.uvicorn.url

    def application(self, view: View) -> Any:
        raise NotImplementedError


def bare(view: View) -> Any:
    """Return an application without a framework, which calls `view` in a thread."""

    async def app(scope: Any, receive: Any, send: Send) -> None:
        answer = await asyncio.to_thread(view)
        if isinstance(answer, int):
            await send({"type": "http.response.start", "status": answer, "headers": []})
            await send({"type": "http.response.body"})
        elif isinstance(answer, bytes):
            headers = [(b"content-length", str(len(answer)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
        else:
            await send({"type": "http.response.start", "status": 200})
            await _stream(answer, receive, send)

    return app


async def _stream(chunks: Iterator[bytes], receive: Any, send: Send) -> None:
    gone = asyncio.ensure_future(_gone(receive))
    while not gone.done() and (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    gone.cancel()
    await send({"type": "http.response.body"})


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
