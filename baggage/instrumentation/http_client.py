"""http.client: each request of each connection, and so what `urllib.request` opens.

A crossing lasts from the end of the headers to the response. What urllib3 sends, and what is built
on that, is a part of their calls; so is a request that carries baggage of ours already, whoever put
it there. Bodies are left to the application.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse, ResponseNotReady
from socket import getdefaulttimeout
from time import sleep
from typing import Any, Final
from urllib.parse import urlsplit

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
    Outcome,
    Raised,
    deliver,
)
from baggage.instrumentation._http import PORTS, payload
from baggage.instrumentation._nowhere import Socket, answer_of, message, refused
from baggage.instrumentation._patching import Switch, wrap
from baggage.wire import NAME, split_members

_UNDER_WAY: Final = "_baggage_exchange"
Answer = bytes | OSError


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap http.client, once."""

    def endheaders(
        wrapped: Callable[..., None],
        connection: HTTPConnection,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if not _lines(connection):  # No request was begun, and the library says so.
            return wrapped(*args, **kwargs)
        request = Request(connection, args[0] if args else kwargs.get("message_body"))
        if split_members(request.get(NAME) or "")[0] is not None:
            return wrapped(*args, **kwargs)
        departure = boundary.depart(_ADAPTER, request)
        if departure is None:
            return wrapped(*args, **kwargs)
        exchange = _Exchange(request, departure)
        vars(connection)[_UNDER_WAY] = exchange
        return exchange.send(lambda: wrapped(*args, **kwargs))

    def getresponse(
        wrapped: Callable[..., HTTPResponse],
        connection: HTTPConnection,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        exchange = vars(connection).get(_UNDER_WAY)
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
    exchange = vars(connection).get(_UNDER_WAY)
    try:
        wrapped(*args, **kwargs)
    finally:
        if exchange is not None:
            exchange.abandon()


class Request:
    """What a connection is about to send. This is the carrier.

    While it is `arranging`, a fault is not enacted at once, but by what the connection reads.
    """

    __slots__ = ("arranging", "body", "connection", "method", "url")

    def __init__(self, connection: HTTPConnection, body: object) -> None:
        """Read the request line, which the connection holds back with the headers."""
        self.connection, self.body = connection, body
        self.method, self.url, *_ = _lines(connection)[0].decode("latin-1").split(" ")
        self.arranging = False
        if body is None and self.get("content-length") not in (None, "0"):
            self.body = ...  # It is sent by the application, after the headers.

    def get(self, name: str) -> str | None:
        """Return a header to send."""
        lines = _lines(self.connection)[1:]
        found = [line for line in lines if _name(line) == name]
        return ",".join(line.partition(b":")[2].decode("latin-1").strip() for line in found) or None

    def set(self, name: str, value: str) -> None:
        """Replace a header to send."""
        line, *headers = _lines(self.connection)
        _lines(self.connection)[:] = [line, *(each for each in headers if _name(each) != name)]
        self.connection.putheader(name, value)


class _Exchange:
    """One request and its response, with the fault that is arranged for it."""

    __slots__ = ("_decided", "_departure", "_injected", "_real", "_request", "_stand_in")

    def __init__(self, request: Request, departure: Departure) -> None:
        self._request, self._departure = request, departure
        self._decided: Outcome | None = None
        self._injected: Fault | None = None
        self._real: Any = None
        self._stand_in: Socket | None = None

    def send(self, send: Callable[[], None]) -> None:
        """Ask the flows, and end the headers."""
        try:
            self._begin()
        except BaseException:
            self.abandon()
            raise
        try:
            send()
        except BaseException as error:
            self._restore()
            if self._decided is None:
                self._decided = self._end(self._departure.raised(error))
            if isinstance(self._decided, Raised) and self._decided.error is error:
                self.abandon()
                raise
        if isinstance(self._decided, Raised):
            self.abandon()
            deliver(self._decided)

    def receive(self, receive: Callable[[], HTTPResponse]) -> Any:
        """Return the response, or raise what came instead."""
        connection = self._request.connection
        vars(connection).pop(_UNDER_WAY, None)
        if self._decided is not None:
            self.abandon()
            connection.close()
            return deliver(self._decided)
        try:
            response = receive()
        except ResponseNotReady:
            # That of the request before is to be read first: this one is asked for again.
            vars(connection)[_UNDER_WAY] = self
            raise
        except BaseException as error:
            self._restore()
            outcome = self._end(self._departure.raised(error))
            if isinstance(outcome, Raised) and outcome.error is error:
                raise
        else:
            self._restore()
            outcome = self._end(self._departure.answered(response))
        return deliver(outcome)

    def abandon(self) -> None:
        """Give up a request whose response nobody asks for."""
        self._restore()
        vars(self._request.connection).pop(_UNDER_WAY, None)
        self._departure.close()

    def _begin(self) -> None:
        self._request.arranging = True
        try:
            outcome = self._departure.begin()
        finally:
            self._request.arranging = False
        if outcome is None:
            if self._departure.delay:
                sleep(self._departure.delay)
        elif isinstance(outcome, Raised) and isinstance(outcome.error, _Arranged):
            self._injected = outcome.injected
            self._stand_for(outcome.error.answer)
        else:
            self._stand_for(b"")
            self._decided = self._departure.end(outcome)

    def _end(self, outcome: Outcome) -> Outcome:
        if self._injected is not None:
            outcome = replace(outcome, injected=self._injected)
        try:
            return self._departure.end(outcome)
        finally:
            self._departure.close()

    def _stand_for(self, answer: Answer) -> None:
        """Have the connection talk to nobody until the response was read."""
        connection = self._request.connection
        self._real, self._stand_in = connection.sock, Socket(answer)
        connection.sock = self._stand_in

    def _restore(self) -> None:
        connection, real = self._request.connection, self._real
        if self._stand_in is None:
            return
        if connection.sock is self._stand_in:
            connection.sock = real
        elif real is not None:
            real.close()
        self._stand_in = self._real = None


class _Arranged(Exception):
    """A fault that is enacted by what a connection reads."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("a fault is arranged for")
        self.answer = answer


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


class _ResponseFacts:
    """What a response says before its body is read."""

    __slots__ = ("_response",)

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response

    @property
    def status(self) -> int | None:
        return self._response.status

    @property
    def ok(self) -> bool:
        return self._response.status < 400

    def digest(self) -> bytes | None:
        return None

    def size(self) -> int | None:
        return None


class _Adapter:
    kind = Kind.CLIENT
    library = "http.client"
    packages = frozenset({"http"})
    below: frozenset[str] = frozenset({"requests", "urllib3"})

    def describe(self, request: Request) -> Call:
        connection, method = request.connection, request.method
        url = urlsplit(request.url)
        path = url.path or "/"
        query = f"?{url.query}" if url.query else ""
        endpoint = _endpoint(connection, request.url)
        return Call(
            kind=self.kind,
            library=self.library,
            operation=f"{method} {path}",
            method=method.lower(),
            arguments={"url": f"{_scheme(connection)}://{endpoint}{path}{query}"},
            endpoint=endpoint,
            timeout=_seconds(connection.timeout),
            payload=payload(f"{method} {path}?{url.query}", request.body),
        )

    def request_carrier(self, request: Request) -> Request:
        return request

    def response_carrier(self, response: HTTPResponse) -> _ResponseHeaders:
        return _ResponseHeaders(response)

    def facts(self, response: HTTPResponse) -> Facts:
        return _ResponseFacts(response)

    def answer(self, error: BaseException) -> None:
        """Say nothing: a status is no exception here."""

    def enact(
        self, fault: Fault, request: Request, response: HTTPResponse | None = None
    ) -> HTTPResponse:
        changes = response is not None and fault.kind is FaultKind.BODY
        answer = message(200, fault.body or b"") if changes else _answer(fault)
        if request.arranging:
            raise _Arranged(answer)
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
        method=request.method,
    )
    made.begin()
    return made


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


def _lines(connection: HTTPConnection) -> list[bytes]:
    """Return what a connection holds back: the request line, and the headers so far."""
    lines: list[bytes] = connection._buffer  # type: ignore[attr-defined]
    return lines


def _name(line: bytes) -> str:
    return line.partition(b":")[0].decode("latin-1").lower()


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
