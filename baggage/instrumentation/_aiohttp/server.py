"""aiohttp's server in the waist's terms. How a request is served is in `_aiohttp.exchange`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from aiohttp.payload import BytesPayload
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse

from baggage.boundary import Call, CannotEnact, Endpoint, Facts, Fault, FaultKind, Kind, Tellers
from baggage.instrumentation._aiohttp.headers import Arrived, Headers
from baggage.instrumentation._http import ResponseFacts


def whole(response: Any) -> bytes | None:
    """Return the body of a response that is known before it is sent, None for one that streams."""
    body = response.body if isinstance(response, Response) else None
    if isinstance(body, BytesPayload):
        body = body._value
    if body is None:
        return b"" if isinstance(response, Response) else None
    return bytes(body) if isinstance(body, bytes | bytearray) else None


class _ResponseFacts(ResponseFacts):
    __slots__ = ()

    _response: StreamResponse

    def whole(self) -> bytes | None:
        return whole(self._response)

    def size(self) -> int | None:
        size = super().size()
        return self._response.content_length if size is None else size


class _Adapter:
    kind = Kind.SERVER
    library = "aiohttp.web"
    packages: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def describe(self, request: BaseRequest) -> Call:
        """Describe the request by method and raw path."""
        method, url = request.method, request.rel_url
        operation = f"{method} {url.raw_path or '/'}"
        asked = method, url, request.headers, request.transport
        return Call.told(self.kind, self.library, operation, asked, _TELLERS)

    def request_carrier(self, request: BaseRequest) -> Headers:
        return Headers(request.headers)

    def response_carrier(self, response: StreamResponse) -> Headers:
        return Headers(response.headers)

    def facts(self, response: StreamResponse) -> Facts:
        return _ResponseFacts(response)

    def lends(self, _: object) -> bool:
        return True

    def answer(self, error: BaseException) -> StreamResponse | None:
        """Return an exception of the application that is its answer as well."""
        return error if isinstance(error, StreamResponse) else None

    def enact(self, fault: Fault, request: BaseRequest, response: Any | None = None) -> Response:
        """Answer with a status; other faults a server can't make by itself."""
        if fault.kind is not FaultKind.STATUS or fault.status is None:
            raise CannotEnact(f"{self.library} knows no fault {fault}")
        if not 200 <= fault.status <= 999:
            raise CannotEnact(f"{fault.status} is not the status of an answer")
        return Response(status=fault.status, body=fault.body or b"")


ADAPTER: Final = _Adapter()


def _end(transport: Any, name: str) -> Endpoint | None:
    """Return one end of the connection; that of a Unix socket is a path, "" for one without."""
    end = None if transport is None else transport.get_extra_info(name)
    return None if end is None else _endpoint(end)


@lru_cache(maxsize=1024)
def _endpoint(end: object) -> Endpoint:
    return Endpoint(str(end[0]), int(end[1])) if isinstance(end, tuple) else Endpoint(str(end))


_TELLERS: Final[Tellers] = {
    "method": lambda asked: asked[0].lower(),
    "arguments": lambda asked: {
        "path": asked[1].raw_path or "/",
        "query": asked[1].raw_query_string,
    },
    "endpoint": lambda asked: _end(asked[3], "peername") or Endpoint(""),
    "local": lambda asked: _end(asked[3], "sockname"),
    "arrived": lambda asked: Arrived(asked[2]),
}
