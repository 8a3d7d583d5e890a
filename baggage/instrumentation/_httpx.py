"""httpx and httpx2, which are one library under two names: every wire attempt is a call.

Hooked at the library's own transports: below redirects, authentication flows and an application's
transports that try again, and for clients that were made before. A transport of the application
that reaches the wire by other means is a call of those means. `Client.send` tells whether the
client reads bodies whole. Faults are in `_httpx_faults`, bodies in `_httpx_bodies`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from baggage.boundary import (
    Boundary,
    Call,
    CannotEnact,
    Departure,
    Endpoint,
    Facts,
    Fault,
    FaultKind,
    Kind,
    Tellers,
)
from baggage.boundary.crossing import adrive
from baggage.context import suppressed
from baggage.instrumentation._http import ResponseFacts, ResponseHeaders, digest, payload
from baggage.instrumentation._httpx_bodies import Body, atake, content_of, kind_of, take
from baggage.instrumentation._httpx_faults import Nowhere, changed, finished
from baggage.instrumentation._patching import Switch, wrap

if TYPE_CHECKING:
    from baggage.boundary.edit import Edit

_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SOCKETS: Final = ("ws", "wss")
_whole: Final[ContextVar[bool]] = ContextVar("baggage.httpx.whole", default=False)


def instrument(boundary: Boundary, switch: Switch, api: Any) -> None:
    """Wrap a library's transports and clients, once.

    A transport's answer is a call's outcome together with its body, where the client reads that.
    """
    adapter = _Adapter(api)
    for transport in (api.HTTPTransport, api.WSGITransport, api.MockTransport):
        _wrap_plain(transport, boundary, switch, adapter)
    for transport in (api.AsyncHTTPTransport, api.ASGITransport, api.MockTransport):
        _wrap_looping(transport, boundary, switch, adapter)
    wrap(api.Client, "send", switch, _ask)
    wrap(api.AsyncClient, "send", switch, _aask)


def instrument_transport(boundary: Boundary, switch: Switch, api: Any, transport: type) -> None:
    """Wrap a transport, once, by which another library answers within the process.

    Its websockets are left alone: it answers them by an exception.
    """
    _wrap_plain(transport, boundary, switch, _Adapter(api, within=True))


def _wrap_plain(transport: type, boundary: Boundary, switch: Switch, adapter: _Adapter) -> None:
    def send(
        wrapped: Callable[[Any], Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        sending = Sending(adapter, *args, **kwargs)
        if adapter.within and sending.request.url.scheme in _SOCKETS:
            return wrapped(*args, **kwargs)
        departure = boundary.depart(adapter, sending)
        return wrapped(*args, **kwargs) if departure is None else sending.drive(departure, wrapped)

    wrap(transport, "handle_request", switch, send)


def _wrap_looping(transport: type, boundary: Boundary, switch: Switch, adapter: _Adapter) -> None:
    async def send(
        wrapped: Callable[[Any], Awaitable[Any]],
        _: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        sending = Sending(adapter, *args, **kwargs, loop=True)
        departure = boundary.depart(adapter, sending)
        if departure is None:
            return await wrapped(*args, **kwargs)
        return await sending.adrive(departure, wrapped)

    wrap(transport, "handle_async_request", switch, send)


def _ask(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let a client send, and its transports know whether it will read the body."""
    token = _whole.set(not kwargs.get("stream"))
    try:
        return wrapped(*args, **kwargs)
    finally:
        _whole.reset(token)


async def _aask(
    wrapped: Callable[..., Awaitable[Any]], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Do as `_ask`, for a client of an event loop."""
    token = _whole.set(not kwargs.get("stream"))
    try:
        return await wrapped(*args, **kwargs)
    finally:
        with suppress(ValueError):  # thrown away, and closed in another context
            _whole.reset(token)


class Sending:
    """One call of a transport: what the application asked for, and what is sent.

    The application may send its request again, and the client builds the next hop of a redirect
    from it: so baggage goes on a copy alone. This is the carrier.
    """

    __slots__ = (
        "_adapter",
        "_broken",
        "_dropped",
        "_error",
        "loop",
        "outgoing",
        "request",
        "whole",
    )

    def __init__(self, adapter: _Adapter, request: Any, *, loop: bool = False) -> None:
        """Take what was asked for; until there are headers to add, it is sent as it is."""
        self._adapter, self.request, self.outgoing, self.loop = adapter, request, request, loop
        self.whole = False
        self._dropped: Any = None
        self._broken: Any = None
        self._error: Exception | None = None

    def get(self, name: str) -> str | None:
        """Return a header to send."""
        value: str | None = self.outgoing.headers.get(name)
        return value

    def set(self, name: str, value: str) -> None:
        """Replace a header to send, not the application's own."""
        if self.outgoing is self.request:
            # As it is: `copy` would leave out the body.
            self.outgoing = object.__new__(type(self.request))
            vars(self.outgoing).update(vars(self.request))
            self.outgoing.headers = self.request.headers.copy()
        self.outgoing.headers[name] = value

    def drive(self, departure: Departure, send: Callable[[Any], Any]) -> Any:
        """Take all steps around `send`. A body that broke off is left to the client to find."""
        self.whole = departure.call is not None and _whole.get()
        try:
            return departure.drive(lambda: self.through(send))
        except Exception as error:
            if error is not self._error:
                raise
            return self._broken
        finally:
            if self._dropped is not None:
                with suppress(Exception):
                    self._dropped.close()

    async def adrive(self, departure: Departure, send: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do as `drive`, in an event loop."""
        self.whole = departure.call is not None and _whole.get()
        try:
            return await adrive(departure, lambda: self.athrough(send))
        except Exception as error:
            if error is not self._error:
                raise
            return self._broken
        finally:
            if self._dropped is not None:
                with suppress(Exception):
                    await self._dropped.aclose()

    def through(self, send: Callable[[Any], Any]) -> Any:
        """Send, and take a body that the client is going to read off the wire."""
        response = send(self.outgoing)
        if self.whole:
            try:
                take(self._adapter.api, self._adapter.body, self.request, response)
            except Exception as error:
                self._broken, self._error = response, error
                raise
        return response

    async def athrough(self, send: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do as `through`, in an event loop."""
        response = await send(self.outgoing)
        if self.whole:
            try:
                await atake(self._adapter.api, self._adapter.body, self.request, response)
            except Exception as error:
                self._broken, self._error = response, error
                raise
        return response

    def drop(self, response: Any) -> None:
        """Let go of an answer that the application shall not see; it is closed in the end."""
        self._dropped = response

    def bodiless(self) -> Any:
        """Return what is sent, without a body that only an event loop could read."""
        request = self.outgoing
        if not self.loop or isinstance(request.stream, self._adapter.api.ByteStream):
            return request
        return self._adapter.api.Request(request.method, request.url, extensions=request.extensions)


class _Facts(ResponseFacts):
    __slots__ = ("_content",)

    def __init__(self, response: Any) -> None:
        super().__init__(response)
        self._content = content_of(response)

    @property
    def status(self) -> int:
        status: int = self._response.status_code
        return status

    def whole(self) -> bytes | None:
        return self._content

    def digest(self) -> bytes | None:
        if self._response.has_redirect_location:
            return digest(self._response.headers["location"].encode())
        return super().digest()


class _Adapter:
    kind = Kind.CLIENT
    below: frozenset[str] = frozenset()

    def __init__(self, api: Any, *, within: bool = False) -> None:
        self.api, self.body, self.within = api, kind_of(api), within
        self.library: str = api.__name__
        self.core = self.library.replace("httpx", "httpcore")
        self.packages = frozenset({self.library, self.core, *(["starlette"] if within else [])})

    def describe(self, request: Sending) -> Call:
        asked = request.request
        target = asked.url.raw_path.decode("ascii")
        operation = f"{asked.method} {target.partition('?')[0] or '/'}"
        stream = asked.stream if isinstance(asked.stream, self.api.ByteStream) else None
        told = asked.method, asked.url, target, asked.extensions.get("timeout"), stream
        return Call.told(self.kind, self.library, operation, told, _TELLERS)

    def request_carrier(self, request: Sending) -> Sending:
        return request

    def response_carrier(self, response: Any) -> ResponseHeaders:
        return ResponseHeaders(response.headers)

    def facts(self, response: Any) -> Facts:
        return _Facts(response)

    def lends(self, _: object) -> bool:
        return True

    def unsent(self, error: BaseException) -> bool | None:
        """Know what is raised while there is no connection yet, or none left in the pool."""
        api = self.api
        return isinstance(error, api.ConnectError | api.ConnectTimeout | api.PoolTimeout) or None

    def answer(self, error: BaseException) -> None:
        """Say nothing: `raise_for_status` comes after the call."""

    def edited(self, response: Any, edit: Edit) -> bytes:
        body = content_of(response)
        if body is None:
            raise CannotEnact("a body that the application streams is not edited")
        return edit.of(body)

    def enact(self, fault: Fault, request: Sending, response: Any | None = None) -> Any:
        if fault.kind is FaultKind.BODY:
            return self._changed(fault, response)
        try:
            return self._fail(fault, request)
        except CannotEnact:
            response = None
            raise
        finally:
            request.drop(response)

    def _fail(self, fault: Fault, sending: Sending) -> Any:
        nowhere = Nowhere(self.api, self.core, sending.loop)
        nowhere.raises(fault, sending.request)
        transport = nowhere.transport(fault)
        asked = sending.bodiless()
        with suppressed():
            if sending.loop:
                return finished(sending.athrough(lambda _: transport.handle_async_request(asked)))
            return sending.through(lambda _: transport.handle_request(asked))

    def _changed(self, fault: Fault, response: Any) -> Any:
        if response is None or fault.body is None:
            raise CannotEnact("a body is changed of an answer that did come")
        body: Body = self.body(response.stream, [fault.body])
        body.content = fault.body
        return changed(self.api, response, body, fault.body)


def _seconds(timeout: Any) -> float | None:
    """Return how long a call waits for an answer; the library's own five seconds count as well."""
    read = timeout.get("read") if isinstance(timeout, dict) else None
    return float(read) if isinstance(read, int | float) else None


def _endpoint(url: Any) -> Endpoint:
    return Endpoint(url.host, url.port or _PORTS.get(url.scheme, 0))


_TELLERS: Final[Tellers] = {
    "method": lambda asked: asked[0].lower(),
    "arguments": lambda asked: {"url": str(asked[1])},
    "endpoint": lambda asked: _endpoint(asked[1]),
    "timeout": lambda asked: _seconds(asked[3]),
    "payload": lambda asked: _payload(f"{asked[0]} {asked[2]}", asked[4]),
}


def _payload(target: str, stream: Any) -> bytes | None:
    return None if stream is None else payload(target, b"".join(stream))
