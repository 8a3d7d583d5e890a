"""aiohttp's client: every attempt to get an answer, by a middleware of ours behind all others.

A hop of a redirect, a retry that aiohttp makes by itself and one that an application's middleware
makes are attempts of their own, and so is the handshake of a websocket; its messages are none.
Needs aiohttp 3.12, the first with client middlewares. Faults are in `_aiohttp.faults`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from aiohttp.client import DEFAULT_TIMEOUT, ClientSession, ClientTimeout
from aiohttp.client_exceptions import (
    ClientConnectorError,
    ClientHttpProxyError,
    ClientResponseError,
    ConnectionTimeoutError,
)
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.payload import BytesPayload

from baggage.boundary import (
    UNKNOWN_SITE,
    Boundary,
    Call,
    CallSite,
    CannotEnact,
    Departure,
    Endpoint,
    Facts,
    Fault,
    Kind,
    Tellers,
)
from baggage.boundary.crossing import adrive
from baggage.boundary.site import call_site
from baggage.context import suppressed
from baggage.instrumentation._aiohttp.bodies import arrive, at_hand, is_redirect, read
from baggage.instrumentation._aiohttp.faults import enact
from baggage.instrumentation._aiohttp.headers import Headers, joined
from baggage.instrumentation._http import ResponseFacts, digest
from baggage.instrumentation._patching import Function, Switch, replace

if TYPE_CHECKING:
    from baggage.boundary.edit import Edit

_LIBRARY: Final = "aiohttp"
_PACKAGES: Final = frozenset({"aiohttp"})

Handler = Callable[[ClientRequest], Awaitable[ClientResponse]]
Middleware = Callable[[ClientRequest, Handler], Awaitable[ClientResponse]]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap aiohttp's client, once."""
    if "middlewares" not in signature(ClientSession._request).parameters:
        raise RuntimeError("this aiohttp has no client middlewares: 3.12 is the first that has")

    def requesting(original: Function) -> Function:
        def request(
            self: ClientSession, method: str, str_or_url: Any, **options: Any
        ) -> Awaitable[ClientResponse]:
            if switch.on:
                others = options.get("middlewares")
                if others is None:
                    others = self._middlewares
                limits = _limits(self, options.get("timeout", DEFAULT_TIMEOUT))
                options["middlewares"] = (*others, _attempting(boundary, limits))
            return original(self, method, str_or_url, **options)  # type: ignore[no-any-return]

        return request

    replace(ClientSession, "_request", requesting)


def _attempting(boundary: Boundary, limits: ClientTimeout) -> Middleware:
    """Return a middleware for the attempts of one call."""
    # Where the call is awaited, in a task of its own say, the application may not be seen.
    asked = boundary.interested(Kind.CLIENT, _LIBRARY)
    site = call_site(_PACKAGES) if asked else UNKNOWN_SITE

    async def cross(request: ClientRequest, handler: Handler) -> ClientResponse:
        attempt = Attempt(request, limits, site)
        departure = boundary.depart(_ADAPTER, attempt)
        if departure is None:
            return await handler(request)
        response: ClientResponse = await adrive(
            departure, lambda: attempt.through(handler, departure), attempt.wait
        )
        return response

    return cross


class Attempt:
    """One attempt: a request that aiohttp made of what was asked for. This is the carrier.

    Its headers are its own, no application's; but one that a middleware sends again is the same
    object, and what was received shows what was sent: so what is added is taken back.
    """

    __slots__ = ("_before", "_owed", "limits", "request", "site")

    def __init__(self, request: ClientRequest, limits: ClientTimeout, site: CallSite) -> None:
        """Take a request, the limits of time that it is sent under, and who asked for it."""
        self.request, self.limits, self.site = request, limits, site
        self._before: dict[str, list[str]] = {}
        self._owed = 0.0

    def get(self, name: str) -> str | None:
        """Return a header to send."""
        return joined(self.request.headers, name)

    def set(self, name: str, value: str) -> None:
        """Replace a header to send."""
        headers = self.request.headers
        self._before.setdefault(name, headers.getall(name, []))
        headers[name] = value

    async def wait(self, seconds: float) -> None:
        """Wait, as long as the limits of time let it be.

        They end the wait of a call that they would end, which had been sent: it's waited for then
        once the answer is there.
        """
        total = self.limits.total
        if total and seconds >= total:
            self._owed = seconds
            return
        with self._timer():
            await asyncio.sleep(seconds)

    async def through(self, handler: Handler, departure: Departure) -> ClientResponse:
        """Send, and have a short body come where somebody asks, or any that is to be edited."""
        try:
            with self._timer():
                response = await handler(self.request)
        finally:
            self._take_back()
        if any(fault.edit is not None for fault in departure.late):
            with self._timer():
                await read(response)
        elif departure.call is not None:
            await arrive(response)
        if self._owed:
            await self._pay(response)
        return response

    async def _pay(self, response: ClientResponse) -> None:
        try:
            with self._timer():
                await asyncio.sleep(self._owed)
        except BaseException:
            response.close()
            raise

    def _timer(self) -> AbstractContextManager[Any]:
        """Turn a time-out of the whole call into an exception; it'd be seen as a cancellation."""
        return getattr(self.request, "_timer", None) or nullcontext()

    def _take_back(self) -> None:
        headers = self.request.headers
        for name, values in self._before.items():
            headers.popall(name, None)
            headers.extend((name, value) for value in values)


class _ResponseFacts(ResponseFacts):
    __slots__ = ()

    _response: ClientResponse | ClientResponseError

    def whole(self) -> bytes | None:
        response = self._response
        return None if isinstance(response, ClientResponseError) else at_hand(response)

    def digest(self) -> bytes | None:
        response = self._response
        if not isinstance(response, ClientResponseError) and is_redirect(response):
            return digest(response.headers["location"].encode(errors="surrogateescape"))
        return super().digest()


class _Adapter:
    kind = Kind.CLIENT
    library = _LIBRARY
    packages = _PACKAGES
    below: frozenset[str] = frozenset()

    def describe(self, request: Attempt) -> Call:
        sent, limits = request.request, request.limits
        method, url = sent.method, sent.url
        asked, operation = (method, url, sent.body, limits), f"{method} {url.raw_path or '/'}"
        return Call.told(self.kind, self.library, operation, asked, _TELLERS, request.site)

    def request_carrier(self, request: Attempt) -> Attempt:
        return request

    def response_carrier(self, response: ClientResponse | ClientResponseError) -> Headers:
        return Headers(response.headers)

    def facts(self, response: ClientResponse | ClientResponseError) -> Facts:
        return _ResponseFacts(response)

    def lends(self, _: object) -> bool:
        return True

    def unsent(self, error: BaseException) -> bool | None:
        """Know what is raised while there is no connection yet."""
        return isinstance(error, ClientConnectorError | ConnectionTimeoutError) or None

    def answer(self, error: BaseException) -> ClientResponseError | None:
        """Return an error that has an answer's headers; what a proxy says is no answer."""
        if not isinstance(error, ClientResponseError) or isinstance(error, ClientHttpProxyError):
            return None
        return None if error.headers is None else error

    def edited(self, response: ClientResponse, edit: Edit) -> bytes:
        body = at_hand(response)
        if body is None:
            raise CannotEnact("a body that streams is not edited")
        return edit.of(body)

    def enact(
        self, fault: Fault, request: Attempt, response: ClientResponse | None = None
    ) -> ClientResponse:
        with suppressed():
            return enact(fault, request.request, request.limits, response)


_ADAPTER: Final = _Adapter()


def _limits(session: ClientSession, timeout: Any) -> ClientTimeout:
    """Return the limits that hold for a call, given its own in any of the forms they take."""
    if timeout is None or isinstance(timeout, int | float):
        return ClientTimeout(total=timeout)
    own = isinstance(timeout, ClientTimeout) and timeout is not DEFAULT_TIMEOUT
    return timeout if own else session.timeout


def _seconds(limits: ClientTimeout) -> float | None:
    """Return the time that a call waits for an answer; aiohttp's own default is nobody's wish."""
    if limits is DEFAULT_TIMEOUT:
        return None
    set_limits = [limit for limit in (limits.total, limits.sock_read) if limit]
    return float(min(set_limits)) if set_limits else None


def _payload(method: str, url: Any, body: Any) -> bytes | None:
    if isinstance(body, BytesPayload):
        body = body._value
    if not isinstance(body, bytes | bytearray | memoryview):
        return None
    target = f"{method} {url.raw_path or '/'}?{url.raw_query_string}"
    return digest(target.encode() + b"\0" + bytes(body))


_TELLERS: Final[Tellers] = {
    "method": lambda asked: asked[0].lower(),
    "arguments": lambda asked: {"url": str(asked[1])},
    "endpoint": lambda asked: Endpoint(asked[1].raw_host or "", asked[1].port or 0),
    "timeout": lambda asked: _seconds(asked[3]),
    "payload": lambda asked: _payload(*asked[:3]),
}
