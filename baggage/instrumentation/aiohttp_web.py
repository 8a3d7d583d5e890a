"""aiohttp.web: every request of every server, applications and connections made before included.

`RequestHandler` handles one request at a time, in a task of its own, whatever application, runner
or bare server it is for; an application mounted in another one is a part of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp.web_app import Application
from aiohttp.web_protocol import ERROR, RequestHandler
from aiohttp.web_request import BaseRequest, Request
from aiohttp.web_response import StreamResponse

from baggage.boundary import Boundary
from baggage.instrumentation._aiohttp.exchange import Exchange, View, serving
from baggage.instrumentation._aiohttp.server import ADAPTER
from baggage.instrumentation._patching import Switch, wrap

_SERVICE: Final = "_baggage_service"

Handled = tuple[StreamResponse, bool]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap aiohttp's server, once."""

    async def handle(
        wrapped: Callable[..., Awaitable[Handled]],
        _: RequestHandler,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Handled:
        request, start, view = _arguments(*args, **kwargs)
        arrival = None
        if request._message is not ERROR:
            arrival = boundary.arrive(ADAPTER, request, _service(view))
        if arrival is None:
            return await wrapped(request, start, view)
        exchange = Exchange(arrival, view)
        return await exchange.run(lambda: wrapped(request, start, exchange.view))

    wrap(RequestHandler, "_handle_request", switch, handle)
    wrap(RequestHandler, "finish_response", switch, _finish)
    wrap(BaseRequest, "_prepare_hook", switch, _prepare)
    wrap(Request, "_prepare_hook", switch, _prepare)


def name_service(app: Application, service: str) -> None:
    """Give one application a service name of its own."""
    vars(app)[_SERVICE] = service


async def _finish(
    wrapped: Callable[..., Awaitable[Handled]],
    protocol: RequestHandler,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Handled:
    request, response, start = _arguments(*args, **kwargs)
    exchange = serving()
    if exchange is not None:
        response = exchange.answer(protocol, request, response)
    return await wrapped(request, response, start)


async def _prepare(
    wrapped: Callable[[StreamResponse], Awaitable[None]],
    _: BaseRequest,
    args: tuple[StreamResponse],
    kwargs: dict[str, Any],
) -> None:
    await wrapped(*args, **kwargs)
    exchange = serving()
    if exchange is not None:
        exchange.prepare(*args, **kwargs)


def _arguments(*args: Any) -> tuple[Any, Any, Any]:
    return args[0], args[1], args[2]


def _service(view: View) -> str:
    """Return the name of the application that a view is of, "" for one without or for none."""
    app = getattr(view, "__self__", None)
    return str(vars(app).get(_SERVICE, "")) if isinstance(app, Application) else ""
