"""Starlette and FastAPI, in several wrappings, keep what every HTTP server has to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, ClassVar

import anyio.to_thread
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route

from baggage.boundary import Boundary
from baggage.instrumentation import asyncio, concurrent_futures, threading, uvicorn
from baggage.instrumentation import starlette as instrumentation
from baggage.instrumentation._patching import Switch
from baggage.testing.http_server import View
from tests.instrumentation.asgi_serving import BehindUvicorn

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


class Everything(ModuleType):
    """Stands for the instrumentations that work together below and around an application."""

    def instrument(self, boundary: Boundary, switch: Switch) -> None:
        for each in (instrumentation, uvicorn, asyncio, threading, concurrent_futures):
            each.instrument(boundary, switch)


class TestTogether(BehindUvicorn):
    """Tasks of the server and of middleware, and threads of endpoints, are branches too."""

    instrumentation: ClassVar = Everything("everything")

    def application(self, view: View) -> Any:
        app = FastAPI(middleware=[Middleware(BaseHTTPMiddleware, dispatch=tell)])

        @app.api_route("/{path:path}", methods=METHODS)
        def respond() -> Response:
            return response(view())

        return app
