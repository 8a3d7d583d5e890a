"""Questions about the spans of traces: which came after which, and what the end waited for.

Pure. The answers follow from what spans say that they waited for, see `graph`; clocks, stamps among
them, are other witnesses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, Literal, NamedTuple, Self

from baggage.clock import covered
from metaapps.tracing.causality.graph import Graph, Place, begin, end
from metaapps.tracing.causality.path import Step, begins, critical_path
from metaapps.tracing.causality.tags import Reference, dot, seen
from metaapps.tracing.errors import TracingError
from metaapps.tracing.span import Span


class UnknownSpan(TracingError):
    """A question is about a span that is none of those that it was asked of."""


class Order(Enum):
    """How two spans stand to each other."""

    BEFORE = "before"
    AFTER = "after"
    CONCURRENT = "concurrent"


class Edge(NamedTuple):
    """One span waited for another one.

    How: it began `after` that one had ended, or it `joined` that one before it ended itself. Only
    the beginning of `cause` was waited for if it says `began`.
    """

    cause: Span
    effect: Span
    how: Literal["after", "joined"]
    began: bool = False


class Causality:
    """What depended on what among some spans, of one trace or of several.

    Immutable to whoever asks, and safe in any thread. Questions are about these spans, or equal
    ones; others raise UnknownSpan.
    """

    def __init__(self, graph: Graph, places: Mapping[object, Place]) -> None:
        """Answer from this graph; `of` makes it."""
        self._graph: Final = graph
        self._places: Final = places
        self._identities: Final = {id(span): place for place, span in enumerate(graph.spans)}
        self._groups: dict[object, list[Place]] | None = None
        self._began: Sequence[int] | None = None

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Self:
        """Read what these spans say; one that is there twice counts once.

        Linear in them. Tags that are not well formed, and references to spans that are not here,
        say nothing.
        """
        places: dict[object, Place] = {}
        once: list[Span] = []
        labels: list[Mapping[str, str]] = []
        for span in spans:
            said = span.labels()
            if places.setdefault(_content(span, said), len(once)) == len(once):
                once.append(span)
                labels.append(said)
        return cls(Graph(tuple(once), labels), places)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans, in the order in which they were given."""
        return tuple(self._graph.spans)

    def order(self, one: Span, other: Span) -> Order:
        """Tell how a span stands to another one. Callers are concurrent with what they call."""
        first, second = self._place(one), self._place(other)
        if self._graph.precedes(end(first), begin(second)):
            return Order.BEFORE
        if self._graph.precedes(end(second), begin(first)):
            return Order.AFTER
        return Order.CONCURRENT

    def happened_before(self, one: Span, other: Span) -> bool:
        """Tell whether `one` had ended before `other` began, and `other` could know."""
        return self._graph.precedes(end(self._place(one)), begin(self._place(other)))

    def concurrent(self, one: Span, other: Span) -> bool:
        """Tell whether neither is known to have happened before the other."""
        return self.order(one, other) is Order.CONCURRENT

    def stamp_order(self, one: Span, other: Span) -> Order | None:
        """Tell what spans say of their order by logical clocks, None if nothing.

        A second witness, by other rules than what `order` reads. It affirms and never denies: a
        branch forgets the clocks of services that have answered it, and no clock knows of a handle
        that gets from one branch to another by the application's own means.
        """
        if _stamped_before(one, other):
            return Order.BEFORE
        return Order.AFTER if _stamped_before(other, one) else None

    def after(self, span: Span) -> tuple[Span, ...]:
        """Return the spans whose end this one directly waited for before it began.

        What those waited for in turn is left out; so is what its caller had waited for. They are in
        the order of their beginning.
        """
        waited = self._graph.waits[self._place(span)].after
        return self._ended(waited)

    def joined(self, span: Span) -> tuple[Span, ...]:
        """Return the spans whose end this one waited for while it ran, and so before it ended."""
        waited = self._graph.waits[self._place(span)].joined
        return self._ended(waited)

    def siblings(self, span: Span) -> tuple[Span, ...]:
        """Return the other spans that began in the same one, in the order of their beginning.

        A root has none. Those whose caller is missing are each other's if they name the same.
        """
        place = self._place(span)
        within = self._within(place)
        if within is None:
            return ()
        if self._groups is None:
            groups: dict[object, list[Place]] = defaultdict(list)
            for each in range(len(self._graph.spans)):
                groups[self._within(each)].append(each)
            self._groups = groups
        others = (self._graph.spans[each] for each in self._groups[within] if each != place)
        return tuple(sorted(others, key=lambda other: other.timestamp))

    def edges(self) -> Iterator[Edge]:
        """Yield all that was waited for, beyond callers that wait for their callees' answers."""
        for effect, waits in zip(self._graph.spans, self._graph.waits, strict=True):
            for address, began in waits.after:
                for cause in self._named((address,)):
                    yield Edge(cause, effect, "after", began)
            for address, began in waits.joined:
                for cause in self._named((address,)):
                    yield Edge(cause, effect, "joined", began)

    def critical_path(self, root: Span) -> tuple[Step, ...]:
        """Return what determined when a span ended: steps without gaps, in the order of time.

        To shorten any other span would not have made this one end sooner. Of what a span really
        waited for, its path has what came last; that alone is asked of clocks. A callee that
        another clock timed is moved to where it fits into its call.
        """
        if self._began is None:
            self._began = begins(self._graph)
        return critical_path(self._graph, self._place(root), self._began)

    def _place(self, span: Span) -> Place:
        place = self._identities.get(id(span))
        if place is None or self._graph.spans[place] is not span:
            place = self._places.get(_content(span, span.labels()))
        if place is None:
            raise UnknownSpan(f"span {span.position.span_id} {span.name!r} is not among these")
        return place

    def _ended(self, waited: Iterable[Reference]) -> tuple[Span, ...]:
        named = self._named(each.address for each in waited if not each.began)
        return tuple(sorted(named, key=lambda span: span.timestamp))

    def _named(self, addresses: Iterable[tuple[str, str]]) -> tuple[Span, ...]:
        """Return one span for each address that there is one of."""
        meant = (self._graph.named(address)[:1] for address in addresses)
        return tuple(self._graph.spans[place] for places in meant for place in places)

    def _within(self, place: Place) -> object:
        """Name what a span began in, None for a root."""
        caller = self._graph.callers[place]
        if caller is not None:
            return caller
        position = self._graph.spans[place].position
        return None if position.parent_id is None else (position.trace_id, position.parent_id)


def _content(span: Span, labels: Mapping[str, str]) -> object:
    """Return all that a span says, to be compared: its tags come in different ways."""
    return *span[:7], frozenset(labels.items()), span.annotations, span.shared


def _stamped_before(one: Span, other: Span) -> bool:
    ended = dot(one.labels())
    if ended is None:
        return False
    event = seen(other.labels()).get(ended.root)
    return event is not None and covered(event, ended.point, ended.height)
