"""Django: every request of its handlers, by WSGI and by ASGI.

`WSGIHandler.__call__` and `ASGIHandler.__call__` are what servers call; those of subclasses, such
as that for static files, come to them. Views of the other kind than their handler's run by asgiref,
which takes the context along and brings it back, so that they are steps of the request. What asks
by `django.test.Client` comes to neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import ModuleType
from typing import Any, Final

import wrapt

from baggage.boundary import Boundary
from baggage.instrumentation import _asgi_server, _wsgi_server
from baggage.instrumentation._asgi import AsgiAdapter, Receive, Scope, Send
from baggage.instrumentation._patching import Function, Switch, replace
from baggage.instrumentation._wsgi import Environ, StartResponse, WsgiAdapter

_BY_WSGI: Final = WsgiAdapter("django")
_BY_ASGI: Final = AsgiAdapter("django")


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap the handlers that are imported, and those that are later, once."""

    def calling_wsgi(original: Function) -> Function:
        def call(self: Any, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            bound = partial(original, self)
            if not switch.on:
                return bound(environ, start_response)  # type: ignore[no-any-return]
            return _wsgi_server.serve(boundary, _BY_WSGI, bound, environ, start_response)

        return call

    def calling_asgi(original: Function) -> Function:
        async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
            bound = partial(original, self)
            if switch.on:
                await _asgi_server.serve(boundary, _BY_ASGI, bound, scope, receive, send)
            else:
                await bound(scope, receive, send)

        return call

    def by_wsgi(module: ModuleType) -> None:
        replace(module.WSGIHandler, "__call__", calling_wsgi)

    def by_asgi(module: ModuleType) -> None:
        replace(module.ASGIHandler, "__call__", calling_asgi)

    # Not imported for us: they are a large part of Django, which many a program needs for less.
    wrapt.register_post_import_hook(by_wsgi, "django.core.handlers.wsgi")
    wrapt.register_post_import_hook(by_asgi, "django.core.handlers.asgi")
