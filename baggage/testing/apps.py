"""Meta-applications for tests: one that remembers, and one that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from baggage import context
from baggage.boundary import PROCEED, Call, Directive, Flow, Interest, Kind, Outcome
from baggage.values import Baggage, Key, Value

_PATIENCE = 60.0


Script = Directive | BaseException | Callable[[Call], Directive]
"""A directive to yield, or what makes it of the call, or an exception to raise instead."""


@dataclass(slots=True)
class Crossed:
    """One crossing: the call, what its branch carried then, and its outcome, None without one."""

    call: Call
    carried: Baggage
    outcome: Outcome | None = None


@dataclass(slots=True)
class Recorder:
    """Remembers each crossing of these kinds, and what overflowed. Safe in any thread."""

    name: str = "recorder"
    kinds: Collection[Kind] = tuple(Kind)
    asks: Interest = Interest.OBSERVE
    begun: list[Crossed] = field(default_factory=list)
    ended: list[Crossed] = field(default_factory=list)
    lost: list[tuple[str, Value]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def interest(self, kind: Kind, library: str) -> Interest:
        return self.asks if kind in self.kinds else Interest.NONE

    def around(self, call: Call) -> Flow:
        crossed = Crossed(call, context.current())
        self._note(self.begun, crossed)
        try:
            crossed.outcome = yield PROCEED
        finally:
            self._note(self.ended, crossed)
        return None

    def overflow(self, key: Key, values: Sequence[Value]) -> None:
        for value in values:
            self._note(self.lost, (key.name, value))

    def wait(self, condition: Callable[[Recorder], object]) -> None:
        """Wait until something holds of what is remembered; fail after a long time."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), _PATIENCE), self

    def _note(self, notes: list[Any], note: object) -> None:
        with self._changed:
            notes.append(note)
            self._changed.notify_all()


@dataclass(slots=True)
class Scripted:
    """Does as it is told at crossings of these kinds.

    `first` is what to do before, `then` what to return after, or an exception to raise there. `saw`
    are the outcomes it was sent.
    """

    first: Script = PROCEED
    then: object = None
    kinds: Collection[Kind] = (Kind.CLIENT,)
    name: str = "scripted"
    asks: Interest = Interest.AROUND
    saw: list[Outcome] = field(default_factory=list)

    def interest(self, kind: Kind, library: str) -> Interest:
        return self.asks if kind in self.kinds else Interest.NONE

    def around(self, call: Call) -> Flow:
        first = self.first(call) if callable(self.first) else self.first
        if isinstance(first, BaseException):
            raise first
        self.saw.append((yield first))
        if isinstance(self.then, BaseException):
            raise self.then
        return self.then  # type: ignore[return-value]  # a script may break the protocol
