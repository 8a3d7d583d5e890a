"""What services do: small programs of calls, fallbacks, loops and branches. Only the values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaapps.filibuster.catalogue import Catalogue
from tests.filibuster.apps.post import PLAIN


@dataclass(frozen=True)
class Ask:
    """One call. `payload` is what is sent: "request", "last", "failures", or itself.

    `place` names the function that calls, "" for the interpreter's own.
    """

    target: str
    payload: str = "fixed"
    timeout: float | None = None
    library: str = PLAIN
    place: str = ""

    @property
    def operation(self) -> str:
        return f"GET /{self.target}"


@dataclass(frozen=True)
class Try:
    """A call, so many more attempts at it, and what is done where all of them fail.

    "elsewhere" asks the `fallbacks` in turn. "by body" and "relay" read what an error says.
    """

    ask: Ask
    policy: str = "propagate"
    retries: int = 0
    fallbacks: tuple[Ask, ...] = ()


@dataclass(frozen=True)
class Loop:
    """A step, so many times; as many times as there are values so far, if `times` is 0."""

    step: Step
    times: int


@dataclass(frozen=True)
class Fan:
    """Steps in a branch each, while `meanwhile` is done here; then all are waited for."""

    steps: tuple[Step, ...]
    meanwhile: tuple[Step, ...] = ()


@dataclass(frozen=True)
class OnlyIf:
    """A step that is taken only under a condition: "failed", "well" or "degraded"."""

    condition: str
    step: Step


@dataclass(frozen=True)
class Reject:
    """An answer that would be a success becomes an error.

    Under the conditions of `OnlyIf`, and "all degraded" or "short".
    """

    when: str
    status: int


Step = Try | Loop | Fan | OnlyIf | Reject


@dataclass(frozen=True)
class Program:
    """A service: steps in order, then an answer; so many failures (`trap`) together are its bug."""

    name: str
    steps: tuple[Step, ...] = ()
    answer: str = "all"
    trap: int = 0
    trap_status: int = 500
    awaits: bool = False
    """Whether it runs in an event loop."""


@dataclass(frozen=True)
class Test:
    """The functional test: its calls, and what it checks of the answers."""

    asks: tuple[Ask, ...]
    check: str = "never 500"
    asked: str = ""
    together: bool = False
    awaits: bool = False

    __test__ = False


@dataclass(frozen=True)
class Application:
    """Programs, their functional test, and the faults that are to be tried."""

    programs: Mapping[str, Program]
    test: Test
    catalogue: Catalogue = field(compare=False)
    reads_errors: bool = False
    """Whether anybody looks at what an error says, besides its status."""
