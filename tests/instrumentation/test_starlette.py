"""Starlette and FastAPI, in several wrappings, keep what every HTTP server has to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import anyio.to_thread
import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from baggage.boundary import Fault, FaultKind, Inject, Kind
from baggage.context import attached, pack, unpack
from baggage.instrumentation import asyncio as asyncio_instrumentation
from baggage.instrumentation import concurrent_futures, threading, uvicorn
from baggage.instrumentation import httpx as httpx_instrumentation
from baggage.instrumentation import starlette as instrumentation
from baggage.testing import Recorder, Scripted
from baggage.testing.http_server import View
from baggage.testing.suite import InstrumentationSuite, failure
from baggage.values import EMPTY
from tests.instrumentation.asgi_serving import BehindUvicorn
from tests.instrumentation.test_asgi import FOUND, Caller
from tests.instrumentation.together import Together

METHODS = ["GET", "POST", "HEAD"]


def response(answer: Any) -> Response:
    if isinstance(answer, int):
        return Response(status_code=answer)
    return Response(answer) if isinstance(answer, bytes) else StreamingResponse(answer)


def application(view: View, *middleware: Middleware) -> Starlette:
    async def respond(request: Request) -> Response:
        return response(await anyio.to_thread.run_sync(view))

    routes = [Route("/{path:path}", respond, methods=METHODS)]
    return Starlette(routes=routes, middleware=middleware)


class TestStarlette(BehindUvicorn):
    instrumentation: ClassVar = instrumentation

    def application(self, view: View) -> Any:
        return application(view)


class TestFastApiInThreads(BehindUvicorn):
    instrumentation: ClassVar = instrumentation

    def application(self, view: View) -> Any:
        app = FastAPI()

        @app.api_route("/{path:path}", methods=METHODS)
        def respond() -> Response:
            return response(view())

        return app


class TestFastApiInTheLoop(BehindUvicorn):
    instrumentation: ClassVar = instrumentation
    workers = 1

    def application(self, view: View) -> Any:
        app = FastAPI()

        @app.api_route("/{path:path}", methods=METHODS)
        async def respond() -> Response:
            return response(view())

        return app


class TestInsideOfMiddleware(BehindUvicorn):
    """Middleware that runs the application in a task of its own, and sends what it answers on."""

    instrumentation: ClassVar = instrumentation

    def application(self, view: View) -> Any:
        return Starlette(
            routes=[Mount("/", application(view, Middleware(BaseHTTPMiddleware, dispatch=tell)))],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=tell)],
        )

    # Such middleware takes the next chunk before it has sent one.
    test_what_is_packed_too_late_to_go_home_is_handed_to_its_owner = None  # type: ignore[assignment]


async def tell(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    told = await call_next(request)
    told.headers["x-told"] = "yes"
    return told


class TestTogether(BehindUvicorn):
    """Tasks of the server and of middleware, and threads of endpoints, are branches too."""

    instrumentation: ClassVar = Together(
        *(instrumentation, uvicorn, asyncio_instrumentation),
        *(threading, concurrent_futures, httpx_instrumentation),
    )

    def application(self, view: View) -> Any:
        app = FastAPI(middleware=[Middleware(BaseHTTPMiddleware, dispatch=tell)])

        @app.api_route("/{path:path}", methods=METHODS)
        def respond() -> Response:
            return response(view())

        return app

    def test_64_calls_at_a_time_keep_their_contexts_apart(self) -> None:
        def view() -> bytes:
            (mine,) = unpack("n")
            pack("echo", mine)
            return b"done"

        async def ask(client: httpx.AsyncClient, url: str, n: int) -> object:
            with attached(EMPTY.pack("n", n)):
                await client.get(url)
                return unpack("echo")

        async def ask_all(url: str) -> list[object]:
            async with httpx.AsyncClient(timeout=None) as client:
                return await asyncio.gather(*(ask(client, url, n) for n in range(64)))

        with self.serving(view) as url:
            assert asyncio.run(ask_all(url)) == [(n,) for n in range(64)]

    def test_a_call_that_is_gathered_is_placed_where_it_was_made(self) -> None:
        recorder = Recorder(kinds=(Kind.CLIENT, Kind.SPAWN))
        self.boundary.register(recorder)

        async def ask(url: str) -> None:
            async with httpx.AsyncClient(timeout=None) as client:
                await asyncio.gather(client.get(url), client.get(url))

        with self.serving(lambda: b"done") as url:
            asyncio.run(ask(url))
        calls = [each.call for each in recorder.ended if each.call.kind is Kind.CLIENT]
        assert len(calls) == 2
        assert {call.site.function.rpartition(".")[2] for call in calls} == {"ask"}


class TestBackgroundTasks(InstrumentationSuite):
    """What runs after the response is a branch that outlives it."""

    instrumentation: ClassVar = instrumentation

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        return recorder

    def ask(self, endpoint: Callable[..., Any]) -> Caller:
        app = FastAPI()
        app.get("/a b")(endpoint)
        caller = Caller(EMPTY.pack("tenant", "acme"), query_string=b"")
        return asyncio.run(caller.call(app))

    @pytest.mark.parametrize("threaded", [False, True])
    def test_a_background_task_is_a_branch_that_knows_what_its_request_knew(
        self, threaded: bool
    ) -> None:
        recorder = self.recorded()
        seen: list[object] = []

        def work(value: str) -> None:
            seen.append((unpack("tenant"), [each.call.kind for each in recorder.ended]))
            pack(FOUND, value)

        async def awork(value: str) -> None:
            work(value)

        def endpoint(tasks: BackgroundTasks) -> None:
            tasks.add_task(work if threaded else awork, "found")

        caller = self.ask(endpoint)
        assert caller.home.unpack(FOUND) == ()
        assert seen == [(("acme",), [Kind.SPAWN])]
        assert recorder.lost == [("recorder.found", "found")]
        spawned, ran = recorder.ended
        assert (spawned.call.operation, ran.call.kind) == ("BackgroundTask", Kind.RUN)
        assert spawned.call.site.function.endswith("endpoint")

    def test_what_a_background_task_raises_passes(self) -> None:
        own = LookupError("the application's own")

        async def work() -> None:
            raise own

        def endpoint(tasks: BackgroundTasks) -> None:
            tasks.add_task(work)

        assert failure(lambda: self.ask(endpoint)) is own

    def test_a_background_task_that_never_runs_ends_with_its_request(self) -> None:
        recorder = self.recorded()
        kept: list[BackgroundTask] = []
        seen: list[int] = []

        def endpoint(tasks: BackgroundTasks) -> None:
            tasks.add_task(seen.append, 1)
            kept.extend(tasks.tasks)
            raise HTTPException(503)

        assert self.ask(endpoint).sent[0]["status"] == 503
        assert [each.call.kind for each in recorder.ended] == [Kind.SPAWN, Kind.RUN]
        asyncio.run(kept[0]())
        assert (seen, len(recorder.ended)) == ([1], 2)

    def test_a_background_task_may_be_made_once_and_run_for_many(self) -> None:
        recorder = self.recorded()
        seen: list[object] = []
        shared = BackgroundTask(lambda: seen.append(unpack("tenant")))

        async def endpoint() -> Response:
            return Response(b"done", background=shared)

        for _ in range(2):
            self.ask(endpoint)
        assert seen == [("acme",)] * 2
        assert recorder.begun == []


class TestTestClient(InstrumentationSuite):
    """What a test asks by Starlette's own client arrives as if it came over the wire."""

    instrumentation: ClassVar = instrumentation

    def client(self) -> TestClient:
        app = FastAPI()

        @app.get("/")
        def respond() -> str:
            pack("n", 2)
            return repr(unpack("n"))

        @app.websocket("/socket")
        async def talk(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text(await socket.receive_text())
            await socket.close()

        return TestClient(app)

    def test_a_test_and_its_application_know_of_each_other(self) -> None:
        recorder = Recorder(kinds=(Kind.CLIENT, Kind.SERVER))
        self.boundary.register(recorder)
        pack("n", 1)
        assert self.client().get("/").status_code == 200
        assert {*unpack("n")} == {1, 2}
        served, called = recorder.ended
        assert (served.call.kind, called.call.kind) == (Kind.SERVER, Kind.CLIENT)
        assert called.call.library in ("httpx", "httpx2")
        assert called.call.site.module == __name__

    def test_a_fault_is_the_clients_own(self) -> None:
        self.boundary.register(Scripted(Inject(Fault(FaultKind.STATUS, status=503))))
        assert self.client().get("/").status_code == 503

    def test_websockets_work_as_ever(self) -> None:
        recorder = Recorder(kinds=(Kind.CLIENT,))
        self.boundary.register(recorder)
        with self.client().websocket_connect("/socket") as socket:
            socket.send_text("echo")
            assert socket.receive_text() == "echo"
        assert recorder.begun == []
