"""One request over a connection of http.client, from the end of its headers to its response.

Belongs here: what a connection holds back, the steps of a crossing, and connections that talk to
nobody for one request. Does not: what requests and responses mean in the waist's terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse, ResponseNotReady
from time import sleep
from typing import Any, Final

from baggage.boundary import Departure, Fault, Outcome, Raised, deliver
from baggage.instrumentation._nowhere import Socket

_UNDER_WAY: Final = "_baggage_exchange"
Answer = bytes | OSError
"""What a connection reads, or what its reading raises."""


def under_way(connection: HTTPConnection) -> Exchange | None:
    """Return the exchange whose response a connection has yet to be asked for."""
    exchange: Exchange | None = vars(connection).get(_UNDER_WAY)
    return exchange


def lines(connection: HTTPConnection) -> list[bytes]:
    """Return what a connection holds back: the request line, and the headers so far."""
    lines: list[bytes] = connection._buffer  # type: ignore[attr-defined]
    return lines


def _name(line: bytes) -> str:
    return line.partition(b":")[0].decode("latin-1").lower()


class Request:
    """What a connection is about to send. This is the carrier.

    While it is `arranging`, a fault is not enacted at once, but by what the connection reads.
    """

    __slots__ = ("_body", "_line", "arranging", "connection")

    def __init__(self, connection: HTTPConnection, body: object) -> None:
        """Take what the connection holds back, and the body that goes with it."""
        self.connection, self._body = connection, body
        self._line = lines(connection)[0]
        self.arranging = False

    def target(self) -> tuple[str, str]:
        """Return the method, and the URL as it is sent."""
        method, url, *_ = self._line.decode("latin-1").split(" ")
        return method, url

    def body(self) -> object:
        """Return the body, an ellipsis for one that the application sends after the headers."""
        if self._body is None and self.get("content-length") not in (None, "0"):
            return ...
        return self._body

    def get(self, name: str) -> str | None:
        """Return a header to send."""
        headers = lines(self.connection)[1:]  # Nothing, once they are sent.
        found = [line for line in headers if _name(line) == name]
        return ",".join(line.partition(b":")[2].decode("latin-1").strip() for line in found) or None

    def set(self, name: str, value: str) -> None:
        """Replace a header to send."""
        line, *headers = lines(self.connection)
        lines(self.connection)[:] = [line, *(each for each in headers if _name(each) != name)]
        self.connection.putheader(name, value)


class Exchange:
    """One request and its response, with the fault that is arranged for it."""

    __slots__ = ("_decided", "_departure", "_injected", "_real", "_request", "_stand_in")

    def __init__(self, request: Request, departure: Departure) -> None:
        """Prepare to send `request` by its connection."""
        self._request, self._departure = request, departure
        self._decided: Outcome | None = None
        self._injected: Fault | None = None
        self._real: Any = None
        self._stand_in: Socket | None = None

    def send(self, send: Callable[[], None]) -> None:
        """Ask the flows, and end the headers."""
        vars(self._request.connection)[_UNDER_WAY] = self
        try:
            self._begin()
        except BaseException:
            self.abandon()
            raise
        self._departure.leave()
        try:
            send()
        except BaseException as error:
            self._restore()
            if self._decided is None:
                self._decided = self._end(self._departure.raised(error))
            if isinstance(self._decided, Raised) and self._decided.error is error:
                self.abandon()
                raise
        if isinstance(self._decided, Raised):
            self.abandon()
            deliver(self._decided)

    def receive(self, receive: Callable[[], HTTPResponse]) -> Any:
        """Return the response, or raise what came instead."""
        connection = self._request.connection
        vars(connection).pop(_UNDER_WAY, None)
        if self._decided is not None:
            self.abandon()
            connection.close()
            return deliver(self._decided)
        try:
            response = receive()
        except (ResponseNotReady, TypeError):
            # That of the request before is to be read first, or older spellings are tried in turn,
            # as urllib3 did: this one is asked for again.
            vars(connection)[_UNDER_WAY] = self
            raise
        except BaseException as error:
            self._restore()
            outcome = self._end(self._departure.raised(error))
            if isinstance(outcome, Raised) and outcome.error is error:
                raise
        else:
            self._restore()
            outcome = self._end(self._departure.answered(response))
        return deliver(outcome)

    def abandon(self) -> None:
        """Give up a request whose response nobody asks for."""
        self._restore()
        vars(self._request.connection).pop(_UNDER_WAY, None)
        self._departure.close()

    def _begin(self) -> None:
        self._request.arranging = True
        try:
            outcome = self._departure.begin()
        finally:
            self._request.arranging = False
        if outcome is None:
            if self._departure.delay:
                sleep(self._departure.delay)
        elif isinstance(outcome, Raised) and isinstance(outcome.error, Arranged):
            self._injected = outcome.injected
            self._stand_for(outcome.error.answer)
        else:
            self._stand_for(b"")
            self._decided = self._departure.end(outcome)

    def _end(self, outcome: Outcome) -> Outcome:
        if self._injected is not None:
            outcome = replace(outcome, injected=self._injected)
        try:
            return self._departure.end(outcome)
        finally:
            self._departure.close()

    def _stand_for(self, answer: Answer) -> None:
        """Have the connection talk to nobody until the response was read."""
        connection = self._request.connection
        self._real, self._stand_in = connection.sock, Socket(answer)
        connection.sock = self._stand_in

    def _restore(self) -> None:
        connection, real = self._request.connection, self._real
        if self._stand_in is None:
            return
        if connection.sock is self._stand_in:
            connection.sock = real
        elif real is not None:
            real.close()
        self._stand_in = self._real = None


class Arranged(Exception):
    """A fault that is enacted by what a connection reads."""

    def __init__(self, answer: Answer) -> None:
        """Say what that is."""
        super().__init__("a fault is arranged for")
        self.answer = answer
