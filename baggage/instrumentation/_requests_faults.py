"""What faults look like in requests: the same classes, arguments and causes as the real ones."""

from __future__ import annotations

import errno
import io
import os
from http import HTTPStatus
from typing import Final, NoReturn
from urllib.parse import urlsplit

from requests import PreparedRequest, Response, exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from baggage.boundary import CannotEnact, Fault, FaultKind

_KNOWN: Final = {
    "ConnectionError": FaultKind.REFUSED,
    "ReadTimeout": FaultKind.TIMEOUT,
    "Timeout": FaultKind.TIMEOUT,
}


def enact(
    fault: Fault, adapter: HTTPAdapter, request: PreparedRequest, timeout: float | None
) -> Response:
    """Return or raise what `adapter` would for `request`; `timeout` is in seconds."""
    kind = fault.kind
    if kind is FaultKind.RAISE:
        kind = _KNOWN.get(_short(fault), kind)
    if kind is FaultKind.STATUS and fault.status is not None:
        return _respond(fault.status, fault.body or b"", adapter, request)
    if kind is FaultKind.REFUSED:
        _refuse(request)
    if kind is FaultKind.TIMEOUT:
        _time_out(request, timeout)
    if kind is FaultKind.RESET:
        _reset(request)
    if kind is FaultKind.RAISE:
        _raise(_short(fault), request, timeout)
    raise CannotEnact(f"requests knows no fault {fault}")


def _short(fault: Fault) -> str:
    """Return the name of one of the library's exceptions within its module."""
    module, _, name = (fault.name or "").rpartition(".")
    if module not in ("requests", "requests.exceptions"):
        raise CannotEnact(f"{fault.name!r} is no exception of requests")
    return name


def _respond(status: int, body: bytes, adapter: HTTPAdapter, request: PreparedRequest) -> Response:
    known = status in HTTPStatus._value2member_map_
    raw = HTTPResponse(
        body=io.BytesIO(body),
        headers={"Content-Length": str(len(body))},
        status=status,
        version=11,
        version_string="HTTP/1.1",
        reason=HTTPStatus(status).phrase if known else "",
        preload_content=False,
        decode_content=False,
        request_method=request.method,
        request_url=request.url,
    )
    return adapter.build_response(request, raw)


def _refuse(request: PreparedRequest) -> NoReturn:
    pool = _pool(request)
    text = f"Failed to establish a new connection: [Errno {errno.ECONNREFUSED}] " + os.strerror(
        errno.ECONNREFUSED
    )
    reason = NewConnectionError(HTTPConnection(pool.host, pool.port), text)
    _chain(exceptions.ConnectionError, MaxRetryError(pool, request.path_url, reason), request)


def _time_out(request: PreparedRequest, timeout: float | None) -> NoReturn:
    pool = _pool(request)
    text = f"Read timed out. (read timeout={timeout})"
    _chain(exceptions.ReadTimeout, ReadTimeoutError(pool, request.path_url, text), request)


def _reset(request: PreparedRequest) -> NoReturn:
    reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    _chain(exceptions.ConnectionError, ProtocolError("Connection aborted.", reset), request)


def _raise(name: str, request: PreparedRequest, timeout: float | None) -> NoReturn:
    if name == "ConnectTimeout":
        pool = _pool(request)
        text = f"Connection to {pool.host} timed out. (connect timeout={timeout})"
        reason = ConnectTimeoutError(HTTPConnection(pool.host, pool.port), text)
        _chain(exceptions.ConnectTimeout, MaxRetryError(pool, request.path_url, reason), request)
    kind = getattr(exceptions, name, None)
    if not (isinstance(kind, type) and issubclass(kind, exceptions.RequestException)):
        raise CannotEnact(f"requests has no exception {name!r}")
    if issubclass(kind, exceptions.InvalidJSONError):
        raise CannotEnact(f"{name} comes from reading an answer, not from a call")
    raise kind(f"{name} on {request.method} {request.url}", request=request)


def _chain(
    kind: type[exceptions.RequestException], cause: HTTPError, request: PreparedRequest
) -> NoReturn:
    """Raise as requests does: out of the handler of what urllib3 raised."""
    try:
        raise cause
    except HTTPError as error:
        raise kind(error, request=request)  # noqa: B904 - requests leaves the cause implicit


def _pool(request: PreparedRequest) -> HTTPConnectionPool:
    """Return a pool as the error messages name it; it never connects."""
    url = urlsplit(str(request.url))
    return HTTPConnectionPool(url.hostname or "", url.port or 80)
