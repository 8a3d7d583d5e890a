"""A service of Starlette that passes each request on by aiohttp; it knows nothing of baggage."""

import socket

import uvicorn
from aiohttp import ClientSession
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_tracer_provider
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

set_tracer_provider(TracerProvider())
AioHttpClientInstrumentor().instrument()


async def forward(request: Request) -> PlainTextResponse:
    async with ClientSession() as session, session.get(request.query_params["to"]) as answer:
        return PlainTextResponse(await answer.text())


app = OpenTelemetryMiddleware(Starlette(routes=[Route("/", forward)]))
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)  # noqa: T201
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
