"""What a meta-application is: the protocol, and the directives that it gives at a crossing.

A meta-application sees calls and outcomes, never a library's objects, and acts by what it yields.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol, runtime_checkable

from baggage.boundary.call import Call, Kind, nothing
from baggage.boundary.outcome import Fault, Outcome
from baggage.boundary.value import value
from baggage.values import Key, Value


class Interest(Enum):
    """Whether a meta-application wants to be asked at crossings of one kind and library."""

    NONE = "none"
    OBSERVE = "observe"
    """To be asked outside of all that act, so as to see what they make of the crossing."""
    AROUND = "around"


def _no_changes() -> Mapping[Key, Value]:
    return {}


@value
class Proceed:
    """Let the crossing happen.

    `down` replaces values of `down` keys: for the callee at a departure (the caller's own stay as
    they are), in the scope that opens at an arrival. `headers` are foreign headers to send with a
    departure. `delay` is waited for by the driver before the crossing, in seconds, up to an hour.
    """

    down: Mapping[Key, Value] = field(default_factory=_no_changes)
    headers: Mapping[str, str] = field(default_factory=nothing)
    delay: float = 0.0


PROCEED: Final = Proceed()


@dataclass(frozen=True, slots=True)
class Inject:
    """Let the library fail in this way; the callee is never contacted.

    A `late` fault and a body's edit befall the answer instead, after the crossing went on as
    `otherwise` says; a call that raises by itself is left alone. Flows inside see the answer, those
    outside the fault. A DELAY is waited for before the crossing; one that is no shorter than the
    call's `timeout` for as long as that, and then the answer is too late.

    `when` is asked of an answer that came, whether a late fault shall befall it. A library that
    tries again by itself does so only for faults that are certain.

    Where the library knows no such fault the crossing goes on as `otherwise` says, and the outcome
    tells: its `injected` is None.
    """

    fault: Fault
    otherwise: Proceed = PROCEED
    when: Callable[[Outcome], bool] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Let the crossing end with this outcome; the callee is never contacted."""

    outcome: Outcome


Directive = Proceed | Inject | Answer
Flow = Generator[Directive, Outcome, "Outcome | Fault | None"]
"""Yields exactly one directive and is sent the outcome.

What it returns replaces the outcome: another outcome, a fault to enact although the callee did
answer, or None to leave it as it is. State lives in locals. A flow is always finished or closed,
so a `finally` in it always runs.
"""


@runtime_checkable
class MetaApp(Protocol):
    """A tool that gives meaning to causal context, at every instrumented boundary.

    Methods are called from any thread or task, several at a time: keep state in flows and in the
    baggage. Whatever they raise is logged and kept from the application (raised in strict mode).
    """

    @property
    def name(self) -> str:
        """A unique name; also the namespace of its keys."""

    def interest(self, kind: Kind, library: str) -> Interest:
        """Say whether to be asked at such crossings. Asked once; the answer is cached."""

    def around(self, call: Call) -> Flow:
        """Make the flow for one crossing. Runs in the branch of execution that crosses."""


@runtime_checkable
class OverflowSink(Protocol):
    """What a meta-application adds to get the `home` values that found no room on the way."""

    def overflow(self, key: Key, values: Sequence[Value]) -> None:
        """Take values of one of its `home` keys that the response can't or could not carry."""


@runtime_checkable
class Condenser(Protocol):
    """What a meta-application adds to say in short what is too long for a response."""

    def condense(self, key: Key, values: Sequence[Value]) -> Sequence[Value]:
        """Take all values of one of its `home` keys, which a response hasn't room for.

        What is returned goes in their stead.
        """


@runtime_checkable
class AheadSink(Protocol):
    """What a meta-application adds to know of answers that leave before their arrival's end."""

    def ahead(self, call: Call) -> None:
        """Note that the answer to an arrival leaves, as a stream's start does; its flow goes on.

        What is packed now goes along.
        """
