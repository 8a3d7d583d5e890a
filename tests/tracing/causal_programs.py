"""Programs of branches, spans, calls and messages: run with the real core, and known by a model.

Branches that don't talk to each other may as well run one after the other: what is causal is the
same. So everything happens in one thread, and the model is a set of spans for each branch.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

from baggage.boundary import Arrival, Boundary, Kind, Policy
from baggage.context import Branch, attached, branch, deserialize, ensure, join, serialize
from baggage.testing import Parcel, ParcelAdapter, ParcelRefused
from metaapps.tracing.app import Tracing
from metaapps.tracing.handle import Handle
from metaapps.tracing.span import Span


class Op(NamedTuple):
    """What is done; `which` chooses among what there is to do it with, `inner` is done in it."""

    verb: str
    which: int = 0
    inner: tuple[Op, ...] = ()


LEAVES = ("join", "join", "open", "close", "close", "under", "send", "receive")
NESTED = ("span", "span", "fork", "fork", "call", "call", "lost")


def _op(verbs: tuple[str, ...], inner: st.SearchStrategy[list[Op]]) -> st.SearchStrategy[Op]:
    parts = st.tuples(st.sampled_from(verbs), st.integers(0, 3), inner)
    return parts.map(lambda part: Op(part[0], part[1], tuple(part[2])))


leaves = _op(LEAVES, st.just([]))
nested = st.recursive(leaves, lambda op: _op(NESTED, st.lists(op, max_size=6)), max_leaves=30)
programs = st.lists(nested, max_size=12).map(tuple)


@dataclass
class Line:
    """One branch of execution, the spans that are known there to have ended, and open handles."""

    branch: Branch
    known: set[str]
    opened: list[Handle]


@dataclass
class World:
    """All services of one trace. With `roaming` handles get from branch to branch by hand."""

    share: bool = True
    roaming: bool = True
    spans: list[Span] = field(default_factory=list)
    before: dict[str, frozenset[str]] = field(default_factory=dict)
    forked: list[Line] = field(default_factory=list)
    started: list[Handle] = field(default_factory=list)
    sent: list[tuple[bytes, frozenset[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1)
        tracing = Tracing(self.report, share=self.share, ids=self.draw)
        self.tracer = tracing.tracer
        self.boundary = Boundary(Policy(service="test", strict=True), (tracing,))

    def draw(self, size: int) -> bytes:
        return os.urandom(16) if size == 16 else next(self.numbers).to_bytes(8, "big")

    def report(self, span: Span) -> None:
        self.spans.append(span)

    def run(self, program: tuple[Op, ...]) -> None:
        def within() -> None:
            with self.tracer.start("root"):
                self.go(program, Line(ensure(), set(), []))
                for handle in self.started:
                    handle.finish()  # spans that never end say nothing to those within them

        Context().run(within)

    def go(self, program: tuple[Op, ...], line: Line) -> None:
        for op in program:
            getattr(self, op.verb)(op, line)

    def start(self, make: Callable[[str], Handle], line: Line) -> Handle:
        handle = make("")
        # What began in a span came after all that this span came after, wherever it began.
        above = self.before.get(handle.parent_id or "", frozenset())
        self.before[handle.span_id] = above | line.known
        self.started.append(handle)
        return handle

    def finish(self, handle: Handle, line: Line) -> None:
        if not handle.finished:
            handle.finish()
            line.known |= {handle.span_id} | self.before[handle.span_id]

    def span(self, op: Op, line: Line) -> None:
        with self.start(self.tracer.start, line) as handle:
            self.go(op.inner, line)
            self.finish(handle, line)

    def fork(self, op: Op, line: Line) -> None:
        opened = line.opened if self.roaming else []
        child = Line(line.branch.fork(), set(line.known), opened)
        self.forked.append(child)
        with attached(child.branch):
            self.go(op.inner, child)

    def join(self, op: Op, line: Line) -> None:
        others = [other for other in self.forked if other is not line]
        if others:
            other = others[op.which % len(others)]
            line.branch.join(other.branch)
            line.known |= other.known

    def open(self, op: Op, line: Line) -> None:
        line.opened.append(self.start(self.tracer.start, line))

    def close(self, op: Op, line: Line) -> None:
        if line.opened:
            self.finish(line.opened[op.which % len(line.opened)], line)

    def under(self, op: Op, line: Line) -> None:
        if line.opened:
            above = line.opened[op.which % len(line.opened)]
            line.opened.append(self.start(above.child, line))

    def send(self, op: Op, line: Line) -> None:
        self.sent.append((serialize(), frozenset(line.known)))

    def receive(self, op: Op, line: Line) -> None:
        if self.sent:
            blob, known = self.sent[op.which % len(self.sent)]
            join(deserialize(blob))
            line.known |= known

    def lost(self, op: Op, line: Line) -> None:
        self.call(op, line)

    def call(self, op: Op, line: Line) -> None:
        """Call a service, whose answer comes, or is `lost`."""
        began = frozenset(line.known)
        first = len(self.spans)
        request = Parcel()
        came: set[str] = set()

        def send() -> Parcel:
            answer = Context().run(self.serve, op.inner, request, began, came)
            if op.verb == "lost":
                raise ParcelRefused("the answer is lost")
            return answer

        try:
            self.boundary.call(ParcelAdapter(), request, send)
        except ParcelRefused:
            pass
        else:
            line.known |= came
        client = self.spans[-1]
        assert client.kind is Kind.CLIENT
        assert len(self.spans) >= first + 2
        self.before[client.position.span_id] = began
        line.known.add(client.position.span_id)

    def serve(
        self, inner: tuple[Op, ...], request: Parcel, began: frozenset[str], came: set[str]
    ) -> Parcel:
        arrival = self.boundary.arrive(ParcelAdapter(Kind.SERVER), request)
        assert isinstance(arrival, Arrival)
        answer = Parcel()
        with arrival.scope():
            arrival.begin()
            running = branch()
            assert running is not None
            line = Line(running, set(began), [])
            self.go(inner, line)
            arrival.end(arrival.answered(answer))
            arrival.respond(answer)
        arrival.close()
        server = self.spans[-1]
        assert server.kind is Kind.SERVER
        self.before[name_of(server)] = began
        came.update(line.known, {name_of(server)})
        return answer


def name_of(span: Span) -> str:
    """Name a span: of two halves of one id each."""
    return f"{span.position.span_id}{'*' if span.shared else ''}"
