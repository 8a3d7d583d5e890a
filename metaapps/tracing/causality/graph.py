"""The events of spans, and which of them had to happen before which.

A span has two events: its beginning and its end. Belongs here: the edges between them, as
predecessors of each event. Which spans there are to ask about, and answers, are in `query`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from baggage.boundary import Kind
from metaapps.tracing.causality.tags import Address, Reference, references
from metaapps.tracing.frontier import AFTER, JOINED, STREAMED
from metaapps.tracing.span import Span

Place = int
"""Where a span stands among the spans of a graph."""

# What a graph may keep of answers, in bytes.
_REMEMBERED: Final = 1 << 25


class Waits(NamedTuple):
    """What one span waited for: before it began, before it ended, and whether for its callee.

    Of an answer that had only `begun` a callee that `streamed` it may have done more since.
    """

    after: tuple[Reference, ...] = ()
    joined: tuple[Reference, ...] = ()
    answered: bool = False
    begun: bool = False
    streamed: bool = False


def begin(place: Place) -> int:
    """Return the event that a span began."""
    return 2 * place


def end(place: Place) -> int:
    """Return the event that a span ended."""
    return 2 * place + 1


class Graph:
    """The events of these spans, each of which is one of its own.

    Time and memory are linear in the text that it is made of, whatever that says: ids may repeat,
    references may lead nowhere or in circles. Where several spans have the id that is referred to,
    the client's halves count, if there are any, and they count as one that ended when all had.
    """

    def __init__(self, spans: Sequence[Span], labels: Sequence[Mapping[str, str]]) -> None:
        """Build it. `labels` are the spans' own, in their order."""
        self.spans: Final = spans
        self._clients: Final[dict[Address, list[Place]]] = defaultdict(list)
        self._servers: Final[dict[Address, list[Place]]] = defaultdict(list)
        for place, span in enumerate(spans):
            halves = self._servers if _serves(span) else self._clients
            halves[_address(span)].append(place)
        self.callers: Final = [self._caller(place) for place in range(len(spans))]
        """The place of the span that each one began in, None if there is none."""
        self.waits: Final = [_waits(span, said) for span, said in zip(spans, labels, strict=True)]
        self.before: Final[list[list[int]]] = [[] for _ in range(2 * len(spans))]
        """What each event waited for. After those of spans come some that stand for several."""
        self._several: Final[dict[tuple[str, Address], int]] = {}
        self._link()
        self._pasts: Final[dict[int, bytearray]] = {}

    def named(self, address: Address) -> Sequence[Place]:
        """Return the spans that a reference to this address means."""
        return self._clients.get(address) or self._servers.get(address) or ()

    def precedes(self, earlier: int, later: int) -> bool:
        """Tell whether one event had to happen before another one."""
        past = self._pasts.get(later)
        if past is None:
            past = self._past(later)
            if len(self._pasts) * len(past) > _REMEMBERED:
                self._pasts.clear()
            self._pasts[later] = past
        return bool(past[earlier])

    def _past(self, event: int) -> bytearray:
        past = bytearray(len(self.before))
        pending = [event]
        while pending:
            for earlier in self.before[pending.pop()]:
                if not past[earlier]:
                    past[earlier] = 1
                    pending.append(earlier)
        return past

    def _link(self) -> None:
        callees: dict[Address, list[Place]] = defaultdict(list)
        for place, span in enumerate(self.spans):
            if _serves(span) and span.position.parent_id is not None and not span.shared:
                callees[span.position.trace_id, span.position.parent_id].append(place)
        for place, (span, waits) in enumerate(zip(self.spans, self.waits, strict=True)):
            starts, ends = self.before[begin(place)], self.before[end(place)]
            ends.append(begin(place))
            caller = self.callers[place]
            if caller is not None:
                starts.append(begin(caller))
            starts.extend(self._meant(waits.after))
            ends.extend(self._meant(waits.joined))
            if (waits.answered or waits.begun) and not _serves(span):
                address = _address(span)
                servers: Iterable[Place] = chain(
                    self._servers.get(address, ()), callees.get(address, ())
                )
                if not waits.answered:
                    servers = (each for each in servers if not self.waits[each].streamed)
                ends.extend(self._all("answers", address, (end(server) for server in servers)))

    def _meant(self, waited: Iterable[Reference]) -> Iterable[int]:
        for address, began in waited:
            event = begin if began else end
            yield from self._all(event.__name__, address, map(event, self.named(address)))

    def _all(self, name: str, address: Address, events: Iterable[int]) -> Iterable[int]:
        """Yield at most one event: the only one, or one that stands for several."""
        known = self._several.get((name, address))
        if known is not None:
            yield known
            return
        found = list(events)
        if len(found) > 1:
            self.before.append(found)
            self._several[name, address] = len(self.before) - 1
            yield len(self.before) - 1
        else:
            yield from found

    def _caller(self, place: Place) -> Place | None:
        """Return the span that one began in: of two halves the one of its own service."""
        span = self.spans[place]
        if _serves(span):
            other = self._clients.get(_address(span))
            if other:
                return other[0]
        parent_id = span.position.parent_id
        if parent_id is None or parent_id == span.position.span_id:
            return None
        address = span.position.trace_id, parent_id
        clients, servers = self._clients.get(address, ()), self._servers.get(address, ())
        return _half(span, clients, servers, self.spans)


def _half(
    span: Span, clients: Sequence[Place], servers: Sequence[Place], spans: Sequence[Span]
) -> Place | None:
    """Choose among halves of one id the one that a span began in.

    Where that can't be told it is the client's, which began before all others.
    """
    if not clients:
        return servers[0] if len(servers) == 1 else None
    service = span.local.service
    calls = spans[clients[0]].kind is Kind.CLIENT
    if len(servers) != 1 or not calls or _serves(span):
        return clients[0]
    at_home = spans[clients[0]].local.service == service != spans[servers[0]].local.service
    return clients[0] if at_home else servers[0]


def _serves(span: Span) -> bool:
    return span.shared or span.kind is Kind.SERVER


def _address(span: Span) -> Address:
    return span.position.trace_id, span.position.span_id


def _waits(span: Span, labels: Mapping[str, str]) -> Waits:
    own = _address(span)
    after, joined = (
        tuple(dict.fromkeys(references(labels.get(name, ""), own[0]))) for name in (AFTER, JOINED)
    )
    return Waits(
        tuple(each for each in after if each.address != own),
        tuple(each for each in joined if each.address != own),
        Reference(own) in joined,
        Reference(own, began=True) in joined,
        STREAMED in labels,
    )
