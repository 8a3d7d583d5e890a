"""The server's side in the waist's terms: a call that arrived, its answer, and the adapter.

How a library serves calls is in `blocking_server` and `aio_server`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from grpc import StatusCode

from baggage.boundary import (
    Arrival,
    Call,
    Facts,
    Fault,
    Kind,
    Outcome,
    Raised,
    Tellers,
    deliver,
)
from baggage.instrumentation._grpc.client import AnswerFacts
from baggage.instrumentation._grpc.message import Arguments, content, digest
from baggage.instrumentation._grpc.metadata import Items, Metadata, texts
from baggage.instrumentation._grpc.status import Status, asked
from baggage.instrumentation._grpc.target import endpoint_of, short_of

_ENDLESS: Final = 1e9
"""Where there is no deadline the blocking library tells of one after more seconds than these."""


_ATTEMPTS: Final = "grpc-previous-rpc-attempts"


class Aborted(Exception):
    """A call that shall end with a status, as by `context.abort`."""

    def __init__(self, status: Status) -> None:
        """Keep the status."""
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Served:
    """One call that arrived; `request` is None for a stream of requests."""

    method: str
    context: Any
    request: Any = None

    def remaining(self) -> float | None:
        """Return how many seconds the caller waits, None without a limit."""
        remaining: float | None = self.context.time_remaining()
        return None if remaining is None or remaining > _ENDLESS else remaining


_TELLERS: Final[Tellers] = {
    "method": lambda asked: short_of(asked[0].method),
    "arguments": lambda asked: Arguments(asked[0].method, asked[0].request),
    "endpoint": lambda asked: endpoint_of(asked[2]),
    "timeout": lambda asked: asked[1],
    "payload": lambda asked: digest(content(asked[0].request)),
    "arrived": lambda asked: texts(asked[3]),
}


@dataclass(slots=True)
class Replied:
    """What is answered: a message, None for a stream or a failure, and the status.

    `aborting` is what the library raised to end the application's work.
    """

    message: Any
    code: StatusCode
    aborting: BaseException | None = None


class ServerAdapter:
    """The adapter of one of the two libraries."""

    kind = Kind.SERVER
    packages: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def __init__(self, library: str) -> None:
        """Name the library."""
        self.library = library

    def describe(self, request: Served) -> Call:
        """Describe a call by the full name of its method."""
        context = request.context
        # At once: whoever asks the context of a call that is gone brings the process down.
        asked = request, request.remaining(), context.peer(), context.invocation_metadata()
        return Call.told(self.kind, self.library, request.method, asked, _TELLERS)

    def request_carrier(self, request: Served) -> Metadata:
        """Return the metadata that came."""
        return Metadata(request.context.invocation_metadata())

    def response_carrier(self, response: Replied) -> None:
        """Return nothing: an arrival responds by the context."""

    def facts(self, response: Replied) -> Facts:
        """Describe what is answered."""
        return AnswerFacts(response.message, response.code)

    def lends(self, request: Served) -> bool:
        """Say whether this is the first attempt of a call: gRPC tells when it retries by itself."""
        items = request.context.invocation_metadata() or ()
        return not any(name == _ATTEMPTS for name, _ in items)

    def answer(self, error: BaseException) -> Replied | None:
        """Return what a status answers."""
        return Replied(None, error.status.code) if isinstance(error, Aborted) else None

    def enact(self, fault: Fault, request: Served, response: Replied | None = None) -> Replied:
        """Abort with a status; other faults a server can't make by itself."""
        raise Aborted(asked(fault))


def replied(arrival: Arrival, message: Any, code: object) -> Outcome:
    """Return the outcome of a call that was served; `code` is what the application set, if any."""
    return arrival.answered(Replied(message, _code(code, StatusCode.OK)))


def ended(arrival: Arrival, aborting: BaseException, code: object) -> Outcome:
    """Return the outcome of a call that the application ended by `abort`."""
    return arrival.answered(Replied(None, _code(code, StatusCode.UNKNOWN), aborting))


def answer_of(outcome: Outcome) -> Any:
    """Return the message that an outcome answers, or raise what it raises."""
    value = deliver(outcome)
    if not isinstance(value, Replied):
        return value
    if value.aborting is not None:
        raise value.aborting
    return value.message


def failed(arrival: Arrival, error: BaseException, code: object) -> Outcome:
    """Return the outcome of an exception of the application's: the library makes it a status."""
    known = _code(code, StatusCode.UNKNOWN)
    return Raised(error, arrival.target, facts=AnswerFacts(None, known))


def aborted(outcome: Outcome) -> Status | None:
    """Return the status that meta-applications want a call to end with."""
    if isinstance(outcome, Raised) and isinstance(outcome.error, Aborted):
        return outcome.error.status
    return None


def trailing(context: Any, known: Items | None = None) -> Metadata:
    """Return the trailing metadata of a call that is being served."""
    return Metadata(
        known if known is not None else context.trailing_metadata(), context.set_trailing_metadata
    )


def _code(code: object, default: StatusCode) -> StatusCode:
    return code if isinstance(code, StatusCode) and code is not StatusCode.OK else default
