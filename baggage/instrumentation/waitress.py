"""waitress: every request of a WSGI application, of whatever framework, in its warm threads.

Applications of Flask are left to their own instrumentation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from waitress.task import WSGITask

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._wsgi import WsgiAdapter
from baggage.instrumentation._wsgi_server import loaded

_ADAPTER: Final = WsgiAdapter("waitress")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap what runs one request, once."""

    def execute(
        wrapped: Callable[..., None], task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        # Here, and not where a server is made: one that serves already is covered.
        server = task.channel.server
        app = server.application
        server.application = loaded(boundary, switch, _ADAPTER, app, _within(app))
        wrapped(*args, **kwargs)

    wrap(WSGITask, "execute", switch, execute)


def _within(application: Any) -> Any:
    """Return the application within waitress's own middleware for the headers of proxies."""
    code = getattr(application, "__code__", None)
    if code is None or application.__module__ != "waitress.proxy_headers":
        return application
    return application.__closure__[code.co_freevars.index("app")].cell_contents
