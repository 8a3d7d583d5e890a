"""wsgiref: every request of every server that runs applications by its handlers.

Those of `wsgiref.simple_server` and of CGI are among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from wsgiref.handlers import BaseHandler

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._wsgi import Application, WsgiAdapter, service_of
from baggage.instrumentation._wsgi_server import Served

_ADAPTER: Final = WsgiAdapter("wsgiref.handlers")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap wsgiref's handlers, once."""

    def run(
        wrapped: Callable[..., None],
        _: BaseHandler,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        return wrapped(_served(boundary, *args, **kwargs))

    wrap(BaseHandler, "run", switch, run)


def _served(boundary: Boundary, application: Application) -> Application:
    if isinstance(application, Served):  # by hand, and perhaps under a name of its own
        return application
    return Served(boundary, _ADAPTER, application, service_of(application))
