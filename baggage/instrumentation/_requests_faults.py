"""What faults look like in requests: what the library itself makes of a connection that fails.

A call is sent by a transport adapter of requests over a connection of urllib3 that leads nowhere,
and gives the answer, or fails as a socket does, by itself. So classes, arguments, causes, retries
and the attributes of answers are the library's own, in any of its versions.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, NoReturn

from requests import PreparedRequest, Response, exceptions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util import parse_url

from baggage.boundary import CannotEnact, Fault, FaultKind

Dial = Callable[[HTTPConnection], "_Socket"]
"""Connects: returns what the answer is read from, or raises what urllib3 does."""

_KINDS: Final = {
    "ConnectionError": FaultKind.REFUSED,
    "ReadTimeout": FaultKind.TIMEOUT,
    "Timeout": FaultKind.TIMEOUT,
}
# As long as a chunk says that it is, and then the connection ends.
_BROKEN_BODY: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbroken"


def enact(
    fault: Fault, adapter: HTTPAdapter, request: PreparedRequest, options: dict[str, Any]
) -> Response:
    """Return or raise what `adapter` would for `request`, sent with these options of its `send`."""
    dial = _dial(fault)
    if dial is None:
        _raise(_short(fault), request)
    response = _Nowhere(adapter, dial).send(request, **options)
    response.connection = adapter
    return response


def _dial(fault: Fault) -> Dial | None:
    """Return how to connect under a fault, None for an exception that no connection makes."""
    kind = fault.kind
    if kind is FaultKind.RAISE:
        kind = _KINDS.get(_short(fault), kind)
    if kind is FaultKind.STATUS and fault.status is not None:
        return _answering(_message(fault.status, fault.body or b""))
    if kind is FaultKind.REFUSED:
        return _refuse
    if kind is FaultKind.TIMEOUT:
        return _answering(TimeoutError("timed out"))
    if kind is FaultKind.RESET:
        return _answering(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
    if kind is not FaultKind.RAISE:
        raise CannotEnact(f"requests knows no fault {fault}")
    return _BY_NAME.get(_short(fault))


def _short(fault: Fault) -> str:
    """Return the name of one of the library's exceptions within its module."""
    module, _, name = (fault.name or "").rpartition(".")
    if module not in ("requests", "requests.exceptions"):
        raise CannotEnact(f"{fault.name!r} is no exception of requests")
    return name


def _message(status: int, body: bytes) -> bytes:
    if not 200 <= status <= 999:
        raise CannotEnact(f"{status} is not the status of an answer")
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _answering(answer: bytes | OSError) -> Dial:
    return lambda _: _Socket(answer)


def _refuse(connection: HTTPConnection) -> NoReturn:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    text = f"Failed to establish a new connection: {refused}"
    raise NewConnectionError(connection, text) from refused


def _time_out_connecting(connection: HTTPConnection) -> NoReturn:
    text = f"Connection to {connection.host} timed out. (connect timeout={connection.timeout})"
    raise ConnectTimeoutError(connection, text) from TimeoutError("timed out")


_BY_NAME: Final[dict[str, Dial]] = {
    "ConnectTimeout": _time_out_connecting,
    "ChunkedEncodingError": _answering(_BROKEN_BODY),
}


def _raise(name: str, request: PreparedRequest) -> NoReturn:
    kind = getattr(exceptions, name, None)
    if not (isinstance(kind, type) and issubclass(kind, exceptions.RequestException)):
        raise CannotEnact(f"requests has no exception {name!r}")
    if issubclass(kind, exceptions.InvalidJSONError):
        raise CannotEnact(f"{name} comes from reading an answer, not from a call")
    raise kind(f"{name} on {request.method} {request.url}", request=request)


class _Nowhere(HTTPAdapter):
    """A transport adapter like another one, over connections that lead nowhere."""

    def __init__(self, like: HTTPAdapter, dial: Dial) -> None:
        super().__init__(max_retries=like.max_retries)
        self._dial = dial
        self.build_response = like.build_response  # type: ignore[method-assign]

    def get_connection_with_tls_context(
        self, request: PreparedRequest, *_: object, **__: object
    ) -> Any:
        return self.get_connection(str(request.url))

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        where = parse_url(url)
        kind = HTTPSConnectionPool if where.scheme == "https" else HTTPConnectionPool
        pool = kind(where.host or "", where.port)
        real = pool.ConnectionCls
        named = {"dial": self._dial, "__module__": real.__module__}
        pool.ConnectionCls = type(real.__name__, (_Astray, real), named)
        return pool

    def cert_verify(self, *_: object, **__: object) -> None:
        """Verify nothing: nobody is there."""


class _Astray:
    """What turns a connection of urllib3 into one that leads nowhere."""

    dial: Dial

    def connect(self: Any) -> None:
        """Dial."""
        self.sock = type(self).dial(self)
        self.is_verified = self.proxy_is_verified = True  # There is no certificate to warn of.

    def getresponse(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Read an answer, and hang up: who tries again has to dial again."""
        response = HTTPConnection.getresponse(self, *args, **kwargs)
        self.sock = None
        return response


class _Socket:
    """A connected socket that takes anything, and answers with these bytes or this failure."""

    def __init__(self, answer: bytes | OSError) -> None:
        self._answer = answer

    def sendall(self, content: bytes) -> None:
        """Drop it."""

    def settimeout(self, timeout: float | None) -> None:
        """Wait for nothing."""

    def makefile(self, mode: str) -> io.BufferedIOBase:
        """Open the answer."""
        if isinstance(self._answer, bytes):
            return io.BytesIO(self._answer)
        return io.BufferedReader(_Failing(self._answer))

    def close(self) -> None:
        """Hold nothing."""


class _Failing(io.RawIOBase):
    """A file whose reading fails."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> NoReturn:
        raise self._error
