"""Starlette, and FastAPI, which is one: every request and websocket of every application.

`Starlette.__call__` is what servers and test clients call; an application that is mounted in
another one is a part of it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final

from starlette.applications import Starlette

from baggage.boundary import Boundary
from baggage.instrumentation._asgi import AsgiAdapter, Receive, Scope, Send
from baggage.instrumentation._asgi_server import serve
from baggage.instrumentation._patching import Switch, wrap

_ADAPTER: Final = AsgiAdapter("starlette")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap Starlette, once."""

    def call(
        wrapped: Any, _: Starlette, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Awaitable[None]:
        # Fails at once for other arguments: servers try so whether they were given a factory.
        return serve(boundary, _ADAPTER, wrapped, *_request(*args, **kwargs))

    wrap(Starlette, "__call__", switch, call)


def _request(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    return scope, receive, send
