"""hypercorn: every request of an ASGI application, of whatever framework.

An application that `baggage.asgi` wraps keeps its own name. WSGI applications are none of ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from hypercorn.app_wrappers import ASGIWrapper

from baggage.boundary import Boundary
from baggage.instrumentation._asgi import AsgiAdapter, Receive, Scope, Send
from baggage.instrumentation._asgi_server import is_served, serve
from baggage.instrumentation._patching import Switch, wrap

_ADAPTER: Final = AsgiAdapter("hypercorn")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap what calls applications, once."""

    def call(
        wrapped: Callable[..., Awaitable[None]],
        wrapper: ASGIWrapper,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Awaitable[None]:
        if is_served(wrapper.app):
            return wrapped(*args, **kwargs)
        scope, receive, send, *spawning = args

        def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            return wrapped(scope, receive, send, *spawning, **kwargs)

        return serve(boundary, _ADAPTER, app, scope, receive, send)

    wrap(ASGIWrapper, "__call__", switch, call)
