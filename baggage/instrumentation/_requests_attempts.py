"""One call of requests as the attempts that urllib3 makes of it.

urllib3 tries again, as it is told to, below all that requests calls its own. Each attempt is a
crossing: the next one ends the one before with what it came to at its connection, and only the
last one comes to what requests makes of all of them. Belongs here: these, and what is sent. Does
not: what requests' objects mean in the waist's terms.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any, Final

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3 import Retry

from baggage.boundary import (
    Adapter,
    Boundary,
    CannotEnact,
    Departure,
    Fault,
    Outcome,
    Raised,
    Returned,
    deliver,
)
from baggage.boundary.outcome import delivered
from baggage.instrumentation._requests_headers import Headers, copied, note
from baggage.instrumentation._urllib3 import Attempt, Dial

_log = logging.getLogger("baggage.instrumentation")
DialOf = Callable[[Fault], Dial | None]
_OPTIONS: Final = ("stream", "timeout", "verify", "cert", "proxies")


class Sending:
    """One call of `HTTPAdapter.send`: what the application asked for, and what is sent.

    The application may send its request again, in another thread or under other baggage, and
    requests copies its headers for the next hop of a redirect, to whatever host: so baggage goes
    on a copy alone, and what one attempt sends is not what the next one does. This is the carrier.

    While it is `arranging`, a fault is not enacted at once, but as the attempt is made.
    """

    __slots__ = ("_changed", "_headers", "adapter", "arranging", "options", "outgoing", "request")

    def __init__(
        self, adapter: HTTPAdapter, request: PreparedRequest, *positional: Any, **options: Any
    ) -> None:
        """Take what was asked for, as `HTTPAdapter.send` does."""
        self.adapter, self.request = adapter, request
        self.options = {**dict(zip(_OPTIONS, positional, strict=False)), **options}
        self.outgoing = request
        self.arranging = False
        self._headers: Any = request.headers
        self._changed: set[str] = set()

    @property
    def stream(self) -> bool:
        """Whether the application reads the body by itself."""
        return bool(self.options.get("stream"))

    @property
    def tried_once(self) -> bool:
        """Whether urllib3 was told to make one attempt and no more, as it is by default."""
        retries = self.adapter.max_retries
        return type(retries) is Retry and retries.total is not None and not retries.total

    def get(self, name: str) -> str | None:
        """Return a header to send."""
        value: str | bytes | None = self._headers.get(name)
        return value.decode("latin-1") if isinstance(value, bytes) else value

    def set(self, name: str, value: str) -> None:
        """Replace a header to send, not the application's own."""
        if self._headers is self.request.headers:
            self.outgoing = _copied(self.request)
            self.outgoing.headers = self._headers = copied(self.request.headers)
        self._changed.add(name)
        self._headers[name] = value
        note(self._headers, name, value)

    def depart(self, call: Attempts) -> None:
        """Send by a copy from now on, whose headers tell the attempts of a call."""
        self.outgoing = copy(self.request)
        self.outgoing.headers = self._headers = _SentHeaders(self.request.headers, call)

    def again(self, attempt: Attempt) -> None:
        """Put what the application asked for back on the next attempt, and write on that."""
        sent = attempt.own_headers()
        for name in self._changed:
            sent.pop(name, None)
            if name in self.request.headers:
                sent[name] = self.request.headers[name]
        self._headers = sent

    def release(self) -> None:
        """Let go of what the attempts were told by."""
        self._headers = None
        if isinstance(self.outgoing.headers, _SentHeaders):
            self.outgoing.headers.sending = None

    def through(self, send: Callable[..., Response], *, whole: bool = True) -> Response:
        """Send, and read the `whole` body, unless the application streams it.

        What comes of it names the application's request.
        """
        try:
            response = send(self.outgoing, **self.options)
            if whole and not self.stream:
                _read(response)
        except RequestException as error:
            if error.request is self.outgoing:
                error.request = self.request
            raise
        if response.request is self.outgoing:
            response.request = self.request
        return response


def _copied(request: PreparedRequest) -> PreparedRequest:
    """Return what `copy` does, at a fraction of the cost."""
    if type(request) is not PreparedRequest:
        return copy(request)
    copied = PreparedRequest.__new__(PreparedRequest)
    vars(copied).update(vars(request))
    return copied


def _read(response: Response) -> None:
    """Read the body of a response that isn't streamed, which Session.send would do next.

    Done here, a connection that breaks in the middle of a body is part of the call's outcome. The
    body of a redirect is left to Session.send, which forgives what goes wrong with it.
    """
    if not response.is_redirect:
        response.content  # noqa: B018 - reads and keeps the body


class Arranged(Exception):
    """A fault that befalls an attempt when it is made, by where its connection leads."""

    def __init__(self, dial: Dial) -> None:
        """Say where that is."""
        super().__init__("a fault is arranged for")
        self.dial = dial


class _Leg:
    """One attempt's crossing, and the fault that is arranged for it."""

    __slots__ = ("_dial_of", "_injected", "departure", "dial")

    def __init__(self, departure: Departure, dial_of: DialOf) -> None:
        self.departure, self._dial_of = departure, dial_of
        self.dial: Dial | None = None
        self._injected: Fault | None = None

    def begin(self, sending: Sending) -> Outcome | None:
        """Ask the flows; return the outcome if nothing is to be sent, and tell them."""
        sending.arranging = True
        try:
            outcome = self.departure.begin()
        finally:
            sending.arranging = False
        if isinstance(outcome, Raised) and isinstance(outcome.error, Arranged):
            self.dial, self._injected = outcome.error.dial, outcome.injected
            return None
        if outcome is None:
            if self.departure.delay:
                time.sleep(self.departure.delay)
            return None
        return self.departure.end(outcome)

    def send(self, attempt: Attempt) -> Any:
        """Make the attempt, and the fault befall it."""
        arranged, self.dial = self.dial, None
        if arranged is not None:
            return attempt.send_by(arranged)
        came = self.departure.happen(attempt.send)
        for fault in reversed(self.departure.late):
            lost = self._lost_by(fault)
            if lost is not None:
                self._injected = fault
                came.close()
                came = attempt.send_by(lost)
        return came

    def _lost_by(self, fault: Fault) -> Dial | None:
        """Return where the connection of an answer leads that gets lost, for urllib3 to judge."""
        try:
            return self._dial_of(fault)
        except CannotEnact:  # The end of the crossing will tell.
            return None

    def outcome(self, came: Any) -> Outcome:
        """Return the outcome of what came: a response, or an exception."""
        departure = self.departure
        raised = isinstance(came, BaseException)
        found = departure.raised(came) if raised else departure.answered(came)
        if self._injected is None:
            return found
        if self.dial is not None:  # What sends does so by no connection of urllib3.
            _log.warning("fault not enacted", extra={"fault": str(self._injected)})
            return found
        return replace(found, injected=self._injected)


class Attempts:
    """The attempts of one call, from the first to what requests makes of the last."""

    __slots__ = ("_adapter", "_boundary", "_came", "_dial_of", "_leg", "_made", "_open", "_sending")

    def __init__(
        self, boundary: Boundary, adapter: Adapter, sending: Sending, dial_of: DialOf
    ) -> None:
        """Make none yet. `dial_of` says where a connection leads that fails by a fault."""
        self._dial_of = dial_of
        self._boundary, self._adapter, self._sending = boundary, adapter, sending
        self._leg: _Leg | None = None
        self._came: Any = None
        self._made = 0
        self._open = False

    def drive(self, departure: Departure, send: Callable[..., Response]) -> Any:
        """Take all steps around `send`, whose own exceptions pass untouched.

        `departure` is the first attempt's; a call that fails before it makes one has one, too.
        """
        leg = self._leg = _Leg(departure, self._dial_of)
        self._sending.depart(self)
        try:
            outcome = leg.begin(self._sending)
            if outcome is None:
                outcome = self._send(leg, send)
            return deliver(outcome)
        finally:
            self._open = False
            if self._leg is not None:
                self._leg.departure.close()
            self._sending.release()

    def _send(self, leg: _Leg, send: Callable[..., Response]) -> Outcome:
        departure, whole = leg.departure, leg.departure.call is not None
        self._open = True
        try:
            response = departure.happen(lambda: self._sending.through(send, whole=whole))
        except _Decided as decided:
            return decided.outcome
        except BaseException as error:
            outcome = self._end(error)
            if isinstance(outcome, Raised) and outcome.error is error:
                raise
            return outcome
        return self._end(response)

    def attempt(self, attempt: Attempt) -> Any:
        """Make one attempt: what it comes to is the library's to judge."""
        if not self._open:
            return attempt.send()
        self._open = False
        try:
            if self._made:
                self._again(attempt)
            self._made += 1
            self._came = attempt.send() if self._leg is None else self._leg.send(attempt)
            return self._came
        except BaseException as error:
            self._came = error
            raise
        finally:
            self._open = True

    def _again(self, attempt: Attempt) -> None:
        """End the crossing of the attempt before, and begin that of this one.

        Raises _Decided where a flow says what the application shall see: urllib3 tries no more.
        """
        before = self._leg
        if before is not None:
            outcome = before.outcome(self._low(self._came))
            told = before.departure.end(outcome)
            before.departure.close()
            if delivered(told) is not delivered(outcome):
                raise _Decided(told)
        self._sending.again(attempt)
        departure = self._boundary.depart(self._adapter, self._sending)
        self._leg = leg = None if departure is None else _Leg(departure, self._dial_of)
        decided = None if leg is None else leg.begin(self._sending)
        if decided is not None:
            raise _Decided(decided)

    def _end(self, came: Any) -> Outcome:
        self._open = False
        if self._leg is None:
            return Raised(came) if isinstance(came, BaseException) else Returned(came)
        return self._leg.departure.end(self._leg.outcome(came))

    def _low(self, came: Any) -> Any:
        """Return what an attempt came to at its connection, an answer in requests' terms."""
        if isinstance(came, BaseException):
            return came
        return HTTPAdapter.build_response(self._sending.adapter, self._sending.request, came)


class _Decided(BaseException):
    """Takes an outcome past urllib3, which tries again after exceptions that it knows."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("a flow has decided")
        self.outcome = outcome


class _SentHeaders(Headers):
    """Headers that tell which call's attempt they are sent by, as copies of them do."""

    def __init__(self, headers: Any = None, sending: Attempts | None = None) -> None:
        super().__init__(headers)
        self.sending = sending
