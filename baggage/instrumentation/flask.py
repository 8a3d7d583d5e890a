"""Flask: every request of every application, those included that were made before.

`Flask.__call__` is what servers and test clients call, whatever middleware was put around
`wsgi_app`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from flask.app import Flask  # Other tools put subclasses in its place in `flask`.

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Function, Switch, replace
from baggage.instrumentation._wsgi import (
    EXTENSION,
    Environ,
    StartResponse,
    WsgiAdapter,
)
from baggage.instrumentation._wsgi_server import serve

_ADAPTER: Final = WsgiAdapter("flask")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap Flask, once."""

    def calling(original: Function) -> Function:
        def call(self: Flask, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            bound = partial(original, self)
            if not switch.on:
                return bound(environ, start_response)  # type: ignore[no-any-return]
            return serve(boundary, _ADAPTER, bound, environ, start_response, _service(self))

        return call

    replace(Flask, "__call__", calling)


def _service(app: Flask) -> str:
    return str(app.extensions.get(EXTENSION, ""))


def name_service(app: Flask, service: str) -> None:
    """Give one application a service name of its own."""
    app.extensions[EXTENSION] = service
