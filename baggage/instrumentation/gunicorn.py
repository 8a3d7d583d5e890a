"""gunicorn: every request of a WSGI application, of whatever framework, in workers of all kinds.

Workers for ASGI and Tornado are none of them. Applications of Flask are left to their own
instrumentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final

import wrapt

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._wsgi import (
    Application,
    Environ,
    StartResponse,
    WsgiAdapter,
    service_of,
)
from baggage.instrumentation._wsgi_server import Served, serve

_ADAPTER: Final = WsgiAdapter("gunicorn")
_WORKERS: Final = {"sync": "SyncWorker", "gthread": "ThreadWorker", "base_async": "AsyncWorker"}
"""By their modules, which are not imported for us: gevent wants to be the first."""


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap the workers that are imported, and those that are later, once."""

    def handle(
        wrapped: Callable[..., Any], worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        # Here, and not where it is loaded: an application may be what instruments the process.
        if not _arrives(worker.wsgi):
            worker.wsgi = _Loaded(boundary, switch, worker.wsgi)
        return wrapped(*args, **kwargs)

    for module, name in _WORKERS.items():

        def imported(found: ModuleType, name: str = name) -> None:
            wrap(getattr(found, name), "handle_request", switch, handle)

        wrapt.register_post_import_hook(imported, f"gunicorn.workers.{module}")


class _Loaded:
    """The application of a worker."""

    __slots__ = ("_boundary", "_switch", "application")

    def __init__(self, boundary: Boundary, switch: Switch, application: Application) -> None:
        self._boundary, self._switch, self.application = boundary, switch, application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        application = self.application
        if not self._switch.on:
            return application(environ, start_response)
        service = service_of(application)
        return serve(self._boundary, _ADAPTER, application, environ, start_response, service)


def _arrives(application: object) -> bool:
    """Return whether requests of an application arrive without us."""
    if isinstance(application, _Loaded | Served):
        return True
    return any(each.__module__ == "flask.app" for each in type(application).__mro__)
