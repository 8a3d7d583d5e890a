"""requests: every verb and spelling, by the one method that all of them end in.

`HTTPAdapter.send` is called once for each hop of a redirect, and raises the library's own
exceptions. Retries that urllib3 makes below it share one crossing.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from requests.structures import CaseInsensitiveDict

from baggage.boundary import Boundary, Call, Endpoint, Facts, Fault, FaultKind, Kind
from baggage.context import suppressed
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._requests_faults import changed, enact
from baggage.instrumentation._urllib3 import DIGEST_SIZE, payload, seconds

_OPTIONS: Final = ("stream", "timeout", "verify", "cert", "proxies")
_PORTS: Final = {"http": 80, "https": 443}


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap requests, once."""

    def send(
        wrapped: Callable[..., Response],
        adapter: HTTPAdapter,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Response:
        sending = _sending(adapter, *args, **kwargs)
        departure = boundary.depart(_ADAPTER, sending)
        if departure is None:
            return wrapped(*args, **kwargs)
        whole = departure.call is not None
        return departure.drive(lambda: sending.through(wrapped, whole=whole))

    wrap(HTTPAdapter, "send", switch, send)


def _whole(response: Response) -> None:
    """Read the body of a response that isn't streamed, which Session.send would do next.

    Done here, a connection that breaks in the middle of a body is part of the call's outcome. The
    body of a redirect is left to Session.send, which forgives what goes wrong with it.
    """
    if not response.is_redirect:
        response.content  # noqa: B018 - reads and keeps the body


class Sending:
    """One call of `HTTPAdapter.send`: what the application asked for, and what is sent.

    The application may send its request again, in another thread or under other baggage, and
    requests copies its headers for the next hop of a redirect, to whatever host: so baggage goes
    on a copy alone. This is the carrier.
    """

    __slots__ = ("adapter", "options", "outgoing", "request")

    def __init__(
        self, adapter: HTTPAdapter, request: PreparedRequest, options: dict[str, Any]
    ) -> None:
        """Take what was asked for; until there are headers to add, it is sent as it is."""
        self.adapter, self.request, self.options = adapter, request, options
        self.outgoing = request

    @property
    def stream(self) -> bool:
        """Whether the application reads the body by itself."""
        return bool(self.options.get("stream"))

    def get(self, name: str) -> str | None:
        """Return a header to send."""
        value: str | bytes | None = self.outgoing.headers.get(name)
        return value.decode("latin-1") if isinstance(value, bytes) else value

    def set(self, name: str, value: str) -> None:
        """Replace a header to send, not the application's own."""
        if self.outgoing is self.request:
            self.outgoing = copy(self.request)
            self.outgoing.headers = self.request.headers.copy()
        self.outgoing.headers[name] = value

    def through(self, send: Callable[..., Response], *, whole: bool = True) -> Response:
        """Send, and read the `whole` body, unless the application streams it.

        What comes of it names the application's request.
        """
        try:
            response = send(self.outgoing, **self.options)
            if whole and not self.stream:
                _whole(response)
        except RequestException as error:
            if error.request is self.outgoing:
                error.request = self.request
            raise
        if response.request is self.outgoing:
            response.request = self.request
        return response


def _sending(
    adapter: HTTPAdapter,
    request: PreparedRequest,
    *positional: Any,
    **options: Any,
) -> Sending:
    return Sending(adapter, request, {**dict(zip(_OPTIONS, positional, strict=False)), **options})


class _ResponseHeaders:
    """The headers of a response, which nobody sends on."""

    __slots__ = ("_headers",)

    def __init__(self, headers: CaseInsensitiveDict[str]) -> None:
        self._headers = headers

    def get(self, name: str) -> str | None:
        return self._headers.get(name)

    def set(self, name: str, value: str) -> None:
        self._headers[name] = value


class _ResponseFacts:
    """What a response says. A body that the application streams is left alone."""

    __slots__ = ("_response",)

    def __init__(self, response: Response) -> None:
        self._response = response

    @property
    def status(self) -> int | None:
        return self._response.status_code

    @property
    def ok(self) -> bool:
        return self._response.status_code < 400

    def digest(self) -> bytes | None:
        if self._response.is_redirect:
            read = self._response.headers["location"].encode()
        elif _is_read(self._response):
            read = self._response.content
        else:
            return None
        return blake2b(read, digest_size=DIGEST_SIZE).digest()

    def size(self) -> int | None:
        return len(self._response.content) if _is_read(self._response) else None


def _is_read(response: Response) -> bool:
    return getattr(response, "_content", False) is not False


class _Adapter:
    kind = Kind.CLIENT
    library = "requests"
    packages = frozenset({"requests", "urllib3"})
    below: frozenset[str] = frozenset()

    def describe(self, request: Sending) -> Call:
        prepared = request.request
        url = urlsplit(str(prepared.url))
        method = str(prepared.method)
        path = url.path or "/"
        return Call(
            kind=self.kind,
            library=self.library,
            operation=f"{method} {path}",
            method=method.lower(),
            arguments={"url": prepared.url},
            endpoint=Endpoint(url.hostname or "", url.port or _PORTS.get(url.scheme, 0)),
            timeout=seconds(request.options.get("timeout")),
            payload=payload(f"{method} {path}?{url.query}", prepared.body),
        )

    def request_carrier(self, request: Sending) -> Sending:
        return request

    def response_carrier(self, response: Response) -> _ResponseHeaders:
        return _ResponseHeaders(response.headers)

    def facts(self, response: Response) -> Facts:
        return _ResponseFacts(response)

    def answer(self, error: BaseException) -> None:
        """Say nothing: `raise_for_status` comes after the call."""

    def enact(self, fault: Fault, request: Sending, response: Response | None = None) -> Response:
        if response is not None and fault.kind is FaultKind.BODY:
            return request.through(lambda *_, **__: changed(response, fault.body or b""))

        def send(copied: PreparedRequest, **options: Any) -> Response:
            with suppressed():
                return enact(fault, request.adapter, copied, options)

        try:
            return request.through(send)
        finally:
            if response is not None:
                response.close()


_ADAPTER: Final = _Adapter()
