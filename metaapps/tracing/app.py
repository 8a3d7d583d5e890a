"""The meta-application: a span for each crossing, without any code in services.

Knows the waist, and what the tracer needs to know of a crossing. Spans that an application makes by
itself are in `handle`.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from baggage.boundary import (
    NO_FACTS,
    PROCEED,
    UNKNOWN_SITE,
    Call,
    Endpoint,
    Flow,
    Interest,
    Kind,
    Outcome,
    Proceed,
    Returned,
)
from baggage.context import Branch, branch
from baggage.values import Key, Value
from metaapps.tracing import frontier, settings
from metaapps.tracing.export.opening import Export, reporters
from metaapps.tracing.frontier import KNOWN, Waited, behind
from metaapps.tracing.handle import Recording
from metaapps.tracing.span import NOBODY, SPAN, STATE, Peer, Position
from metaapps.tracing.text import failure
from metaapps.tracing.tracer import Came, Report, Tracer, standing

NAME: Final = "tracing"
FAULT: Final = "fault.injected"
EVERYTHING: Final = "*"

_DEPARTURES: Final = frozenset({Kind.CLIENT, Kind.PRODUCER})
_ARRIVALS: Final = frozenset({Kind.SERVER, Kind.CONSUMER})
# RPC statuses that a caller gives up with by itself, as a rule, while the callee goes on:
# cancelled, deadline exceeded, unavailable. HTTP has no such numbers.
_OWN: Final = frozenset({1, 4, 14})


class Tracing:
    """Gives each crossing between services a span. Without a way to report it has no interest.

    `local` names libraries whose threads, tasks and processes get spans too, or is `EVERYTHING`.
    `export` is where the reported spans wait, if they do. Other arguments are the `Tracer`'s.
    """

    name: Final = NAME

    def __init__(
        self,
        report: Report | None,
        *,
        local: Collection[str] = (),
        export: Export | None = None,
        **options: Any,
    ) -> None:
        self.tracer: Final = Tracer(report, **options)
        self.export: Final = export
        self._local: Final = frozenset(local)

    def interest(self, kind: Kind, library: str) -> Interest:
        """Ask for crossings between services, and for what runs locally where that is wanted."""
        if not self.tracer.on:
            return Interest.NONE
        local = kind is Kind.RUN and bool(self._local & {library, EVERYTHING})
        wanted = local or kind in _DEPARTURES or kind in _ARRIVALS
        return Interest.OBSERVE if wanted else Interest.NONE

    def around(self, call: Call) -> Flow:
        """Give a crossing its span: a departure sends it along, an arrival stands in it."""
        running = branch()
        if call.kind in _DEPARTURES:
            return self._depart(call, running)
        if running is None or call.kind is Kind.RUN:
            return self._run(call, running)
        return self._arrive(call, running)

    def ahead(self, call: Call) -> None:
        """Have who reads what is answered to a message know of its span, which ends only later."""
        running = branch()
        if call.kind is Kind.CONSUMER and running is not None:
            frontier.answered(running)

    def _depart(self, call: Call, running: Branch | None) -> Flow:
        tracer, stands = self.tracer, standing(running)
        if stands is None:
            position = tracer.root(call)
        else:
            position = tracer.below(stands) if stands.sampled else stands
        headers = tracer.headers(position, running)
        if not position.sampled:
            # Whoever stands in such a trace says so by the baggage that travels anyway.
            down: dict[Key, Value] = {} if stands is not None else {SPAN: position.raw}
            yield Proceed(down=down, headers=headers) if down or headers else PROCEED
            return None
        waited = frontier.began(position, running)
        handle = tracer.record(position, _name(call), call.kind, waited=waited)
        sent = position.sending() if call.kind is Kind.CLIENT else position
        known = frontier.UNSEEN if running is None else running.baggage.history.known
        outcome: Outcome | None = None
        try:
            outcome = yield Proceed(down=_sent(sent, running), headers=headers)
        finally:
            _finish(handle, call, outcome, _peer(call.source, call.local), _remote(call, outcome))
            if stands is None:
                frontier.unlearn(running, known)
        return None

    def _arrive(self, call: Call, running: Branch) -> Flow:
        tracer, carried = self.tracer, running.baggage
        ours = standing(running)
        came = tracer.came(call.arrived, ours, call)
        position = came.position
        if not position.sampled:
            known = ours is not None and ours.address == position.address
            yield PROCEED if known else Proceed(down=_stood(came, None, running))
            return None
        # By hand baggage may have been sent at any time since our position's span began.
        sent = ours is not None and (ours.sent or call.kind is Kind.CONSUMER)
        sender = ours if sent else None
        waited = frontier.arrived(position, running, sender, shared=came.shared)
        if call.batched:  # What is done then stands below one of them, and comes after the others.
            frontier.begun(position, running)
        if call.kind is Kind.CONSUMER:
            frontier.works(waited, running)
        handle = tracer.record(position, _name(call), call.kind, waited=waited, shared=came.shared)
        handle.lives(current=True)
        # Now: once the request is gone, to ask for addresses may be worse than to get none.
        remote, local = _peer(carried.origin, call.endpoint), _peer(call.source, call.local)
        outcome: Outcome | None = None
        try:
            outcome = yield Proceed(down=_stood(came, waited, running))
        finally:
            handle.lives(current=False)
            waited.streamed = isinstance(outcome, Returned) and outcome.begun
            _finish(handle, call, outcome, local, remote)
        return None

    def _run(self, call: Call, running: Branch | None) -> Flow:
        """Give a branch of this service a span, if it is in a trace."""
        stands = standing(running)
        if running is None or stands is None or not stands.sampled:
            yield PROCEED
            return None
        position = self.tracer.below(stands)
        waited = frontier.began(position, running)
        handle = self.tracer.record(position, _name(call), None, waited=waited)
        handle.lives(current=True)
        outcome: Outcome | None = None
        try:
            outcome = yield Proceed(down=_stood(Came(position), waited, running))
        finally:
            handle.lives(current=False)
            _finish(handle, call, outcome, _peer(call.source, call.local), NOBODY)
        return None


def _name(call: Call) -> str:
    return call.operation or call.library


def _sent(position: Position, running: Branch | None) -> dict[Key, Value]:
    """Return what goes down with a departure: what the caller knows is no callee's concern."""
    down: dict[Key, Value] = {SPAN: position.raw}
    if running is not None and frontier.down(running.baggage, KNOWN):
        down[KNOWN] = b""
    return down


def _stood(came: Came, waited: Waited | None, running: Branch) -> dict[Key, Value]:
    """Return what stands in the scope of an arrival."""
    down: dict[Key, Value] = {SPAN: came.position.raw}
    if waited is not None and waited.before:
        down[KNOWN] = behind(waited.before)
    if came.state or (came.state is not None and frontier.down(running.baggage, STATE)):
        down[STATE] = came.state
    return down


def _finish(
    handle: Recording, call: Call, outcome: Outcome | None, local: Peer, remote: Peer
) -> None:
    """End the span of a crossing. Without an outcome nobody saw the end."""
    if isinstance(outcome, Returned):
        facts, answered = outcome.facts, outcome.injected is None
        if not facts.ok:
            handle.fails("failed" if facts.status is None else str(facts.status))
    elif outcome is not None:
        facts = outcome.facts
        answered = outcome.injected is None and facts is not NO_FACTS and facts.status not in _OWN
        handle.fails(failure(outcome.error))
    else:
        facts, answered = NO_FACTS, False
    if call.kind is Kind.CLIENT and answered:
        handle.answered(whole=not isinstance(outcome, Returned) or facts.size() is not None)
    tags = {"library": call.library}
    if call.site is not UNKNOWN_SITE:
        tags["site"] = str(call.site)
    status = facts.status
    if status is not None:
        tags["status"] = str(status)
    if outcome is not None and outcome.injected is not None:
        tags[FAULT] = str(outcome.injected)
    handle.cross(tags, local, remote, seen=outcome is not None)


def _remote(call: Call, outcome: Outcome | None) -> Peer:
    service = (outcome.target if outcome is not None else "") or call.target
    return _peer(service, call.endpoint)


@lru_cache(maxsize=1024)
def _peer(service: str, address: Endpoint | None) -> Peer:
    if address is None:
        return Peer(service) if service else NOBODY
    return Peer(service, address.host, address.port)


def create() -> Tracing:
    """Make the meta-application that the environment asks for; the entry point.

    Raises SettingError.
    """
    chosen = settings.from_environment()
    export = reporters(
        file=chosen.file,
        url=chosen.url,
        encoding=chosen.encoding,
        otlp=chosen.otlp,
        otlp_encoding=chosen.otlp_encoding,
        interval=chosen.interval,
    )
    return Tracing(
        None if export is None else export.report,
        local=chosen.local,
        export=export,
        share=chosen.share,
        sampler=chosen.sampler,
        formats=chosen.formats,
    )
