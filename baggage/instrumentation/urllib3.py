"""urllib3: each attempt of each call by a pool, by the one method that makes them.

`HTTPConnectionPool._make_request` is called once for each retry and each hop of a redirect, and
raises what a connection does: urllib3's own retries work on injected faults as on real ones. What
requests sends is a part of its calls. Before version 2 an attempt comes to a response of
http.client, whose body nobody digests or changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

from urllib3 import exceptions
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from baggage.boundary import (
    Boundary,
    Call,
    CannotEnact,
    Endpoint,
    Facts,
    Fault,
    FaultKind,
    Kind,
    Tellers,
)
from baggage.instrumentation._http import PORTS, ResponseFacts, ResponseHeaders, payload
from baggage.instrumentation._nowhere import BROKEN_BODY
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._urllib3 import (
    Attempt,
    Dial,
    answering,
    dial_of,
    is_plain,
    refuse,
    seconds,
    sent_by,
    time_out_connecting,
    with_body,
)

if TYPE_CHECKING:
    from baggage.boundary.edit import Edit


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap urllib3, once."""

    def make_request(
        wrapped: Callable[..., Any],
        pool: HTTPConnectionPool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if not is_plain(args) or sent_by(kwargs) is not None:
            return wrapped(*args, **kwargs)
        attempt = Attempt(pool, wrapped, args, kwargs)
        departure = boundary.depart(_ADAPTER, attempt)
        return attempt.send() if departure is None else departure.drive(attempt.send)

    wrap(HTTPConnectionPool, "_make_request", switch, make_request)


class _ResponseFacts(ResponseFacts):
    __slots__ = ()

    def whole(self) -> bytes | None:
        body: bytes | None = getattr(self._response, "_body", None)
        return body


class _Asked(NamedTuple):
    """What an attempt asks for."""

    method: str
    url: str
    pool: HTTPConnectionPool
    timeout: Any
    body: Any

    def endpoint(self) -> Endpoint:
        url = urlsplit(self.url)
        # An absolute one goes to a proxy, which forwards it.
        scheme = url.scheme or str(self.pool.scheme)
        host = url.hostname or str(self.pool.host).strip("[]")
        port = url.port if url.netloc else self.pool.port
        return Endpoint(host, port or PORTS.get(scheme, 0))

    def arguments(self) -> dict[str, object]:
        url = urlsplit(self.url)
        query = f"?{url.query}" if url.query else ""
        scheme = url.scheme or str(self.pool.scheme)
        return {"url": f"{scheme}://{self.endpoint()}{url.path or '/'}{query}"}

    def payload(self) -> bytes | None:
        url = urlsplit(self.url)
        return payload(f"{self.method} {url.path or '/'}?{url.query}", self.body)


_TELLERS: Final[Tellers] = {
    "method": lambda asked: asked.method.lower(),
    "arguments": _Asked.arguments,
    "endpoint": _Asked.endpoint,
    "timeout": lambda asked: seconds(asked.timeout),
    "payload": _Asked.payload,
}


class _Adapter:
    kind = Kind.CLIENT
    library = "urllib3"
    packages = frozenset({"urllib3"})
    below: frozenset[str] = frozenset({"requests"})

    def describe(self, request: Attempt) -> Call:
        told = request.options.get
        asked = _Asked(request.method, request.url, request.pool, told("timeout"), told("body"))
        operation = f"{request.method} {urlsplit(request.url).path or '/'}"
        return Call.told(self.kind, self.library, operation, asked, _TELLERS)

    def request_carrier(self, request: Attempt) -> Attempt:
        return request

    def response_carrier(self, response: Any) -> ResponseHeaders:
        return ResponseHeaders(response.headers)

    def facts(self, response: Any) -> Facts:
        return _ResponseFacts(response)

    def lends(self, _: object) -> bool:
        return True

    def unsent(self, error: BaseException) -> bool | None:
        """Know a connection that took too long to make; nothing was sent then."""
        return isinstance(error, exceptions.ConnectTimeoutError) or None

    def answer(self, error: BaseException) -> None:
        """Say nothing: a status is no exception here."""

    def edited(self, response: Any, edit: Edit) -> bytes:
        body = _ResponseFacts(response).whole()
        if body is None:
            raise CannotEnact("a body that the application streams is not edited")
        return edit.of(body)

    def enact(self, fault: Fault, request: Attempt, response: Any = None) -> Any:
        if response is not None and fault.kind is FaultKind.BODY:
            return with_body(response, fault.body or b"")
        dial = _named(fault) if fault.kind is FaultKind.RAISE else dial_of(fault)
        if dial is None:
            raise CannotEnact(f"urllib3 knows no fault {fault}")
        if response is not None:
            response.close()
        return request.send_by(dial)


_ADAPTER: Final = _Adapter()


def _named(fault: Fault) -> Dial:
    """Return how to connect so that one of urllib3's exceptions comes of it."""
    module, _, name = (fault.name or "").rpartition(".")
    dial = _BY_NAME.get(name)
    if module not in ("urllib3", "urllib3.exceptions") or dial is None:
        raise CannotEnact(f"{fault.name!r} is no exception that an attempt of urllib3 raises")
    return dial


def _distrust(connection: HTTPConnection) -> NoReturn:
    raise exceptions.SSLError(f"{connection.host} can't be trusted")


_BY_NAME: Final[dict[str, Dial]] = {
    "NewConnectionError": refuse,
    "ConnectTimeoutError": time_out_connecting,
    "ReadTimeoutError": answering(TimeoutError("timed out")),
    "ProtocolError": answering(ConnectionResetError(104, "Connection reset by peer")),
    "IncompleteRead": answering(BROKEN_BODY),
    "SSLError": _distrust,
}
