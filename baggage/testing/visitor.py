"""A plain HTTP client over one connection, which no instrumentation knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Final
from urllib.parse import urlsplit

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY, Baggage

_PATIENCE: Final = 20.0


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
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Make a request as an instrumented service that carries this (None: as a stranger)."""
        response = self.begin(carried, path=path, method=method, headers=headers)
        body = response.read()
        return Answered(response.status, _by_name(response), body)

    def begin(
        self,
        carried: Baggage | None = None,
        *,
        path: str = "/",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        """Make a request; the body is left to the caller."""
        sent = dict(headers or {})
        if carried is not None:
            sent["baggage"] = write_header(carried, origin="caller")
        self._connection.request(method, path, headers=sent)
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


def ask(url: str, carried: Baggage | None = EMPTY) -> Answered:
    """Make one request over a connection of its own; see `Visitor.ask`."""
    with visiting(url) as visitor:
        return visitor.ask(carried)


def _by_name(response: HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known},{value}"
    return headers
