"""Serving ASGI: one request, or one websocket, as an arrival.

The start of a response is held until its first bytes, as ASGI allows, so that what the request
brings home by then finds a place in the headers. A body in one piece ends the arrival before it is
sent; a stream keeps it open to its end. The scope closes when the application returns, after its
background tasks: `home` values of these have no way home, and are handed to their owners.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from baggage.boundary import Arrival, Boundary, Outcome, Raised, Returned, deliver
from baggage.context import branch, enter, leave, suppressed
from baggage.instrumentation._asgi import (
    Application,
    AsgiAdapter,
    Message,
    Receive,
    Response,
    Scope,
    Send,
)

_SERVED: Final = "baggage.served"
_PATIENCE: Final = 1.0
"""How long headers wait for the first bytes, in seconds: the caller may have to act upon them."""
_DEEPEST: Final = 50
_REST: Final = frozenset(
    {"http.response.pathsend", "http.response.zerocopysend", "http.response.trailers"}
)


async def serve(
    boundary: Boundary,
    adapter: AsgiAdapter,
    application: Application,
    scope: Scope,
    receive: Receive,
    send: Send,
    service: str = "",
) -> None:
    """Run one request of an ASGI application as an arrival at `service`.

    An application that is mounted in another one is a part of it: the outer one arrives.
    """
    kind = _EXCHANGES.get(scope["type"])
    arrival = None
    if kind is not None and _SERVED not in scope:
        arrival = boundary.arrive(adapter, scope, service)
    if kind is None or arrival is None:
        return await application(scope, receive, send)
    # In place: who is around the application may look for what it leaves in the scope.
    scope[_SERVED] = True
    return await kind(adapter, arrival, scope, receive, send).run(application)


class Served:
    """An ASGI application whose requests arrive at `service` ("" for the process's own)."""

    def __init__(
        self, boundary: Boundary, adapter: AsgiAdapter, app: Application, service: str = ""
    ) -> None:
        """Wrap `app`."""
        self._boundary, self._adapter, self._service = boundary, adapter, service
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await serve(self._boundary, self._adapter, self.app, scope, receive, send, self._service)


def is_served(app: Any) -> bool:
    """Say whether an application, or one within its middleware, is wrapped already."""
    for _ in range(_DEEPEST):
        if app is None or isinstance(app, Served):
            return app is not None
        app = getattr(app, "app", None)
    return False


class _Exchange:
    """One request and its response.

    The application runs in the request's branch; the server, which it calls to receive and send,
    in the branch that the request came from. So nothing leaks to the connection's next request.
    """

    def __init__(
        self, adapter: AsgiAdapter, arrival: Arrival, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._adapter, self._arrival, self._scope = adapter, arrival, scope
        self._to_receive, self._to_send = receive, send
        self._outer = branch()
        self._aware = bool(arrival.branch.baggage.origin)
        self._response: Response | None = None
        self._started = self._ended = False
        self._instead: Outcome | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.Task[None] | None = None

    async def run(self, application: Application) -> None:
        """Run the application in the request's scope, and close that."""
        token = enter(self._arrival.branch)
        try:
            await self._run(application)
        finally:
            try:
                self._finish()
            finally:
                leave(token)

    async def receive(self) -> Message:
        """Stand in for the server's `receive`."""
        token = enter(self._outer)
        try:
            return await self._to_receive()
        finally:
            leave(token)

    async def forward(self, message: Message) -> None:
        """Send a message by the server's `send`."""
        token = enter(self._outer)
        try:
            await self._to_send(message)
        finally:
            leave(token)

    async def send(self, message: Message) -> None:
        """Stand in for the server's `send`."""
        if self._late is not None:
            await _settled(self._late)
        if self._instead is not None:
            return
        kind = message["type"]
        if kind == "http.response.body":
            await self._send_body(message)
        elif kind == "http.response.start" and self._response is None:
            await self._start(message)
        else:
            if kind in _REST or kind == "http.response.start":
                await self.release()
            await self.forward(message)

    async def release(self) -> None:
        """Send the start of the response, with what goes home, if it was not sent yet."""
        response = self._response
        if self._started or response is None:
            return
        self._started = True
        self._disarm()
        token = enter(self._arrival.branch)
        try:
            self._arrival.respond(self._adapter.response_carrier(response))
        finally:
            leave(token)
        await self.forward({**response.start, "headers": response.headers})

    async def answer(self, response: Response) -> None:
        """Send a whole response, which is not the application's."""
        self._response = response
        await self.release()
        await self.forward({"type": "http.response.body", "body": response.body or b""})

    def begin(self, response: Response) -> None:
        """Take up the response that the application, in whichever branch, has begun."""
        self._response = response
        running, own = branch(), self._arrival.branch
        if running is not None and running is not own and running.scope is own.scope:
            own.join(running)

    def end(self, outcome: Outcome) -> Outcome:
        """End the arrival; return what the caller shall see."""
        self._ended = True
        token = enter(self._arrival.branch)
        try:
            return self._arrival.end(outcome)
        finally:
            leave(token)

    async def _run(self, application: Application) -> None:
        outcome = self._arrival.begin()
        if outcome is not None:
            await self.answer(deliver(self.end(outcome)))
            return
        if self._arrival.delay:
            await asyncio.sleep(self._arrival.delay)
        try:
            await application(self._scope, self.receive, self.send)
        except BaseException as error:
            if not await self._excused(error):
                raise
        if self._late is not None:
            await _settled(self._late)
        if self._instead is not None:
            deliver(self._instead)
        await self.release()

    async def _excused(self, error: BaseException) -> bool:
        """End the arrival with what the application raised; say whether a flow undid that."""
        if self._ended:
            return self._instead is not None
        outcome = self.end(self._arrival.raised(error))
        if self._started or (isinstance(outcome, Raised) and outcome.error is error):
            if isinstance(error, Exception):
                await self.release()  # The server goes by how far the application got.
            return False
        self._instead = outcome
        if isinstance(outcome, Returned):
            await self.answer(deliver(outcome))
        return True

    async def _start(self, message: Message) -> None:
        response = Response(message["status"], message, list(message.get("headers") or ()))
        self.begin(response)
        asked = self._arrival.call is not None and response.length() is not None
        if self._aware or asked:
            self._arm()
        else:
            await self.release()

    async def _send_body(self, message: Message) -> None:
        last = not message.get("more_body", False)
        response = self._response
        if response is None or self._ended:
            await self.release()
        elif not self._started and (last or _is_whole(response, message)):
            if not await self._send_whole(response, message):
                return
        else:
            await self.release()
            if last:
                # Before the end: who has read all of it may rely on what was told.
                self._end_stream(response)
        await self.forward(message)

    def _end_stream(self, response: Response) -> None:
        """End the arrival by a stream's end; what was too late for its headers goes otherwise."""
        self.end(self._arrival.answered(response))
        token = enter(self._arrival.branch)
        try:
            self._arrival.respond(None)
        finally:
            leave(token)

    async def _send_whole(self, response: Response, message: Message) -> bool:
        """End the arrival by a body in one piece; say whether the response is still the same."""
        response.body = bytes(message.get("body", b""))
        outcome = self.end(self._arrival.answered(response))
        if isinstance(outcome, Returned) and outcome.value is response:
            await self.release()
            return True
        self._instead = outcome
        self._disarm()
        if isinstance(outcome, Returned):
            await self.answer(deliver(outcome))
        return False

    def _finish(self) -> None:
        """End the arrival, if the response's end hasn't yet, and close the scope."""
        self._disarm()
        if not self._ended and self._response is not None:
            self.end(self._arrival.answered(self._response))
        self._arrival.close()

    def _arm(self) -> None:
        """Have the start sent after some time, whatever the application does."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # trio's, which has no such timers
            return
        with suppressed():
            self._timer = loop.call_later(_PATIENCE, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        self._late = asyncio.get_running_loop().create_task(self.release())


class _Socket(_Exchange):
    """One websocket: what goes home leaves with its acceptance."""

    async def send(self, message: Message) -> None:
        """Stand in for the server's `send`."""
        kind = message["type"]
        if self._response is not None or kind not in _OPENINGS:
            await self.forward(message)
            return
        status = message.get("status", _OPENINGS[kind])
        self.begin(Response(status, message, list(message.get("headers") or ())))
        if kind == "websocket.close":
            self._started = True
            await self.forward(message)
        else:
            await self.release()

    async def answer(self, response: Response) -> None:
        """Refuse the websocket, by a response where the server can send one."""
        await self.receive()
        if "websocket.http.response" not in self._scope.get("extensions", {}):
            await self.forward({"type": "websocket.close"})
            return
        response.start = {**response.start, "type": "websocket.http.response.start"}
        self._response = response
        await self.release()
        await self.forward({"type": "websocket.http.response.body", "body": response.body or b""})


_EXCHANGES: Final = {"http": _Exchange, "websocket": _Socket}
_OPENINGS: Final = {
    "websocket.accept": 101,
    "websocket.close": 403,
    "websocket.http.response.start": 403,
}


def _is_whole(response: Response, message: Message) -> bool:
    """Say whether a first piece is all of the body, although the application may not say so."""
    return response.length() == len(message.get("body", b""))


async def _settled(late: Awaitable[Any]) -> None:
    """Wait for a start that is on its way, also if who waits is cancelled."""
    await asyncio.shield(late)
