"""ASGI in the waist's terms, for any framework that speaks it. Serving is in `_asgi_server`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from baggage.boundary import Call, Endpoint, Facts, Fault, Tellers
from baggage.instrumentation._http import ResponseFacts
from baggage.instrumentation._http_server import ServerAdapter

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Response:
    """What an ASGI application answers: mutable until its headers are sent.

    `start` is the message that it began with. `body` is None for a stream, and for a websocket.
    """

    status: int
    start: Message
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes | None = None

    def length(self) -> int | None:
        """Return the body's stated length in bytes, None for a stream."""
        for name, value in self.headers:
            if name.lower() == b"content-length" and value.isdigit():
                return int(value)
        return 0 if self.status in (204, 304) else None


def _joined(headers: Headers, name: str) -> str | None:
    wanted = name.encode("latin-1")
    found = [value for key, value in headers if key.lower() == wanted]
    return b",".join(found).decode("latin-1") if found else None


class _Headers:
    """The headers of a message, by lower-case name."""

    __slots__ = ("_message",)

    def __init__(self, message: Any) -> None:
        """Take a message of ASGI, or a response."""
        self._message = message

    def get(self, name: str) -> str | None:
        return _joined(self._read(), name)

    def set(self, name: str, value: str) -> None:
        replaced = name.encode("latin-1")
        kept = [(key, old) for key, old in self._read() if key.lower() != replaced]
        self._write([*kept, (replaced, value.encode("latin-1"))])

    def _read(self) -> list[tuple[bytes, bytes]]:
        return self._message.headers  # type: ignore[no-any-return]

    def _write(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._message.headers = headers


class _RequestHeaders(_Headers):
    """The headers of a request."""

    __slots__ = ()

    def _read(self) -> list[tuple[bytes, bytes]]:
        return self._message.get("headers") or []

    def _write(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._message["headers"] = headers


class _Facts(ResponseFacts):
    __slots__ = ()

    _response: Response

    def whole(self) -> bytes | None:
        return self._response.body

    def size(self) -> int | None:
        return self._response.length() if self._response.body is None else super().size()


class AsgiAdapter(ServerAdapter):
    """The server side of HTTP in a framework that speaks ASGI."""

    def describe(self, request: Scope) -> Call:
        """Describe the request by method and raw path; a websocket begins with a GET."""
        method = request.get("method", "GET")
        path = _path(request)
        # What an application routes by, it changes.
        asked = (
            method,
            path,
            request.get("query_string", b""),
            request.get("client"),
            request.get("server"),
            request.get("headers") or (),
        )
        return Call.told(self.kind, self.library, f"{method} {path}", asked, _TELLERS)

    def request_carrier(self, request: Scope) -> _RequestHeaders:
        """Return the request's headers."""
        return _RequestHeaders(request)

    def response_carrier(self, response: Response) -> _Headers:
        """Return the response's headers."""
        return _Headers(response)

    def facts(self, response: Response) -> Facts:
        """Describe the response."""
        return _Facts(response)

    def enact(self, fault: Fault, request: Scope, response: Response | None = None) -> Response:
        """Answer with a status."""
        status = self._status(fault)
        body = fault.body or b""
        headers = [(b"content-length", str(len(body)).encode())]
        start = {"type": "http.response.start", "status": status}
        return Response(status, start, headers, body)


def _path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or quote(scope.get("path", "")).encode()
    return raw.partition(b"?")[0].decode("latin-1") or "/"


def _endpoint(address: Any) -> Endpoint:
    """Return an address as the server tells it; a Unix socket's path has no port."""
    return Endpoint(str(address[0] or ""), address[1] or 0)


def _texts(headers: Headers) -> dict[str, str]:
    """Return headers by lower-case name, several of one name joined by commas."""
    found: dict[str, str] = {}
    for key, value in headers:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]},{text}" if name in found else text
    return found


_TELLERS: Final[Tellers] = {
    "method": lambda asked: asked[0].lower(),
    "arguments": lambda asked: {"path": asked[1], "query": asked[2].decode("latin-1")},
    "endpoint": lambda asked: _endpoint(asked[3] or ("", 0)),
    "local": lambda asked: _endpoint(asked[4]) if asked[4] else None,
    "arrived": lambda asked: _texts(asked[5]),
}
