"""uvicorn: whatever application it serves, so that no code of that needs to change.

Wrapped when a server starts, which is after its application was imported, and may have asked for
it. An application that `baggage.asgi` wraps keeps its own name.
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn import Server

from baggage.boundary import Boundary
from baggage.instrumentation._asgi import AsgiAdapter, Receive, Scope, Send
from baggage.instrumentation._asgi_server import Served, is_served
from baggage.instrumentation._patching import Switch, wrap

_ADAPTER: Final = AsgiAdapter("uvicorn")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap uvicorn, once."""

    async def startup(
        wrapped: Any, server: Server, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        config = server.config
        if config.interface != "wsgi" and not is_served(config.loaded_app):
            config.loaded_app = _Loaded(boundary, config.loaded_app, switch)
        await wrapped(*args, **kwargs)

    wrap(Server, "startup", switch, startup)


class _Loaded(Served):
    """An application that was loaded, while the instrumentation is switched on."""

    def __init__(self, boundary: Boundary, app: Any, switch: Switch) -> None:
        super().__init__(boundary, _ADAPTER, app)
        self._switch = switch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._switch.on:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
