"""One request of aiohttp's server and its response, as an arrival.

A response whose body is known ends the arrival before it is sent, and so does what aiohttp answers
for an exception; any other keeps the scope open to its end. What goes home is put on the headers
when they are prepared, after all that the application adds there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from baggage.boundary import Arrival, Outcome, Raised, deliver
from baggage.context import enter, leave
from baggage.instrumentation._aiohttp.headers import Headers
from baggage.instrumentation._aiohttp.server import whole

T = TypeVar("T")
View = Callable[[BaseRequest], Awaitable[StreamResponse]]


class Exchange:
    """One request being served, by the task that `run` runs in."""

    __slots__ = ("_application", "_arrival", "_ended", "_failure", "_response")

    def __init__(self, arrival: Arrival, application: View) -> None:
        """Serve by this handler of the application."""
        self._arrival, self._application = arrival, application
        self._ended = False
        self._response: StreamResponse | None = None
        self._failure: BaseException | None = None

    async def run(self, handle: Callable[[], Awaitable[T]]) -> T:
        """Handle the request in its scope."""
        noted, token = _serving.set(self), enter(self._arrival.branch)
        try:
            handled = await handle()
            if not self._ended:
                self._end(self._arrival.answered(self._response))
        except BaseException as error:
            if not self._ended:
                self._end(self._arrival.raised(self._failure or error))
            raise
        else:
            return handled
        finally:
            self._arrival.close()
            leave(token)
            _serving.reset(noted)

    async def view(self, request: BaseRequest) -> StreamResponse:
        """Stand in for the application's handler."""
        outcome = self._arrival.begin()
        if outcome is not None:
            response: StreamResponse = deliver(self._end(outcome))
            return response
        if self._arrival.delay:
            await asyncio.sleep(self._arrival.delay)
        try:
            return await self._application(request)
        except BaseException as error:
            self._failure = error
            raise

    def answer(self, protocol: RequestHandler, request: BaseRequest, response: Any) -> Any:
        """Return what to answer where the handler is done, or has failed, with this response."""
        if self._ended or whole(response) is None or response.prepared:
            return response
        outcome = self._end(self._arrival.answered(response))
        if not isinstance(outcome, Raised):
            return outcome.value
        if isinstance(outcome.error, StreamResponse):
            return outcome.error
        if not isinstance(outcome.error, Exception):
            raise outcome.error
        return protocol.handle_error(request, 500, outcome.error)

    async def prepare(self, response: StreamResponse, hooks: Awaitable[None]) -> None:
        """Put what goes home on the headers of a response, after the application's hooks."""
        await hooks
        if self._response is None:
            self._response = response
            self._arrival.respond(Headers(response.headers))

    def end_stream(self, response: StreamResponse) -> None:
        """End the arrival by a stream's end, before that is sent: its reader may rely on it.

        What was too late for the headers goes otherwise.
        """
        if response is self._response and not self._ended:
            self._end(self._arrival.answered(response))
            self._arrival.respond(None)

    def _end(self, outcome: Outcome) -> Outcome:
        self._ended = True
        return self._arrival.end(outcome)


_serving: Final[ContextVar[Exchange | None]] = ContextVar("baggage.aiohttp", default=None)


def serving() -> Exchange | None:
    """Return the exchange that runs here."""
    return _serving.get()
