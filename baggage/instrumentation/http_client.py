"""http.client: each request of each connection, and so what `urllib.request` opens.

A crossing lasts from the end of the headers to the response. What urllib3 sends, and what is built
on that, is a part of their calls; so is a request that carries baggage of ours already, whoever put
it there. Bodies are left to the application.
"""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from io import BufferedReader, BytesIO
from socket import getdefaulttimeout
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from baggage.boundary import (
    Boundary,
    Call,
    CannotEnact,
    Endpoint,
    Facts,
    Fault,
    FaultKind,
    Kind,
)
from baggage.instrumentation._http import PORTS, ResponseFacts, payload
from baggage.instrumentation._http_client_exchange import (
    Answer,
    Arranged,
    Exchange,
    Request,
    lines,
    under_way,
)
from baggage.instrumentation._nowhere import Socket, answer_of, message, refused
from baggage.instrumentation._patching import Switch, wrap
from baggage.wire import NAME, split_members

if TYPE_CHECKING:
    from baggage.boundary.edit import Edit

_WHOLE: Final = 1 << 24
"""Bytes of a body that is read before the application does, where it is to be edited."""


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap http.client, once."""

    def endheaders(
        wrapped: Callable[..., None],
        connection: HTTPConnection,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if not lines(connection):  # No request was begun, and the library says so.
            return wrapped(*args, **kwargs)
        request = Request(connection, args[0] if args else kwargs.get("message_body"))
        departure = boundary.depart(_ADAPTER, request)
        if departure is None or split_members(request.get(NAME) or "")[0] is not None:
            return wrapped(*args, **kwargs)
        return Exchange(request, departure).send(lambda: wrapped(*args, **kwargs))

    def getresponse(
        wrapped: Callable[..., HTTPResponse],
        connection: HTTPConnection,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        exchange = under_way(connection)
        if exchange is None:
            return wrapped(*args, **kwargs)
        return exchange.receive(lambda: wrapped(*args, **kwargs))

    wrap(HTTPConnection, "endheaders", switch, endheaders)
    # These end what was begun, also after the switch was turned.
    wrap(HTTPConnection, "getresponse", Switch(), getresponse)
    wrap(HTTPConnection, "close", Switch(), _close)


def _close(
    wrapped: Callable[..., None],
    connection: HTTPConnection,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    exchange = under_way(connection)
    try:
        wrapped(*args, **kwargs)
    finally:
        if exchange is not None:
            exchange.abandon()


class _ResponseHeaders:
    """The headers of a response."""

    __slots__ = ("_response",)

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response

    def get(self, name: str) -> str | None:
        found = self._response.headers.get_all(name)
        return ",".join(map(str, found)) if found else None

    def set(self, name: str, value: str) -> None:
        del self._response.headers[name]
        self._response.headers[name] = value


class _Adapter:
    kind = Kind.CLIENT
    library = "http.client"
    packages = frozenset({"http"})
    below: frozenset[str] = frozenset({"requests", "urllib3"})

    def describe(self, request: Request) -> Call:
        connection, (method, target) = request.connection, request.target()
        url = urlsplit(target)
        path = url.path or "/"
        query = f"?{url.query}" if url.query else ""
        endpoint = _endpoint(connection, target)
        return Call(
            kind=self.kind,
            library=self.library,
            operation=f"{method} {path}",
            method=method.lower(),
            arguments={"url": f"{_scheme(connection)}://{endpoint}{path}{query}"},
            endpoint=endpoint,
            timeout=_seconds(connection.timeout),
            payload=payload(f"{method} {path}?{url.query}", request.body()),
        )

    def request_carrier(self, request: Request) -> Request:
        return request

    def response_carrier(self, response: HTTPResponse) -> _ResponseHeaders:
        return _ResponseHeaders(response)

    def facts(self, response: HTTPResponse) -> Facts:
        return ResponseFacts(response)

    def lends(self, _: object) -> bool:
        return True

    def answer(self, error: BaseException) -> None:
        """Say nothing: a status is no exception here."""

    def edited(self, response: HTTPResponse, edit: Edit) -> bytes:
        return edit.of(_whole(response))

    def enact(
        self, fault: Fault, request: Request, response: HTTPResponse | None = None
    ) -> HTTPResponse:
        changes = response is not None and fault.kind is FaultKind.BODY
        answer = message(200, fault.body or b"") if changes else _answer(fault)
        if request.arranging:
            raise Arranged(answer)
        if response is not None:
            # What is left of the answer would be taken for the next one.
            request.connection.close()
            response.close()
        made = _read(request, answer)
        if changes and response is not None:
            made.status = made.code = response.status  # type: ignore[attr-defined]
            made.reason, made.version = response.reason, response.version
            made.headers = made.msg = response.headers
        return made


_ADAPTER: Final = _Adapter()


def _read(request: Request, answer: Answer) -> HTTPResponse:
    """Read an answer, as the connection does."""
    made: HTTPResponse = request.connection.response_class(
        Socket(answer),  # type: ignore[arg-type]  # It does what is asked of it.
        method=request.target()[0],
    )
    made.begin()
    return made


def _whole(response: HTTPResponse) -> bytes:
    """Read a body that ends; the application finds it as it was."""
    if response.chunked or (response.length or 0) > _WHOLE:
        raise CannotEnact("a body that streams, or is long, is not edited")
    body = response.read()
    response.fp = BufferedReader(BytesIO(body))
    response.length = len(body)
    return body


def _answer(fault: Fault) -> Answer:
    """Return what a connection reads or raises under a fault."""
    if fault.kind is FaultKind.REFUSED:
        return refused()
    answer = _BY_NAME.get(fault.name or "") if fault.kind is FaultKind.RAISE else answer_of(fault)
    if answer is None:
        raise CannotEnact(f"http.client knows no fault {fault}")
    return answer


_BY_NAME: Final[dict[str, Answer]] = {
    "http.client.RemoteDisconnected": b"",
    "http.client.BadStatusLine": b"nonsense\r\n\r\n",
}


def _endpoint(connection: HTTPConnection, url: str) -> Endpoint:
    """Return where a request goes in the end, whatever proxy it goes by."""
    absolute = urlsplit(url)
    if absolute.netloc:
        return Endpoint(absolute.hostname or "", absolute.port or PORTS.get(absolute.scheme, 0))
    tunnelled = getattr(connection, "_tunnel_host", None)
    if tunnelled:
        return Endpoint(tunnelled, getattr(connection, "_tunnel_port", None) or 0)
    return Endpoint(connection.host, connection.port or 0)


def _scheme(connection: HTTPConnection) -> str:
    return "https" if connection.default_port == PORTS["https"] else "http"


def _seconds(timeout: object) -> float | None:
    return float(timeout) if isinstance(timeout, int | float) else getdefaulttimeout()
