"""requests: every verb and spelling, by the one method that all of them end in.

`HTTPAdapter.send` is called once for each hop of a redirect, and raises the library's own
exceptions. Retries that urllib3 makes below it are told apart where it makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout
from requests.utils import select_proxy
from urllib3.connectionpool import HTTPConnectionPool

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
    Tellers,
)
from baggage.context import suppressed
from baggage.instrumentation._http import (
    ResponseFacts,
    ResponseHeaders,
    digest,
    endpoint_of,
    payload,
)
from baggage.instrumentation._patching import Function, Switch, replace
from baggage.instrumentation._requests_attempts import Arranged, Attempts, Sending
from baggage.instrumentation._requests_faults import changed, dial, enact
from baggage.instrumentation._requests_headers import restore
from baggage.instrumentation._urllib3 import Attempt, is_plain, seconds, sent_by

if TYPE_CHECKING:
    from baggage.boundary.edit import Edit


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap requests, once."""

    def sending(original: Function) -> Function:
        def send(self: HTTPAdapter, *args: Any, **kwargs: Any) -> Response:
            if not switch.on:
                return original(self, *args, **kwargs)  # type: ignore[no-any-return]
            asked = Sending(self, *args, **kwargs)
            departure = boundary.depart(_ADAPTER, asked)
            if departure is None:
                return original(self, *args, **kwargs)  # type: ignore[no-any-return]
            return _sent(boundary, departure, asked, partial(original, self))

        return send

    def making(original: Function) -> Function:
        def make_request(self: HTTPConnectionPool, *args: Any, **kwargs: Any) -> Any:
            attempts: Attempts | None = sent_by(kwargs) if switch.on else None
            restore(kwargs.get("headers"))
            if attempts is None or not is_plain(args):
                return original(self, *args, **kwargs)
            return attempts.attempt(Attempt(self, partial(original, self), args, kwargs))

        return make_request

    replace(HTTPAdapter, "send", sending)
    replace(HTTPConnectionPool, "_make_request", making)


def _sent(
    boundary: Boundary, departure: Departure, asked: Sending, send: Callable[..., Response]
) -> Response:
    """Make one attempt, or as many as urllib3 was told to."""
    response: Response
    if asked.tried_once:
        whole = departure.call is not None
        response = departure.drive(lambda: asked.through(send, whole=whole))
    else:
        response = Attempts(boundary, _ADAPTER, asked, dial).drive(departure, send)
    return response


class _ResponseFacts(ResponseFacts):
    __slots__ = ()

    _response: Response

    @property
    def status(self) -> int:
        return self._response.status_code

    def whole(self) -> bytes | None:
        return self._response.content if _is_read(self._response) else None

    def digest(self) -> bytes | None:
        if self._response.is_redirect:
            return digest(self._response.headers["location"].encode())
        return super().digest()


def _is_read(response: Response) -> bool:
    return getattr(response, "_content", False) is not False


_Asked = tuple[str, str, Any, Any]
"""Method, URL, body and timeout."""


def _endpoint(asked: _Asked) -> Endpoint:
    url = urlsplit(asked[1])
    return endpoint_of(url.scheme, url.netloc)


def _payload(asked: _Asked) -> bytes | None:
    method, where, body, _ = asked
    url = urlsplit(where)
    return payload(f"{method} {url.path or '/'}?{url.query}", body)


_TELLERS: Final[Tellers] = {
    "method": lambda asked: asked[0].lower(),
    "arguments": lambda asked: {"url": asked[1]},
    "endpoint": _endpoint,
    "timeout": lambda asked: seconds(asked[3]),
    "payload": _payload,
}


class _Adapter:
    kind = Kind.CLIENT
    library = "requests"
    packages = frozenset({"requests", "urllib3"})
    below: frozenset[str] = frozenset()

    def describe(self, request: Sending) -> Call:
        prepared = request.request
        method, url = str(prepared.method), str(prepared.url)
        operation = f"{method} {urlsplit(url).path or '/'}"
        asked = method, url, prepared.body, request.options.get("timeout")
        return Call.told(self.kind, self.library, operation, asked, _TELLERS)

    def request_carrier(self, request: Sending) -> Sending:
        return request

    def response_carrier(self, response: Response) -> ResponseHeaders:
        return ResponseHeaders(response.headers)

    def facts(self, response: Response) -> Facts:
        return _ResponseFacts(response)

    def lends(self, _: object) -> bool:
        return True

    def unsent(self, error: BaseException) -> bool | None:
        """Know a connection that took too long to make; nothing was sent then."""
        return isinstance(error, ConnectTimeout) or None

    def answer(self, error: BaseException) -> None:
        """Say nothing: `raise_for_status` comes after the call."""

    def edited(self, response: Response, edit: Edit) -> bytes:
        if not _is_read(response):
            raise CannotEnact("a body that the application streams is not edited")
        return edit.of(response.content)

    def enact(self, fault: Fault, request: Sending, response: Response | None = None) -> Response:
        if response is not None and fault.kind is FaultKind.BODY:
            return request.through(lambda *_, **__: changed(response, fault.body or b""))

        if request.arranging and not _is_tunnelled(request):
            dialled = dial(fault)
            if dialled is not None:
                raise Arranged(dialled)

        def send(copied: PreparedRequest, **options: Any) -> Response:
            with suppressed():
                return enact(fault, request.adapter, copied, options)

        try:
            return request.through(send)
        finally:
            if response is not None:
                response.close()


_ADAPTER: Final = _Adapter()


def _is_tunnelled(sending: Sending) -> bool:
    """Say whether a proxy is contacted before an attempt is made."""
    url = str(sending.request.url)
    return url.startswith("https:") and bool(select_proxy(url, sending.options.get("proxies")))
