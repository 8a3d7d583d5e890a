"""What faults look like in requests: what the library itself makes of a connection that fails.

A call is sent by a transport adapter of requests over a connection of urllib3 that leads nowhere,
and gives the answer, or fails as a socket does, by itself. So classes, arguments, causes, retries
and the attributes of answers are the library's own, in any of its versions.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from requests import PreparedRequest, Response, exceptions
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url

from baggage.boundary import CannotEnact, Fault, FaultKind
from baggage.instrumentation._nowhere import BROKEN_BODY
from baggage.instrumentation._urllib3 import (
    Dial,
    answering,
    astray,
    dial_of,
    time_out_connecting,
    with_body,
)

_KINDS: Final = {
    "ConnectionError": FaultKind.REFUSED,
    "ReadTimeout": FaultKind.TIMEOUT,
    "Timeout": FaultKind.TIMEOUT,
}


def enact(
    fault: Fault, adapter: HTTPAdapter, request: PreparedRequest, options: dict[str, Any]
) -> Response:
    """Return or raise what `adapter` would for `request`, sent with these options of its `send`."""
    dialled = dial(fault)
    if dialled is None:
        _raise(_short(fault), request)
    response = _Nowhere(adapter, dialled).send(request, **options)
    response.connection = adapter
    return response


def changed(response: Response, body: bytes) -> Response:
    """Return an answer like another one, which is given up, with another body."""
    made = Response.__new__(type(response))
    vars(made).update(vars(response))
    made.raw = with_body(response.raw, body)
    vars(made).update(_content=False, _content_consumed=False)
    return made


def dial(fault: Fault) -> Dial | None:
    """Return how to connect under a fault, None for an exception that no connection makes."""
    kind = fault.kind
    if kind is FaultKind.RAISE:
        kind = _KINDS.get(_short(fault), kind)
    if kind is FaultKind.RAISE:
        return _BY_NAME.get(_short(fault))
    found = dial_of(fault if kind is fault.kind else Fault(kind))
    if found is None:
        raise CannotEnact(f"requests knows no fault {fault}")
    return found


def _short(fault: Fault) -> str:
    """Return the name of one of the library's exceptions within its module."""
    module, _, name = (fault.name or "").rpartition(".")
    if module not in ("requests", "requests.exceptions"):
        raise CannotEnact(f"{fault.name!r} is no exception of requests")
    return name


_BY_NAME: Final[dict[str, Dial]] = {
    "ConnectTimeout": time_out_connecting,
    "ChunkedEncodingError": answering(BROKEN_BODY),
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
        pool.ConnectionCls = astray(pool.ConnectionCls, self._dial)
        return pool

    def cert_verify(self, *_: object, **__: object) -> None:
        """Verify nothing: nobody is there."""
