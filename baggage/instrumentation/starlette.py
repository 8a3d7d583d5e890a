"""Starlette, and FastAPI, which is one: every request and websocket of every application.

`Starlette.__call__` is what servers and test clients call; an application that is mounted in
another one is a part of it. A background task is a branch, forked where it is made, which is before
the response that it outlives; nobody joins it. What `TestClient` asks is a call of the library that
it is made of, httpx or httpx2, but for websockets.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final

import wrapt
from starlette.applications import Starlette
from starlette.background import BackgroundTask

from baggage.boundary import Boundary, Fork
from baggage.context import branch
from baggage.instrumentation import _httpx
from baggage.instrumentation._asgi import AsgiAdapter, Receive, Scope, Send
from baggage.instrumentation._asgi_server import serve
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._patching import Switch, wrap

_FORK: Final = "_baggage_fork"
_ADAPTER: Final = AsgiAdapter("starlette")
_BACKGROUND: Final = ForkAdapter(
    "starlette", "BackgroundTask", frozenset({"starlette", "fastapi", "anyio"})
)

_planned: Final[ContextVar[list[weakref.finalize[Any, Any]] | None]] = ContextVar(
    "baggage.starlette.planned", default=None
)


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap Starlette, once."""

    def call(
        wrapped: Any, _: Starlette, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Awaitable[None]:
        # Fails at once for other arguments: servers try so whether they were given a factory.
        request = _request(*args, **kwargs)
        return _ending(serve(boundary, _ADAPTER, wrapped, *request))

    def plan(
        wrapped: Any, task: BackgroundTask, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        wrapped(*args, **kwargs)
        fork = None if branch() is None else boundary.fork(_BACKGROUND, None)
        if fork is not None:
            fork.start(_nothing)
            # One that never runs, since the request fails, ends with that or is thrown away.
            abandoned = weakref.finalize(task, fork.run, _nothing)
            vars(task)[_FORK] = fork, abandoned
            planned = _planned.get()
            if planned is not None:
                planned.append(abandoned)

    def ask_in_tests(module: Any) -> None:
        transport = getattr(module, "_TestClientTransport", None)
        if transport is not None:
            _httpx.instrument_transport(boundary, switch, module.httpx, transport)

    wrapt.register_post_import_hook(ask_in_tests, "starlette.testclient")
    # Other tools put subclasses in its place.
    own = next(each for each in Starlette.__mro__ if each.__module__ == "starlette.applications")
    wrap(own, "__call__", switch, call)
    wrap(BackgroundTask, "__init__", switch, plan)
    wrap(BackgroundTask, "__call__", switch, _run)


async def _run(
    wrapped: Any, task: BackgroundTask, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Run a background task in its branch, the first time."""
    found: tuple[Fork, weakref.finalize[Any, Any]] | None = vars(task).pop(_FORK, None)
    if found is None:
        await wrapped(*args, **kwargs)
        return
    fork, abandoned = found
    if abandoned.detach() is None:  # It runs after its request, by other means.
        await wrapped(*args, **kwargs)
    else:
        await fork.arun(wrapped(*args, **kwargs))


async def _ending(serving: Awaitable[None]) -> None:
    """Serve a request, and end the background tasks that it made and did not run."""
    planned: list[weakref.finalize[Any, Any]] = []
    token = _planned.set(planned)
    try:
        await serving
    finally:
        for abandoned in planned:
            abandoned()
        with suppress(ValueError):  # thrown away, and closed in another context
            _planned.reset(token)


def _nothing() -> None:
    """Take no step."""


def _request(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    return scope, receive, send
