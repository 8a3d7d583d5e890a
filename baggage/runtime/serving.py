"""Applications that become services of this process by being wrapped, whatever serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baggage.runtime.api import PROCESS

if TYPE_CHECKING:
    from baggage.instrumentation import _asgi, _wsgi


def asgi(app: _asgi.Application, service: str = "") -> _asgi.Application:
    """Return an ASGI application whose requests carry baggage; as a middleware, outermost.

    `service` names it, "" as the process. Starts the process's runtime as `instrument` does, and
    instruments no library. An application of an instrumented framework may be wrapped as well: each
    request arrives once.
    """
    if not PROCESS.start():
        return app
    # Here: a service is one of both or neither, and they import asyncio, or `http`.
    from baggage.instrumentation import _asgi, _asgi_server

    return _asgi_server.Served(PROCESS.boundary, _asgi.AsgiAdapter("asgi"), app, service)


def wsgi(app: _wsgi.Application, service: str = "") -> _wsgi.Application:
    """Return a WSGI application whose requests carry baggage; see `asgi`."""
    if not PROCESS.start():
        return app
    from baggage.instrumentation import _wsgi, _wsgi_server

    return _wsgi_server.Served(PROCESS.boundary, _wsgi.WsgiAdapter("wsgi"), app, service)
