"""What properties of HTTP clients start from: how a call is made, and a server that is asked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

import pytest

from baggage.boundary import (
    PROCEED,
    Fault,
    FaultKind,
    Kind,
    read_header,
)
from baggage.testing.apps import Recorder, Script, Scripted
from baggage.testing.origin import Answer as Answering
from baggage.testing.origin import Origin, Reply
from baggage.testing.suite import InstrumentationSuite
from baggage.values import Baggage, Direction, key

Send = Callable[[str], Any]
"""Makes one call to an address; returns the library's response, or raises what it raises."""

DOWN: Final = key("suite.down", direction=Direction.DOWN)
HOME: Final = key("suite.home", direction=Direction.HOME)
NONSENSE: Final = Fault(FaultKind.RAISE, name="no.such.Exception")


class Client(InstrumentationSuite):
    """Inherit, and say how a call is made. See `baggage.testing` for an example.

    `faults` are those that the client can enact, `crossings_of_a_retry` is how many crossings the
    hook sees of a call that `retrying` sends three times.
    """

    faults: ClassVar[Iterable[Fault]] = (
        Fault(FaultKind.REFUSED),
        Fault(FaultKind.TIMEOUT),
        Fault(FaultKind.RESET),
        Fault(FaultKind.STATUS, status=503),
    )
    crossings_of_a_retry: ClassVar[int] = 3

    origin: Origin

    @abstractmethod
    def sender(self) -> Send:
        """Make what calls are made with (a session, say), and return what makes a call with it.

        A client of an event loop returns a function that runs a loop.
        """

    def status(self, response: Any) -> int:
        """Return a response's status."""
        return int(response.status_code)

    def header(self, response: Any, name: str) -> str | None:
        """Return a response's header."""
        value: str | None = response.headers.get(name)
        return value

    def body(self, response: Any) -> bytes:
        """Return a response's body."""
        return bytes(response.content)

    def told(self, seen: object) -> object:
        """Return what a flow is told of what the application sees of a call: the same object.

        Unless the library wraps what its attempts raise.
        """
        return seen

    @abstractmethod
    def sender_with(self, headers: Mapping[str, str]) -> Send:
        """Do as `sender`, for calls with these headers of the application."""

    def hasty(self) -> Send:
        """Do as `sender`, for calls that wait a twentieth of a second for an answer."""
        raise NotImplementedError("say how a call is made that waits 0.05 s for an answer")

    @abstractmethod
    def retrying(self) -> Send:
        """Do as `sender`, for calls that the library sends up to three times while it gets 503."""

    @abstractmethod
    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        """Do as `sender`, for calls whose body the application reads chunk by chunk."""

    @pytest.fixture(autouse=True)
    def _origin(self, _clean: None) -> Iterator[None]:
        with Origin(lambda _: Reply()).serving() as self.origin:
            yield

    def send(self, answer: Answering | None = None) -> Any:
        """Make one call to an origin that answers so."""
        if answer is not None:
            self.origin.answer = answer
        return self.sender()(self.origin.url)

    def sent(self) -> Baggage:
        """Return the baggage that the last call carried."""
        return read_header(self.origin.received[-1].baggage or "")

    def recorded(self) -> Recorder:
        """Register a recorder of calls."""
        recorder = Recorder(kinds=(Kind.CLIENT,))
        self.boundary.register(recorder)
        return recorder

    def scripted(self, first: Script = PROCEED, then: object = None, name: str = "x") -> Scripted:
        """Register a scripted meta-application."""
        scripted = Scripted(first, then, name=name)
        self.boundary.register(scripted)
        return scripted

    def redirect(self, url: str) -> Answering:
        """Return the answer that redirects once, to `url`."""
        return lambda _: (
            Reply(302, {"Location": url}) if len(self.origin.received) == 1 else Reply()
        )
