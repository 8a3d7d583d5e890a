"""Spans for crossings: when they begin and end, and what they say.

Knows the waist and the current baggage. Where spans go is the composer's choice: `create` sends
them to a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from baggage import context
from baggage.boundary import (
    UNKNOWN_SITE,
    Call,
    Flow,
    Interest,
    Kind,
    Outcome,
    Proceed,
    Raised,
    Returned,
)
from metaapps.tracing import settings
from metaapps.tracing.export.file import TraceFile
from metaapps.tracing.span import NOBODY, SPAN, SPAN_BYTES, TRACE_BYTES, Peer, Position, Span

Report = Callable[[Span], None]
"""Takes a span that ended; called from any thread or task."""

NAME: Final = "tracing"
FAULT: Final = "fault.injected"

_CROSSINGS: Final = frozenset({Kind.CLIENT, Kind.SERVER, Kind.PRODUCER, Kind.CONSUMER})


def _microseconds() -> int:
    return time.time_ns() // 1000


def _current() -> Position | None:
    for value in context.current().unpack(SPAN):
        return Position.decode(value)
    return None


class Tracing:
    """Gives each crossing between services a span. Without `report` it has no interest in any.

    With `share` a server's span has the id of the client's span that it answers. `ids` returns
    that many random bytes; `now` tells µs since 1970, `ticks` tells ns that only ever increase.
    """

    name: Final = NAME

    def __init__(
        self,
        report: Report | None,
        *,
        share: bool = True,
        ids: Callable[[int], bytes] = os.urandom,
        now: Callable[[], int] = _microseconds,
        ticks: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._report: Final = report
        self._share: Final = share
        self._ids: Final = ids
        self._now: Final = now
        self._ticks: Final = ticks

    def interest(self, kind: Kind, library: str) -> Interest:
        """Ask for crossings between services; branches within one inherit where they stand."""
        wanted = self._report is not None and kind in _CROSSINGS
        return Interest.OBSERVE if wanted else Interest.NONE

    def around(self, call: Call) -> Flow:
        """Give a crossing its span: a departure sends it along, an arrival stands in it."""
        position, shared = self._place(call.kind)
        timestamp, begin = self._now(), self._ticks()
        outcome: Outcome | None = None
        try:
            handed = position.sending() if call.kind is Kind.CLIENT else position
            outcome = yield Proceed(down={SPAN: handed.raw})
        finally:
            # Without an outcome nobody saw the end, so there is no duration.
            duration = max(1, (self._ticks() - begin) // 1000) if outcome is not None else 0
            if position.sampled and self._report is not None:
                self._report(_span(call, outcome, position, shared, timestamp, duration))
        return None

    def _place(self, kind: Kind) -> tuple[Position, bool]:
        """Return where a crossing's span stands, and whether it shares the id of its caller's."""
        current = _current()
        if current is None:
            return Position.root(self._id(TRACE_BYTES), self._id(SPAN_BYTES)), False
        # What no call sent is the position of the caller itself, whose departure nobody traced.
        if kind is Kind.SERVER and self._share and current.sent:
            return current.standing(), True
        return current.child(self._id(SPAN_BYTES)), False

    def _id(self, size: int) -> bytes:
        while not any(drawn := self._ids(size)):
            pass  # Zero means "no id" in every format; as good as never drawn.
        return drawn


def create() -> Tracing:
    """Make the meta-application that the environment asks for; the entry point.

    Raises SettingError.
    """
    chosen = settings.from_environment()
    report = TraceFile(chosen.file).report if chosen.file else None
    return Tracing(report, share=chosen.share)


def _span(
    call: Call,
    outcome: Outcome | None,
    position: Position,
    shared: bool,
    timestamp: int,
    duration: int,
) -> Span:
    return Span(
        position=position,
        kind=call.kind,
        name=call.operation or call.library,
        timestamp=timestamp,
        duration=duration,
        local=Peer(call.source),
        remote=_remote(call, outcome),
        tags=_tags(call, outcome),
        error=_error(outcome),
        shared=shared,
    )


def _remote(call: Call, outcome: Outcome | None) -> Peer:
    """Say who is on the other side; an arrival knows its caller's address at most."""
    service = ""
    if call.kind.departs:
        service = (outcome.target if outcome is not None else "") or call.target
    if call.endpoint is None:
        return Peer(service) if service else NOBODY
    return Peer(service, call.endpoint.host, call.endpoint.port)


def _tags(call: Call, outcome: Outcome | None) -> dict[str, str]:
    tags = {"library": call.library}
    if call.site != UNKNOWN_SITE:
        tags["site"] = str(call.site)
    if isinstance(outcome, Returned) and outcome.facts.status is not None:
        tags["status"] = str(outcome.facts.status)
    if outcome is not None and outcome.injected is not None:
        tags[FAULT] = str(outcome.injected)
    return tags


def _error(outcome: Outcome | None) -> str | None:
    if isinstance(outcome, Raised):
        return outcome.name
    if outcome is None or outcome.facts.ok:
        return None
    status = outcome.facts.status
    return "failed" if status is None else str(status)
