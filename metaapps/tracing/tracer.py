"""Which spans there are: where they begin, what they are called by, and whether they are kept.

Belongs here: ids, clocks, sampling, the way in and out on a carrier's headers. What is said of a
span is in `handle`; which crossings have spans is in `app`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from baggage.boundary import Call, Kind, read_header, write_header
from baggage.context import Branch, branch
from baggage.values import Baggage, Key, Value
from metaapps.tracing import formats, frontier
from metaapps.tracing.carrier import Headers, arrived
from metaapps.tracing.dots import DONE
from metaapps.tracing.formats import Decision, Extracted, Format, tracestate
from metaapps.tracing.frontier import Waited
from metaapps.tracing.handle import NONE, Handle, Placed, Recording
from metaapps.tracing.ids import random_ids
from metaapps.tracing.sampling import ALWAYS, Sampler
from metaapps.tracing.span import (
    NOBODY,
    SPAN,
    SPAN_BYTES,
    STATE,
    TRACE_BYTES,
    Peer,
    Position,
    Span,
)

Report = Callable[[Span], None]
"""Takes a span that ended; called from any thread or task. Must not block."""

_log = logging.getLogger("metaapps.tracing")
_DECIDED: Final = frozenset({Decision.ACCEPT, Decision.DEBUG})


class Here(Enum):
    """The span that is current where one is asked."""

    HERE = "here"


HERE: Final = Here.HERE


class Came(NamedTuple):
    """Where an arrival stands, and whether it shares the id of its caller's span."""

    position: Position
    shared: bool = False
    state: str | None = None


class Tracer:
    """Begins spans, and reports them as they end. Safe in any thread; without `report` it is off.

    With `share` a server's span has the id of the client's span that it answers, where the headers
    that came allow that. `sampler` decides where a trace begins. `formats` are written beside the
    baggage. `service` names this process in spans that belong to no request. `ids` returns that
    many random bytes; `now` tells µs since 1970, `ticks` tells ns that only ever increase.
    `started` is told of each span that begins to be recorded.
    """

    def __init__(
        self,
        report: Report | None,
        *,
        share: bool = True,
        sampler: Sampler = ALWAYS,
        formats: Sequence[Format] = (),
        service: str = "",
        ids: Callable[[int], bytes] | None = None,
        now: Callable[[], int] | None = None,
        ticks: Callable[[], int] = time.perf_counter_ns,
        started: Callable[[Handle], None] | None = None,
    ) -> None:
        self._report: Final = report
        self._share: Final = share
        self._sampler: Final = sampler
        self._formats: Final = tuple(formats)
        self._ids: Final = ids or random_ids
        self._started: Final = started
        self._random: Final = ids is None
        self.service = service
        self.now: Final = now or _microseconds
        self.ticks: Final = ticks
        self.live: Final[dict[Value, Placed]] = {}
        """Spans that are current somewhere, by the bytes of their position."""

    @property
    def on(self) -> bool:
        """Whether spans go anywhere."""
        return self._report is not None

    def start(
        self,
        name: str,
        *,
        kind: Kind | None = None,
        parent: Position | Here | None = HERE,
        at: int = 0,
    ) -> Handle:
        """Start a span in the current one, or in `parent`; None begins a trace, as does no current.

        It is not current: see `Handle`. It begins now, or `at` µs since 1970.
        """
        if self._report is None:
            return NONE
        running = branch()
        if running is not None and running.muted:
            return NONE
        stands = self._stands(running)
        inside = stands if parent is HERE else parent
        if inside is None:
            position = self.root(None)
        elif inside.sampled:
            position = inside.child(self._id(SPAN_BYTES))
        else:
            position = inside
        if not position.sampled:
            return Placed(self, position)
        # Where no span stands, what is known is of messages that were joined here.
        within = inside is stands or (stands is not None and stands.trace == position.trace)
        waited = frontier.began(position, running if within else None)
        if waited.implied and not _same(inside, stands):
            waited.implied = None  # by the beginning of the current span, which is not the parent
        service = "" if running is None else running.service
        return self.record(position, name, kind, at=at, waited=waited, service=service)

    def record(
        self,
        position: Position,
        name: str,
        kind: Kind | None,
        *,
        at: int = 0,
        waited: Waited | None = None,
        shared: bool = False,
        service: str = "",
    ) -> Recording:
        """Begin to record a span at a position of its own."""
        handle = Recording(
            self, position, name, kind, at=at, waited=waited, shared=shared, service=service
        )
        if self._started is not None:
            self._started(handle)
        return handle

    def current(self) -> Handle:
        """Return the span that is current here; without a trace one that records nothing."""
        running = branch()
        position = self._stands(running)
        if position is None or self._report is None:
            return NONE
        return self.live.get(position.raw) or Placed(self, position)

    def join(
        self, carrier: Headers, name: str = "", *, kind: Kind = Kind.SERVER, at: int = 0
    ) -> Handle:
        """Start the span of whoever got these headers, of any case: a server, or a consumer."""
        running = branch()
        if self._report is None or (running is not None and running.muted):
            return NONE
        headers = arrived(carrier)
        carried = read_header(headers.get("baggage", ""))
        ours = _position(carried)
        came = self.came(headers, ours, None, kind=kind)
        state = _state(carried) if came.state is None else came.state
        if not came.position.sampled:
            return Placed(self, came.position, state)
        waited = Waited(came.position)
        # Who called says so; to refer to an id that both halves have would mean the call.
        waited.answers = came.shared or (ours is not None and ours.sent and kind is Kind.SERVER)
        handle = self.record(
            came.position,
            name,
            kind,
            at=at,
            waited=waited,
            shared=came.shared,
            service="" if running is None else running.service,
        )
        handle.state = state
        return handle.remote(carried.origin) if carried.origin else handle

    def inject(self, span: Placed, carrier: MutableMapping[str, str]) -> None:
        """Write where a span stands on a request's headers: the configured formats, and ours.

        The span of a call is there to be shared; one of any other kind only to be the parent.
        """
        running, position, state = branch(), span.place, span.state
        if state is None and running is not None:
            stands = standing(running)
            if stands is not None and stands.trace == position.trace:
                state = _state(running.baggage)
        told = position.sending() if span.kind is Kind.CLIENT else position
        down: dict[Key, Value] = {SPAN: told.raw, STATE: state} if state else {SPAN: told.raw}
        carried = read_header(carrier.get("baggage", "")).with_down(down)
        carrier.update(formats.headers(position, self._formats, state or ""))
        carrier["baggage"] = write_header(carried, origin=self.here().service)

    def headers(self, position: Position, running: Branch | None) -> Mapping[str, str]:
        """Return the headers that tell others of a span, in the configured formats."""
        if not self._formats:
            return {}
        state = "" if running is None else _state(running.baggage)
        return formats.headers(position, self._formats, state)

    def came(
        self,
        headers: Mapping[str, str],
        ours: Position | None,
        call: Call | None,
        *,
        kind: Kind = Kind.SERVER,
    ) -> Came:
        """Say where a request stands that brought these headers, and our position `ours`."""
        shares = self._share and (kind if call is None else call.kind) is Kind.SERVER
        told = formats.extract(headers)
        caller = None if told is None else told.position
        # Whoever passes our baggage on, but traces by itself, is the nearer caller.
        nearer = caller is not None and not (ours and ours.address == caller.address)
        if told is not None and caller is not None and nearer:
            return self._told(told, caller, call, shares=shares)
        if ours is not None:
            if not ours.sampled:
                return Came(ours)  # What nobody keeps needs no ids of its own.
            # A service in between that passes baggage on, but doesn't trace, may call many times.
            direct = caller is not None or not self._formats
            if ours.sent and shares and direct:
                return Came(ours.standing(), shared=True)
            # What no call sent is the position of the caller itself, whose call nobody traced.
            return Came(ours.child(self._id(SPAN_BYTES)))
        if told is None or told.decision is Decision.DEFER:
            return Came(self.root(call))
        sampled, debug = told.decision in _DECIDED, told.decision is Decision.DEBUG
        return Came(self._root(self._id(TRACE_BYTES), sampled=sampled, debug=debug))

    def root(self, call: Call | None) -> Position:
        """Begin a trace, and decide whether it is kept. `call` begins it, if one does."""
        trace = self._id(TRACE_BYTES)
        return self._root(trace, sampled=self._keeps(trace, call))

    def below(self, position: Position) -> Position:
        """Return the position of a new span in another one."""
        return position.child(self._id(SPAN_BYTES))

    def here(self, service: str = "") -> Peer:
        """Return who runs here, if that isn't known to be some `service`."""
        if service:
            return _peer(service)
        running = branch()
        return _peer((running.service if running is not None else "") or self.service)

    def ending(self, position: Position, waited: Waited) -> None:
        """Note that a span ends here, for what comes after it in this branch."""
        running = branch()
        stands = None if running is None else frontier.down(running.baggage, SPAN)
        if running is None or not isinstance(stands, bytes):
            return
        if stands[1 : 1 + TRACE_BYTES] != position.trace:
            return  # somebody ends it who does something else
        if position.parent_id is None and not waited.answers:
            waited.joined = running.baggage.siblings(DONE)  # nothing comes after it
        else:
            frontier.ended(waited, running)

    def report(self, span: Span) -> None:
        """Hand a span on that ended."""
        if self._report is None:
            return
        try:
            self._report(span)
        except Exception as error:  # noqa: BLE001 - kept from the application
            _log.error("a span is lost: it could not be reported", exc_info=error)

    def _stands(self, running: Branch | None) -> Position | None:
        """Return where a branch stands, as `standing` does; sooner where that is a span of ours."""
        if running is None:
            return None
        stands = frontier.down(running.baggage, SPAN)
        if stands is None:
            return None
        held = self.live.get(stands)
        return Position.decode(stands) if held is None else held.place

    def _told(
        self, told: Extracted, position: Position, call: Call | None, *, shares: bool
    ) -> Came:
        if told.decision is Decision.DEFER:
            # Only who decides knows whether the ids stay as they are.
            position = position.kept(sampled=self._keeps(position.trace, call))
        if told.shares and shares:
            return Came(position, shared=True, state=told.state)
        return Came(position.child(self._id(SPAN_BYTES)), state=told.state)

    def _root(self, trace: bytes, *, sampled: bool, debug: bool = False) -> Position:
        span = self._id(SPAN_BYTES)
        return Position.root(trace, span, sampled=sampled, debug=debug, random=self._random)

    def _keeps(self, trace: bytes, call: Call | None) -> bool:
        try:
            return self._sampler(trace, call)
        except Exception as error:  # noqa: BLE001 - kept from the application
            _log.error("the sampler failed: the trace is kept", exc_info=error)
            return True

    def _id(self, size: int) -> bytes:
        while not any(drawn := self._ids(size)):
            pass  # Zero means "no id" in every format; as good as never drawn.
        return drawn


def standing(running: Branch | None) -> Position | None:
    """Return where a branch stands; what came and makes no sense counts as nowhere."""
    return None if running is None else _position(running.baggage)


def _same(one: Position | None, other: Position | None) -> bool:
    return one is other or (one is not None and other is not None and one.address == other.address)


def _state(carried: Baggage) -> str:
    state = frontier.down(carried, STATE)
    # What arrives comes from strangers, and not all of it may stand in a header.
    return tracestate.read(state) if isinstance(state, str) else ""


def _position(carried: Baggage) -> Position | None:
    stands = frontier.down(carried, SPAN)
    return None if stands is None else Position.decode(stands)


@lru_cache(maxsize=256)
def _peer(service: str) -> Peer:
    return Peer(service) if service else NOBODY


def _microseconds() -> int:
    return time.time_ns() // 1000
