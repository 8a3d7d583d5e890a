"""A library of somebody else's: a tiny HTTP client, and its instrumentation.

Beside some mistakes, at the end, this is what a third party writes.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from baggage.boundary import (
    Boundary,
    Call,
    CannotEnact,
    Endpoint,
    Facts,
    Fault,
    FaultKind,
    Kind,
)
from baggage.boundary.edit import Edit


@dataclass
class Answer:
    """A response: `body` is None while it has not been read."""

    status: int
    headers: dict[str, str]
    raw: HTTPResponse | BytesIO | None
    body: bytes | None = None

    def read(self) -> bytes:
        if self.body is None:
            assert self.raw is not None
            self.body = self.raw.read()
        return self.body


@dataclass
class Request:
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    stream: bool = False
    timeout: float | None = None


class Tiny:
    """The client."""

    def __init__(self, headers: Mapping[str, str] | None = None, timeout: float = 20) -> None:
        self.headers = dict(headers or {})
        self.timeout = timeout

    def get(self, url: str, *, stream: bool = False) -> Answer:
        answer = self.send(Request(url, dict(self.headers), stream, self.timeout))
        if not stream:
            answer.read()
        return answer

    def send(self, request: Request) -> Answer:
        parts = urlsplit(request.url)
        connection = HTTPConnection(parts.netloc, timeout=self.timeout)
        connection.request("GET", f"{parts.path}?{parts.query}", headers=request.headers)
        raw = connection.getresponse()
        return Answer(raw.status, {k.lower(): v for k, v in raw.getheaders()}, raw)


class Headers:
    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def get(self, name: str) -> str | None:
        return self.headers.get(name)

    def set(self, name: str, value: str) -> None:
        self.headers[name] = value


@dataclass
class TinyFacts:
    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def ok(self) -> bool:
        return self.answer.status < 400

    def digest(self) -> bytes | None:
        body = self.answer.body
        return None if body is None else blake2b(body, digest_size=8).digest()

    def size(self) -> int | None:
        return None if self.answer.body is None else len(self.answer.body)


class TinyAdapter:
    kind = Kind.CLIENT
    library = "tiny"
    packages = frozenset({"tiny"})
    below: frozenset[str] = frozenset()

    def describe(self, request: Request) -> Call:
        parts = urlsplit(request.url)
        return Call(
            kind=self.kind,
            library=self.library,
            operation=f"GET {parts.path}",
            endpoint=Endpoint(parts.hostname or "", parts.port or 80),
            timeout=request.timeout,
        )

    def request_carrier(self, request: Request) -> Headers | None:
        return Headers(request.headers)

    def response_carrier(self, response: Answer) -> Headers | None:
        return Headers(response.headers)

    def facts(self, response: Answer) -> Facts:
        return TinyFacts(response)

    def lends(self, _: Request) -> bool:
        return True

    def answer(self, error: BaseException) -> None:
        return None

    def edited(self, response: Answer, edit: Edit) -> bytes:
        if response.body is None:
            raise CannotEnact("a body that streams")
        return edit.of(response.body)

    def enact(self, fault: Fault, request: Request, response: Answer | None = None) -> Answer:
        if fault.kind is FaultKind.STATUS and fault.status is not None:
            return Answer(fault.status, {}, None, fault.body or b"")
        if fault.kind is FaultKind.BODY and response is not None:
            changed = None if request.stream else fault.body
            return Answer(response.status, response.headers, BytesIO(fault.body or b""), changed)
        raised = {
            FaultKind.REFUSED: ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
            FaultKind.TIMEOUT: TimeoutError("timed out"),
            FaultKind.RESET: ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        }
        if fault.kind in raised:
            raise raised[fault.kind]
        raise CannotEnact(str(fault))


Around = Callable[[Boundary, TinyAdapter, Callable[[], Answer], Request], Answer]


def properly(
    boundary: Boundary, adapter: TinyAdapter, send: Callable[[], Answer], request: Request
) -> Answer:
    """Cross the boundary, and read what the application would read next."""

    def whole() -> Answer:
        answer = send()
        if not request.stream:
            answer.read()
        return answer

    return boundary.call(adapter, request, whole)


def instrumentation(
    around: Around = properly, adapter: type[TinyAdapter] = TinyAdapter, *, heeds: bool = True
) -> Any:
    """Make the module that instruments `Tiny`. Not to heed its switch is a mistake."""
    real = Tiny.send

    def instrument(boundary: Boundary, switch: Any) -> None:
        def send(tiny: Tiny, request: Request) -> Answer:
            if heeds and not switch.on:
                return real(tiny, request)
            return around(boundary, adapter(), lambda: real(tiny, request), request)

        Tiny.send = send  # type: ignore[method-assign, assignment]

    module = ModuleType("tiny_instrumentation")
    module.instrument = instrument  # type: ignore[attr-defined]
    return module


def streamed(url: str) -> Iterator[bytes]:
    answer = Tiny().get(url, stream=True)
    assert answer.raw is not None
    while chunk := answer.raw.read1():
        yield chunk


# Mistakes


def by_halves(boundary: Boundary, adapter: TinyAdapter, send: Any, request: Request) -> Answer:
    """Never take the steps after the answer."""
    departure = boundary.depart(adapter, request)
    if departure is None:
        return send()  # type: ignore[no-any-return]
    departure.begin()
    return send()  # type: ignore[no-any-return]


def reading_ahead(boundary: Boundary, adapter: TinyAdapter, send: Any, request: Request) -> Answer:
    def whole() -> Answer:
        answer: Answer = send()
        answer.read()
        return answer

    return boundary.call(adapter, request, whole)


def wrapping_errors(
    boundary: Boundary, adapter: TinyAdapter, send: Any, request: Request
) -> Answer:
    try:
        return properly(boundary, adapter, send, request)
    except OSError as error:
        raise RuntimeError("the call failed") from error


class Deaf(TinyAdapter):
    def response_carrier(self, response: Answer) -> None:
        return None


class Blabbing(TinyAdapter):
    def describe(self, request: Request) -> Call:
        return Call(kind=self.kind, library=self.library, operation=request.url)


class Believing(TinyAdapter):
    def enact(self, fault: Fault, request: Request, response: Answer | None = None) -> Answer:
        try:
            return super().enact(fault, request, response)
        except CannotEnact:
            return Answer(500, {}, None, b"")


class Careless(TinyAdapter):
    def enact(self, fault: Fault, request: Request, response: Answer | None = None) -> Answer:
        if fault.kind is FaultKind.BODY:
            return Answer(200, {}, None, fault.body)
        return super().enact(fault, request, response)


class Timeless(TinyAdapter):
    """Doesn't say how long a call waits."""

    def describe(self, request: Request) -> Call:
        return super().describe(replace(request, timeout=None))


class Obliging(TinyAdapter):
    """Takes a body that an edit finds nothing in for one that was edited."""

    def edited(self, response: Answer, edit: Edit) -> bytes:
        try:
            return super().edited(response, edit)
        except CannotEnact:
            return response.read()


class Late(TinyAdapter):
    """Tells of a lost answer by another exception than the library's."""

    def enact(self, fault: Fault, request: Request, response: Answer | None = None) -> Answer:
        if response is not None and fault.kind is FaultKind.TIMEOUT:
            raise ConnectionError("no answer")
        return super().enact(fault, request, response)


class Hopeful(TinyAdapter):
    """Takes every request that failed for one that never left."""

    def unsent(self, _: BaseException) -> bool:
        return True


# What call sites are told by: as if this were a package of its own.
__name__ = "tiny"
