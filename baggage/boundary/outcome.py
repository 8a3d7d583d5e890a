"""What came of a crossing, and the faults that can be made to come of it.

Outcomes are values: they are handed to meta-applications, never thrown at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from baggage.boundary.value import value


class FaultKind(Enum):
    """Faults in no library's terms; each library's adapter knows what they look like there."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    STATUS = "status"
    CANCELLED = "cancelled"
    RAISE = "raise"
    BODY = "body"
    DELAY = "delay"
    DROP = "drop"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to enact.

    `status` goes with STATUS: an HTTP status, or a gRPC code by its number, as the library has it.
    `name` goes with RAISE and is looked up in the adapter's own table, never imported or evaluated;
    `body` goes with STATUS and BODY. BODY leaves all of an answer but its body as it is; instead of
    `body`, an `edit` says how to change what came (see `edit`). TIMEOUT and RESET may befall an
    answer too: the callee did run, and nobody hears of it; `late` asks for just that. DELAY lets a
    crossing take `seconds` longer. DROP and DUPLICATE befall messages: nobody gets it, or it is
    handed over twice.
    """

    kind: FaultKind
    status: int | None = None
    name: str | None = None
    body: bytes | None = None
    seconds: float | None = None
    edit: str | None = None
    late: bool = False

    def __str__(self) -> str:
        seconds = None if self.seconds is None else f"{self.seconds:g} s"
        details = (self.status, self.name, self.edit, seconds)
        told = [self.kind.value, *(str(detail) for detail in details if detail is not None)]
        return " ".join([*told, "late"] if self.late else told)


class Facts(Protocol):
    """What an adapter can tell about a response, computed when asked for.

    Reading `digest` or `size` never consumes a stream that the application has yet to read: both
    are None then.
    """

    @property
    def status(self) -> int | None:
        """The status code, None where the library has none."""

    @property
    def ok(self) -> bool:
        """Whether the library's users call this a success."""

    def digest(self) -> bytes | None:
        """Return a digest of what the application reads of the answer."""

    def size(self) -> int | None:
        """Return how many bytes of body the application reads."""


@dataclass(frozen=True, slots=True)
class PlainFacts:
    """Facts known beforehand: of a response that is a plain value, or of none at all."""

    status: int | None = None
    ok: bool = True
    content: bytes | None = None

    def digest(self) -> bytes | None:
        """Return None: a plain value has no bytes that the application reads."""
        return None

    def size(self) -> int | None:
        """Return how many bytes `content` has, None without content."""
        return None if self.content is None else len(self.content)


NO_FACTS: Final = PlainFacts()


class Receipt(Enum):
    """What an answer says of the baggage that was sent, as far as `Policy.receipts` asks for it."""

    UNKNOWN = "unknown"
    """Nobody asked, nothing was sent, or nothing can travel with such an answer."""
    COMPLETE = "complete"
    """The callee got it, and its own came back."""
    NONE_CAME = "none came"
    """The callee would have read it, and did not get it."""
    NONE_BACK = "none back"
    """The callee got it; what it sent back got lost."""
    DOUBLED = "doubled"
    """What was lent came back a second time."""
    BEHIND = "behind"
    """What came back knows less than what was sent."""
    SILENT = "silent"
    """The answer says nothing: the callee is not instrumented, or all headers get lost."""


@value
class Returned:
    """The crossing answered. `value` is the library's own object: opaque to meta-applications.

    `target` is the name of the service that answered, "" if it didn't say. `injected` is the fault
    that was really enacted here, None for what happened by itself. Of an arrival, `begun` says that
    the answer had begun to be sent before it ended: the caller may have gone on by then.
    """

    value: object
    facts: Facts = NO_FACTS
    target: str = ""
    injected: Fault | None = None
    receipt: Receipt = Receipt.UNKNOWN
    begun: bool = False


@value
class Raised:
    """The crossing raised; `error` reaches the application untouched. More at `Returned`.

    `facts` are of the answer that the exception tells of, where there was one.
    """

    error: BaseException
    target: str = ""
    injected: Fault | None = None
    facts: Facts = NO_FACTS
    receipt: Receipt = Receipt.UNKNOWN

    @property
    def name(self) -> str:
        """The exception's full name, as in "requests.exceptions.ConnectionError"."""
        return exception_name(type(self.error))


Outcome = Returned | Raised


def delivered(outcome: Outcome) -> object:
    """Return what the application sees, a value or an exception, whatever else is told of it."""
    return outcome.error if isinstance(outcome, Raised) else outcome.value


def exception_name(kind: type[BaseException]) -> str:
    """Return the full name of an exception class; builtins go without a module."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
