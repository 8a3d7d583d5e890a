"""aiohttp.web: every request of every server, applications and connections made before included.

`RequestHandler` handles one request at a time, in a task of its own, whatever application, runner
or bare server it is for; an application mounted in another one is a part of that.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final

from aiohttp.web_app import Application
from aiohttp.web_protocol import ERROR, RequestHandler
from aiohttp.web_request import BaseRequest, Request
from aiohttp.web_response import StreamResponse

from baggage.boundary import Boundary
from baggage.instrumentation._aiohttp.exchange import Exchange, View, serving
from baggage.instrumentation._aiohttp.server import ADAPTER
from baggage.instrumentation._patching import Function, Switch, replace

_SERVICE: Final = "_baggage_service"

Handled = tuple[StreamResponse, bool]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap aiohttp's server, once."""

    def handling(original: Function) -> Function:
        async def handle(
            self: RequestHandler, request: BaseRequest, start_time: Any, request_handler: View
        ) -> Handled:
            arrival = None
            if switch.on and request._message is not ERROR:
                arrival = boundary.arrive(ADAPTER, request, _service(request_handler))
            if arrival is None:
                return await original(self, request, start_time, request_handler)  # type: ignore[no-any-return]
            exchange = Exchange(arrival, request_handler)
            return await exchange.run(lambda: original(self, request, start_time, exchange.view))

        return handle

    replace(RequestHandler, "_handle_request", handling)
    replace(RequestHandler, "finish_response", _finishing)
    replace(BaseRequest, "_prepare_hook", _preparing)
    replace(Request, "_prepare_hook", _preparing)
    replace(StreamResponse, "write_eof", _ending)


def name_service(app: Application, service: str) -> None:
    """Give one application a service name of its own."""
    vars(app)[_SERVICE] = service


def _finishing(original: Function) -> Function:
    def finish(
        self: RequestHandler, request: BaseRequest, resp: Any, start_time: Any
    ) -> Awaitable[Handled]:
        exchange = serving()
        answer = resp if exchange is None else exchange.answer(self, request, resp)
        return original(self, request, answer, start_time)  # type: ignore[no-any-return]

    return finish


def _preparing(original: Function) -> Function:
    def prepare(self: BaseRequest, response: StreamResponse) -> Awaitable[None]:
        exchange, hooks = serving(), original(self, response)
        return hooks if exchange is None else exchange.prepare(response, hooks)

    return prepare


def _ending(original: Function) -> Function:
    def end(self: StreamResponse, *args: Any, **kwargs: Any) -> Awaitable[None]:
        exchange = serving()
        if exchange is not None:
            exchange.end_stream(self)
        return original(self, *args, **kwargs)  # type: ignore[no-any-return]

    return end


def _service(view: View) -> str:
    """Return the name of the application that a view is of, "" for one without or for none."""
    app = getattr(view, "__self__", None)
    return str(vars(app).get(_SERVICE, "")) if isinstance(app, Application) else ""
