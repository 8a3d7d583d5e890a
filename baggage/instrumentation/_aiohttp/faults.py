"""What faults look like in aiohttp's client: which of them come of a connection, and which do not.

What comes of one is left to the library itself (`_aiohttp.nowhere`); connections that never come to
be are told of here, in its words.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, NoReturn

from aiohttp import client_exceptions
from aiohttp.client import ClientTimeout
from aiohttp.client_exceptions import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientProxyConnectionError,
    ClientResponseError,
    ClientSSLError,
    ConnectionTimeoutError,
    ContentTypeError,
    InvalidURL,
    ServerFingerprintMismatch,
    SocketTimeoutError,
    UnixClientConnectorError,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse, ConnectionKey
from aiohttp.connector import UnixConnector

from baggage.boundary import CannotEnact, Fault, FaultKind
from baggage.instrumentation._aiohttp.nowhere import answered, with_body
from baggage.instrumentation._nowhere import message

# Longer by what it says than by what it is, and then the connection ends.
_BROKEN_BODY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nbroken"
_BARE: Final = (204, 304)
_TIMEOUTS: Final = (
    "TimeoutError",
    "builtins.TimeoutError",
    "asyncio.TimeoutError",
    "asyncio.exceptions.TimeoutError",
)


def enact(
    fault: Fault, request: ClientRequest, limits: ClientTimeout, response: ClientResponse | None
) -> ClientResponse:
    """Return or raise what aiohttp would for `request`, in the place of `response` if there is one.

    Raise CannotEnact, and leave the response as it is, for what aiohttp does not know.
    """
    if fault.kind is FaultKind.BODY and response is not None:
        return with_body(response, fault.body or b"")
    act = _act(fault, limits, came=response is not None)
    if response is not None:
        response.close()
    return act(request)


Act = Callable[[ClientRequest], ClientResponse]


def _act(fault: Fault, limits: ClientTimeout, *, came: bool) -> Act:
    kind = fault.kind
    if kind is FaultKind.STATUS and fault.status is not None:
        return _answering(fault.status, message(fault.status, fault.body or b""))
    if kind is FaultKind.TIMEOUT:
        return _time_out(limits, came=came)
    if kind is FaultKind.RAISE and fault.name:
        return _BY_NAME.get(_short(fault.name)) or _raising(fault)
    found = _BY_KIND.get(kind)
    if found is None:
        raise CannotEnact(f"aiohttp knows no fault {fault}")
    return found


def _time_out(limits: ClientTimeout, *, came: bool) -> Act:
    """Return how a call ends that waits too long, by the first limit that would end it."""
    total, read = limits.total, limits.sock_read
    if read and (not total or read <= total):
        return _time_out_reading
    if not total and (limits.connect or limits.sock_connect) and not came:
        return _time_out_connecting
    return _time_out_in_all


def _answering(status: int, content: bytes) -> Act:
    head, end, _ = content.partition(b"\r\n\r\n")

    def act(request: ClientRequest) -> ClientResponse:
        bare = request.method == "HEAD" or status in _BARE
        return answered(request, lambda it: it.data_received(head + end if bare else content))

    return act


def _refuse(request: ClientRequest) -> NoReturn:
    session = request.session
    connector, key = session.connector, request.connection_key
    where = request.proxy or request.url
    if isinstance(connector, UnixConnector):
        error = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        raise UnixClientConnectorError(connector.path, key, error) from error
    address = (where.host, where.port)
    error = ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address}")
    if request.proxy:
        raise ClientProxyConnectionError(_key(request), error) from error
    raise ClientConnectorError(key, error) from error


def _key(request: ClientRequest) -> ConnectionKey:
    """Return the key of whatever is connected to: a proxy, if there is one."""
    key, proxy = request.connection_key, request.proxy
    if proxy is None:
        return key
    return key._replace(
        host=proxy.raw_host or "",
        port=proxy.port,
        is_ssl=proxy.scheme in ("https", "wss"),
        proxy=None,
        proxy_auth=None,
        proxy_headers_hash=None,
    )


def _fail_to_resolve(request: ClientRequest) -> NoReturn:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    raise ClientConnectorDNSError(_key(request), error) from error


def _time_out_connecting(request: ClientRequest) -> NoReturn:
    try:
        _time_out_in_all(request)
    except TimeoutError as error:
        text = f"Connection timeout to host {request.url}"
        raise ConnectionTimeoutError(text) from error


def _time_out_in_all(_: ClientRequest) -> NoReturn:
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError as error:
        raise TimeoutError from error


def _time_out_reading(request: ClientRequest) -> ClientResponse:
    error = SocketTimeoutError("Timeout on reading data from socket")
    return answered(request, lambda it: it.set_exception(error))


def _reset(request: ClientRequest) -> ClientResponse:
    error = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    return answered(request, lambda it: it.connection_lost(error))


def _hang_up(request: ClientRequest) -> ClientResponse:
    return answered(request, lambda it: it.connection_lost(None))


def _break_off(request: ClientRequest) -> ClientResponse:
    """Answer with a body that ends too early, which is told to whoever reads it."""

    def happen(protocol: ResponseHandler) -> None:
        protocol.data_received(_BROKEN_BODY)
        protocol.connection_lost(None)

    return answered(request, happen)


def _cancel(_: ClientRequest) -> NoReturn:
    raise asyncio.CancelledError


def _raising(fault: Fault) -> Act:
    """Return how to raise one of the library's exceptions that no connection makes."""
    name = _short(fault.name or "")
    kind = getattr(client_exceptions, name, None)
    if not (isinstance(kind, type) and issubclass(kind, ClientError)):
        raise CannotEnact(f"aiohttp's client has no exception {name!r}")
    if issubclass(kind, ContentTypeError) or name == "WSMessageTypeError":
        raise CannotEnact(f"{name} comes from reading an answer, not from a call")

    def act(request: ClientRequest) -> NoReturn:
        raise _made(kind, fault, request)

    return act


def _made(kind: type[Any], fault: Fault, request: ClientRequest) -> Exception:
    text = f"{kind.__name__} on {request.method} {request.url}"
    key = _key(request)
    made: Exception
    if issubclass(kind, ClientResponseError):
        made = kind(request.request_info, (), status=fault.status or 0, message=text)
    elif issubclass(kind, InvalidURL):
        made = kind(request.url)
    elif issubclass(kind, ServerFingerprintMismatch):
        made = kind(b"", b"", key.host, key.port or 0)
    elif issubclass(kind, UnixClientConnectorError):
        made = kind("", key, OSError(errno.ENOENT, text))
    elif issubclass(kind, ssl.CertificateError):
        made = kind(key, ssl.SSLCertVerificationError(1, text))
    elif issubclass(kind, ClientSSLError):
        made = kind(key, ssl.SSLError(1, text))
    elif issubclass(kind, ClientConnectorError):
        made = kind(key, OSError(errno.ECONNREFUSED, text))
    else:
        made = kind(text)
    return made


def _short(name: str) -> str:
    """Return the name of one of the library's exceptions within its module."""
    if name in _TIMEOUTS:
        return "TimeoutError"
    module, _, short = name.rpartition(".")
    if module not in ("aiohttp", "aiohttp.client_exceptions"):
        raise CannotEnact(f"{name!r} is no exception of aiohttp")
    return short


_BY_KIND: Final[dict[FaultKind, Act]] = {
    FaultKind.REFUSED: _refuse,
    FaultKind.RESET: _reset,
    FaultKind.CANCELLED: _cancel,
}
_BY_NAME: Final[dict[str, Act]] = {
    "ClientConnectorError": _refuse,
    "ClientConnectorDNSError": _fail_to_resolve,
    "ClientOSError": _reset,
    "ServerDisconnectedError": _hang_up,
    "ServerTimeoutError": _time_out_reading,
    "SocketTimeoutError": _time_out_reading,
    "ConnectionTimeoutError": _time_out_connecting,
    "TimeoutError": _time_out_in_all,
    "ClientPayloadError": _break_off,
}
