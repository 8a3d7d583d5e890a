"""What the instrumentations of urllib3, and of what is built on it, share.

Belongs here: connections of urllib3 that lead nowhere, answers whose body was changed, and limits
of time. Does not: crossings.
"""

from __future__ import annotations

import gzip
import http.client
import zlib
from collections.abc import Callable
from typing import Any, Final, NoReturn

import urllib3
from urllib3 import HTTPResponse, Timeout
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from baggage.boundary import CannotEnact, Fault, FaultKind
from baggage.context import suppressed
from baggage.instrumentation._nowhere import Socket, answer_of, message, refused

Dial = Callable[[HTTPConnection], Socket]
"""Connects: returns what the answer is read from, or raises what urllib3 does."""

_STATES_CAUSES: Final = hasattr(urllib3, "BaseHTTPResponse")  # As version 2 has.
_ENCODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def dial_of(fault: Fault) -> Dial | None:
    """Return how to connect under a fault, None for one that no connection makes."""
    if fault.kind is FaultKind.REFUSED:
        return refuse
    answer = answer_of(fault)
    return None if answer is None else answering(answer)


def answering(answer: bytes | OSError) -> Dial:
    """Return how to connect to what answers so."""
    return lambda _: Socket(answer)


def refuse(connection: HTTPConnection) -> NoReturn:
    """Fail as where nobody listens."""
    error = refused()
    text = f"Failed to establish a new connection: {error}"
    _raise(NewConnectionError(connection, text), error)


def time_out_connecting(connection: HTTPConnection) -> NoReturn:
    """Fail as where nobody accepts."""
    text = f"Connection to {connection.host} timed out. (connect timeout={connection.timeout})"
    _raise(ConnectTimeoutError(connection, text), TimeoutError("timed out"))


def _raise(error: Exception, socket_error: OSError) -> NoReturn:
    """Raise what urllib3 makes of a socket's failure, as this version does."""
    try:
        raise socket_error
    except OSError:
        if _STATES_CAUSES:
            raise error from socket_error
        raise error  # noqa: B904 - so do versions before 2


def stray(connection: HTTPConnection, dial: Dial) -> HTTPConnection:
    """Return a connection to where another one leads, which leads where `dial` says."""
    kind: Any = astray(type(connection), dial)
    made: HTTPConnection = kind.__new__(kind)  # Subclasses are made of whatever they like.
    vars(made).update(vars(connection), _buffer=[], sock=None, _stands_for=connection)
    return made


def astray(kind: type[Any], dial: Dial) -> type[Any]:
    """Return a class of connections like another one, which lead where `dial` says."""
    return type(kind.__name__, (_Astray, kind), {"dial": dial, "__module__": kind.__module__})


class _Astray:
    """What turns a connection of urllib3 into one that leads nowhere."""

    dial: Dial

    def connect(self: Any) -> None:
        """Dial."""
        self.sock = type(self).dial(self)
        self.is_verified = self.proxy_is_verified = True  # There is no certificate to warn of.
        real = getattr(self, "_stands_for", self)
        real._has_connected_to_proxy = self._has_connected_to_proxy = bool(self.proxy)

    def getresponse(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Read an answer, and hang up: who tries again has to dial again."""
        response = HTTPConnection.getresponse(self, *args, **kwargs)
        self.sock = None
        return response


def with_body(response: object, body: bytes) -> HTTPResponse:
    """Return a response like another one, which is given up, with another body.

    As the headers stay, the body is encoded as they say; raises CannotEnact where that can't be.
    """
    if not isinstance(response, HTTPResponse):
        raise CannotEnact("before version 2, an attempt comes to no response of urllib3")
    encoding = response.headers.get("content-encoding", "").lower()
    encoder = _ENCODERS.get(encoding)
    if encoder is None:
        raise CannotEnact(f"no body can be encoded as {encoding!r}")
    framed = http.client.HTTPResponse(Socket(message(200, encoder(body))))  # type: ignore[arg-type]
    framed.begin()
    made = HTTPResponse(
        body=framed,
        original_response=framed,
        headers={"content-encoding": encoding} if encoding else None,
        status=response.status,
        version=response.version,
        reason=response.reason,
        preload_content=getattr(response, "_body", None) is not None,
        decode_content=response.decode_content,
        retries=response.retries,
    )
    made.headers = response.headers
    for name in ("version_string", "_request_url", "_pool", "_connection"):
        if hasattr(response, name):
            setattr(made, name, getattr(response, name))
    response.close()
    return made


def sent_by(options: dict[str, Any]) -> Any:
    """Return what tells the attempts of a call apart, None where its library leaves it to urllib3.

    It travels in the headers, as nothing else is of this call alone.
    """
    return getattr(options.get("headers"), "sending", None)


def is_plain(args: tuple[Any, ...]) -> bool:
    """Say whether an attempt is asked for as urllib3 does it: with a connection, method and URL."""
    return len(args) >= 3


def seconds(timeout: Any) -> float | None:
    """Return the time that a call waits for an answer, in any of the forms that there are."""
    if isinstance(timeout, tuple):
        timeout = timeout[-1] if timeout[-1] is not None else timeout[0]
    if isinstance(timeout, Timeout):
        # Its `read_timeout` can't be asked for before a connection is made.
        limits = (timeout.total, timeout._read)
        return min((limit for limit in limits if isinstance(limit, int | float)), default=None)
    return float(timeout) if isinstance(timeout, int | float) else None


class Attempt:
    """One attempt of a call: what a pool was asked to send over a connection.

    The headers are the application's, or those of the next attempt: so what is set goes on a copy.
    This is the carrier.
    """

    __slots__ = ("_copied", "_rest", "_wrapped", "connection", "method", "options", "pool", "url")

    def __init__(
        self,
        pool: HTTPConnectionPool,
        wrapped: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> None:
        """Take what `pool` was asked: `wrapped` is its method, with these arguments."""
        self.pool, self._wrapped, self.options = pool, wrapped, options
        self.connection, self.method, self.url, *self._rest = args
        self._copied = False

    def send(self) -> Any:
        """Send it."""
        return self._send(self.connection)

    def send_by(self, dial: Dial) -> Any:
        """Send it over a connection that leads where `dial` says."""
        with suppressed():
            return self._send(stray(self.connection, dial))

    def get(self, name: str) -> str | None:
        """Return a header to send."""
        headers = self.options.get("headers") or {}
        found = [_text(headers[key]) for key in headers if _text(key).lower() == name]
        return ",".join(found) if found else None

    def own_headers(self) -> Any:
        """Return the headers, which are then of this attempt alone."""
        headers = self.options.get("headers")
        if not self._copied:
            copied = getattr(headers, "copy", None)
            headers = dict(headers or {}) if copied is None else copied()
            self.options, self._copied = {**self.options, "headers": headers}, True
        return headers

    def set(self, name: str, value: str) -> None:
        """Replace a header to send, by this attempt alone."""
        headers = self.own_headers()
        spelt = next((key for key in headers if _text(key).lower() == name), name)
        headers[spelt] = value

    def _send(self, connection: HTTPConnection) -> Any:
        return self._wrapped(connection, self.method, self.url, *self._rest, **self.options)


def _text(header: str | bytes) -> str:
    return header.decode("latin-1") if isinstance(header, bytes) else header
