"""A plain HTTP client over one connection, which no instrumentation knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Final
from urllib.parse import urlsplit

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY, Baggage, fit
from baggage.wire import armour, compose

_PATIENCE: Final = 60.0
_NAME: Final = "caller"
Headers = Mapping[str, str] | Sequence[tuple[str, str]]
"""Headers of a request, in order where one comes several times."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a server answered: headers by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def baggage(self) -> Baggage:
        """The baggage that came home."""
        return read_header(self.headers.get("baggage", ""))

    @property
    def lent(self) -> Baggage:
        """The baggage that came home, with the right to write that came along."""
        return read_header(self.headers.get("baggage", ""), lent=True)


class Visitor:
    """One connection to a server, kept alive from one request to the next."""

    def __init__(self, url: str) -> None:
        """Connect at the first request to the host and port of `url`."""
        self._host = urlsplit(url).netloc
        self._connection = HTTPConnection(self._host, timeout=_PATIENCE)

    def ask(
        self,
        carried: Baggage | None = None,
        *,
        path: str = "/",
        method: str = "GET",
        headers: Headers = (),
        lends: bool = False,
    ) -> Answered:
        """Make a request as an instrumented service that carries this (None: as a stranger).

        One that `lends` sends all of its ids along.
        """
        response = self.begin(carried, path=path, method=method, headers=headers, lends=lends)
        body = response.read()
        return Answered(response.status, _by_name(response), body)

    def begin(
        self,
        carried: Baggage | None = None,
        *,
        path: str = "/",
        method: str = "GET",
        headers: Headers = (),
        lends: bool = False,
    ) -> HTTPResponse:
        """Make a request; the body is left to the caller."""
        self._connection.putrequest(method, path)
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            self._connection.putheader(name, value)
        if carried is not None:
            self._connection.putheader("baggage", _header(carried, lends=lends))
        if method not in ("GET", "HEAD"):
            self._connection.putheader("Content-Length", "0")
        self._connection.endheaders()
        return self._connection.getresponse()

    def leave(self) -> None:
        """Hang up."""
        self._connection.close()


@contextmanager
def visiting(url: str) -> Iterator[Visitor]:
    """Yield a visitor, who leaves at the end of the block."""
    visitor = Visitor(url)
    try:
        yield visitor
    finally:
        visitor.leave()


def ask(url: str, carried: Baggage | None = EMPTY, *, lends: bool = False) -> Answered:
    """Make one request over a connection of its own; see `Visitor.ask`."""
    with visiting(url) as visitor:
        return visitor.ask(carried, lends=lends)


def _header(carried: Baggage, *, lends: bool) -> str:
    if not lends:
        return write_header(carried, origin=_NAME)
    fitted = fit(carried.without_home(), origin=_NAME, lending=True)
    return compose(armour(fitted.blob), carried.foreign)


def _by_name(response: HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known},{value}"
    return headers
