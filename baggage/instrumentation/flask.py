"""Flask: every request of every application, those included that were made before.

`Flask.__call__` is what servers and test clients call, whatever middleware was put around
`wsgi_app`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Flask

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._wsgi import EXTENSION, WsgiAdapter, service_of
from baggage.instrumentation._wsgi_server import serve

_ADAPTER: Final = WsgiAdapter("flask")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap Flask, once."""

    def call(
        wrapped: Callable[..., Iterable[bytes]],
        app: Flask,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Iterable[bytes]:
        environ, start_response = _request(*args, **kwargs)
        return serve(boundary, _ADAPTER, wrapped, environ, start_response, service_of(app))

    wrap(Flask, "__call__", switch, call)


def name_service(app: Flask, service: str) -> None:
    """Give one application a service name of its own."""
    app.extensions[EXTENSION] = service


def _request(environ: dict[str, Any], start_response: Callable[..., Any]) -> tuple[Any, Any]:
    return environ, start_response
