"""WSGI in the waist's terms, for any framework that speaks it. Serving is in `_wsgi_server`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from baggage.boundary import Call, Endpoint, Facts, Fault, Tellers
from baggage.instrumentation._http import ResponseFacts
from baggage.instrumentation._http_server import ServerAdapter

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

EXTENSION: Final = "baggage"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~/-]+")
"""A path in which nothing is quoted."""

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - not to be bound
_WHOLE: Final = 1 << 20
"""Bodies of at most so many bytes are taken whole, where somebody asks for a digest."""


@dataclass(slots=True)
class Response:
    """What a WSGI application answers: mutable until its headers are sent."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes] = ()

    @property
    def code(self) -> int:
        """The status code."""
        return int(self.status.split(" ", 1)[0])

    def length(self) -> int | None:
        """Return the body's length in bytes as it is stated or plain to see, None for a stream."""
        for name, value in self.headers:
            if name.lower() == "content-length" and value.isdecimal():
                return int(value)
        if isinstance(self.body, list | tuple) and self.body:
            # What is no chunk is the server's to complain of.
            return sum(len(chunk) for chunk in self.body if isinstance(chunk, bytes))
        body: Any = self.body
        if getattr(body, "streaming", True) is False:  # one of Django's, or taken whole
            return len(body.content)
        return 0 if self.code in (204, 304) else None


class _EnvironHeaders:
    """Request headers by lower-case name."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def get(self, name: str) -> str | None:
        value: str | None = self._environ.get(_variable(name))
        return value

    def set(self, name: str, value: str) -> None:
        self._environ[_variable(name)] = value


class _ResponseHeaders:
    """Response headers that have not been sent."""

    __slots__ = ("_response",)

    def __init__(self, response: Response) -> None:
        self._response = response

    def get(self, name: str) -> str | None:
        found: str | None = None
        for key, value in self._response.headers:
            if key.lower() == name:
                found = value if found is None else f"{found},{value}"
        return found

    def set(self, name: str, value: str) -> None:
        if self.get(name) is not None:
            headers = self._response.headers
            self._response.headers = [each for each in headers if each[0].lower() != name]
        self._response.headers.append((name, value))


class _Facts(ResponseFacts):
    __slots__ = ()

    _response: Response

    @property
    def status(self) -> int:
        return self._response.code

    def size(self) -> int | None:
        return self._response.length()

    def whole(self) -> bytes | None:
        response = self._response
        length = response.length()
        if length is None or length > _WHOLE:
            return None
        if not isinstance(response.body, _Whole):
            response.body = _Whole(response.body)
        return response.body.content if response.body.error is None else None


class _Whole:
    """A body that was taken whole from the application, which is closed as WSGI demands.

    What the application raised meanwhile is kept for whoever sends the body.
    """

    streaming = False

    def __init__(self, body: Iterable[bytes]) -> None:
        self.error: BaseException | None = None
        self._close = getattr(body, "close", None)
        chunks: list[bytes] = []
        try:
            chunks.extend(body)
        except Exception as error:  # noqa: BLE001 - the application's own
            self.error = error
        self.content = b"".join(chunks)

    def __iter__(self) -> Iterator[bytes]:
        yield self.content
        if self.error is not None:
            raise self.error

    def __len__(self) -> int:
        return 1

    def close(self) -> None:
        if self._close is not None:
            self._close()


class WsgiAdapter(ServerAdapter):
    """The server side of HTTP in a framework that speaks WSGI."""

    def describe(self, request: Environ) -> Call:
        """Describe the request by method and raw path."""
        told = request.get
        method = told("REQUEST_METHOD", "GET")
        path = told("SCRIPT_NAME", "") + told("PATH_INFO", "") or "/"
        if not _PLAIN.fullmatch(path):
            path = quote(path)
        # Middleware changes its environment, for what it is around.
        asked = method, path, request.copy()
        return Call.told(self.kind, self.library, f"{method} {path}", asked, _TELLERS)

    def request_carrier(self, request: Environ) -> _EnvironHeaders:
        """Return the request's headers."""
        return _EnvironHeaders(request)

    def response_carrier(self, response: Response) -> _ResponseHeaders:
        """Return the response's headers."""
        return _ResponseHeaders(response)

    def facts(self, response: Response) -> Facts:
        """Describe the response."""
        return _Facts(response)

    def enact(self, fault: Fault, request: Environ, response: Response | None = None) -> Response:
        """Answer with a status."""
        status = self._status(fault)
        known = status in HTTPStatus._value2member_map_
        phrase = HTTPStatus(status).phrase if known else "Unknown"
        body = fault.body or b""
        headers = [("Content-Length", str(len(body)))]
        return Response(f"{status} {phrase}", headers, [body])


def service_of(application: object) -> str:
    """Return the name that an application of a framework was given as a service, "" for none."""
    extensions = getattr(application, "extensions", None)
    return str(extensions.get(EXTENSION, "")) if isinstance(extensions, dict) else ""


@lru_cache(maxsize=1024)
def _endpoint(host: object, port: object) -> Endpoint:
    """Return an address as the server tells it; everywhere, where that may listen, is none."""
    name, number = str(host or ""), str(port or "")
    known = "" if name in _EVERYWHERE else name
    return Endpoint(known, int(number) if number.isdecimal() else 0)


def _peer(asked: tuple[str, str, Environ]) -> Endpoint:
    told = asked[2].get
    return _endpoint(told("REMOTE_ADDR"), told("REMOTE_PORT"))


def _local(asked: tuple[str, str, Environ]) -> Endpoint | None:
    """Return where the server listens, None on a Unix socket."""
    told = asked[2].get
    local = _endpoint(told("SERVER_NAME"), told("SERVER_PORT"))
    return local if local.port else None


class _Arrived(Mapping[str, str]):
    """A view of the request's headers, by lower-case name."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_variable(name)]
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header's value; quicker than a mapping does."""
        return self._environ.get(_variable(name), default)

    def __iter__(self) -> Iterator[str]:
        for variable in self._environ:
            if variable.startswith("HTTP_"):
                yield variable[5:].lower().replace("_", "-")

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=256)
def _variable(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


_TELLERS: Final[Tellers] = {
    "method": lambda asked: asked[0].lower(),
    "arguments": lambda asked: {"path": asked[1], "query": asked[2].get("QUERY_STRING", "")},
    "endpoint": _peer,
    "local": _local,
    "arrived": lambda asked: _Arrived(asked[2]),
}
