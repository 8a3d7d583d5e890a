"""Applications that become services of this process by being wrapped, whatever serves them."""

from __future__ import annotations

from baggage.instrumentation._asgi import Application, AsgiAdapter
from baggage.instrumentation._asgi_server import Served
from baggage.runtime.api import PROCESS


def asgi(app: Application, service: str = "") -> Application:
    """Return an ASGI application whose requests carry baggage; as a middleware, outermost.

    `service` names it, "" as the process. Starts the process's runtime as `instrument` does, and
    instruments no library. An application of an instrumented framework may be wrapped as well: each
    request arrives once.
    """
    if not PROCESS.start():
        return app
    return Served(PROCESS.boundary, AsgiAdapter("asgi"), app, service)
