"""gunicorn: every request of a WSGI application, of whatever framework, in workers of all kinds.

Workers for ASGI and Tornado are none of them. Applications of Flask are left to their own
instrumentation.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import wrapt

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._wsgi import WsgiAdapter
from baggage.instrumentation._wsgi_server import loaded

_ADAPTER: Final = WsgiAdapter("gunicorn")
_WORKERS: Final = {"sync": "SyncWorker", "gthread": "ThreadWorker", "base_async": "AsyncWorker"}
"""By their modules, which are not imported for us: gevent wants to be the first."""


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap the workers that are imported, and those that are later, once."""

    def handle(
        wrapped: Callable[..., Any], worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        # Here, and not where it is loaded: an application may be what instruments the process.
        worker.wsgi = loaded(boundary, switch, _ADAPTER, worker.wsgi)
        return wrapped(*args, **kwargs)

    for module, name in _WORKERS.items():

        def imported(found: ModuleType, name: str = name) -> None:
            wrap(getattr(found, name), "handle_request", switch, handle)

        wrapt.register_post_import_hook(imported, f"gunicorn.workers.{module}")
