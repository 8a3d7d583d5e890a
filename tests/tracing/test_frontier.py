"""What spans say that they waited for is true, and is all that baggage could tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import baggage
from baggage.context import Branch
from baggage.values import Baggage
from metaapps.tracing import Handle, Kind, Span
from metaapps.tracing.causality import Causality, Order
from metaapps.tracing.scope import Scope
from tests.tracing.tracers import Traced

Steps = list[tuple[str, int, int]]
Names = frozenset[str]
NOTHING: Names = frozenset()


class Program:
    """Spans in branches of one thread, beside a naive account of what was known where.

    `told` holds, for each branch, the spans that had ended to the knowledge of its baggage. `could`
    holds also what came by handles, which are shared by all. `…_before` say the same of spans as
    they began. What spans say must lie between the two.
    """

    def __init__(self) -> None:
        self.traced = Traced()
        self.root = self.traced.start("root")
        self.open: dict[str, Handle] = {"root": self.root}
        self.began: list[str] = ["root"]
        self.begun: dict[str, Handle] = dict(self.open)
        self.told_before: dict[str, Names] = {"root": NOTHING}
        self.could_before: dict[str, Names] = {"root": NOTHING}
        self.branches = [Branch()]
        self.scopes: list[list[tuple[Scope, str]]] = [[]]
        self.told: list[Names] = [NOTHING]
        self.could: list[Names] = [NOTHING]
        self.calls: list[tuple[int, str, int, str]] = []
        self.serving: dict[str, Names] = {}
        self.enter(0, "root")

    def enter(self, n: int, name: str) -> None:
        with baggage.attached(self.branches[n]):
            scope = self.begun[name].scope()
            scope.__enter__()
        self.scopes[n].append((scope, name))
        self.could[n] |= self.could_before[name]

    def leave(self, n: int) -> None:
        if len(self.scopes[n]) > 1:  # the first one was entered by who forked
            scope, _ = self.scopes[n].pop()
            with baggage.attached(self.branches[n]):
                scope.__exit__(None, None, None)

    def start(self, n: int, parent: str | None = None) -> None:
        name = f"span {len(self.began)}"
        inside = parent or self.scopes[n][-1][1]
        options = {} if parent is None else {"parent": self.begun[parent].position}
        with baggage.attached(self.branches[n]):
            handle = self.traced.start(name, kind=Kind.CLIENT, **options)
        self._begin(name, handle, inside, n)
        self.could[n] = self.could_before[name]

    def _begin(self, name: str, handle: Handle, inside: str, n: int) -> None:
        self.open[name] = self.begun[name] = handle
        self.began.append(name)
        self.told_before[name] = self.told[n] | self.told_before[inside]
        self.could_before[name] = self.could[n] | self.could_before[inside]

    def call(self, n: int) -> None:
        """Make a call by hand, which a branch of its own serves."""
        headers: dict[str, str] = {}
        self.start(n)
        client, server = self.began[-1], f"span {len(self.began)}"
        self.begun[client].inject(headers)
        m = len(self.branches)
        self.branches.append(Branch())
        self.scopes.append([])
        self.told.append(NOTHING)
        self.could.append(NOTHING)
        self.serving[server] = NOTHING
        self._begin(server, self.traced.tracer.join(headers, server), client, m)
        self.enter(m, server)
        self.calls.append((n, client, m, server))

    def reply(self, number: int) -> None:
        """Answer one of the calls; the caller ends its span by that."""
        if not self.calls:
            return
        n, client, m, server = self.calls.pop(number % len(self.calls))
        if client in self.open and server in self.open:
            self.finish(m, server)
            self.begun[client].answered()
            self.told[n] |= self.serving[server]
            self.could[n] |= self.could[m]
            self.finish(n, client)

    def finish(self, n: int, name: str) -> None:
        handle = self.open.pop(name, None)
        if handle is None:
            return
        with baggage.attached(self.branches[n]):
            handle.finish()
        if name in self.serving:  # of whose end its caller tells
            self.serving[name] = self.told[n] | self.told_before[name] | {name}
        else:
            self.told[n] |= self.told_before[name] | {name}
        self.could[n] |= self.could_before[name] | {name}

    def fork(self, n: int) -> None:
        self._add(n, self.branches[n].fork())

    def receive(self, n: int) -> None:
        """Go on with what a message brought that was sent here."""
        self._add(n, Branch(self._bytes(n)))

    def join(self, n: int, other: int) -> None:
        self._join(n, other, self.branches[other])

    def answer(self, n: int, other: int) -> None:
        """Join what a message brought from there."""
        self._join(n, other, self._bytes(other))

    def end(self) -> list[Span]:
        for name in [*self.began[1:], "root"]:
            self.finish(0, name)
        return self.traced.spans

    def _bytes(self, n: int) -> Baggage:
        with baggage.attached(self.branches[n]):
            return baggage.deserialize(baggage.serialize())

    def _add(self, n: int, branch: Branch) -> None:
        self.branches.append(branch)
        _, stands = self.scopes[n][-1]
        self.scopes.append([(Scope(None, None), stands)])
        self.told.append(self.told[n])
        self.could.append(self.could[n])

    def _join(self, n: int, other: int, came: Branch | Baggage) -> None:
        self.branches[n].join(came)
        self.told[n] |= self.told[other]
        self.could[n] |= self.could[other]

    def run(self, steps: Steps) -> None:
        for verb, first, second in steps:
            n = first % len(self.branches)
            other = second % len(self.branches)
            name = self.began[second % len(self.began)]
            match verb:
                case "start" | "fork" | "receive" | "leave" | "call":
                    getattr(self, verb)(n)
                case "reply":
                    self.reply(second)
                case "within":
                    self.start(n, name)
                case "finish":
                    if name != "root":
                        self.finish(n, name)
                case "enter":
                    self.enter(n, name)
                case _ if n != other:
                    getattr(self, verb)(n, other)


def programs(*verbs: str) -> st.SearchStrategy[Steps]:
    number = st.integers(0, 30)
    return st.lists(st.tuples(st.sampled_from(verbs), number, number), max_size=40)


def said(spans: Iterable[Span]) -> dict[str, Names]:
    """Return, for each span, which others had ended before it began, as far as spans say."""
    causality = Causality.of(spans)
    return {
        each.name: frozenset(
            other.name for other in causality.spans if causality.happened_before(other, each)
        )
        for each in causality.spans
    }


LOCAL = ("start", "start", "finish", "finish", "fork", "join")
TRAVELLING = (*LOCAL, "receive", "answer", "call", "reply")


@given(programs(*TRAVELLING))
def test_what_had_ended_before_a_span_began_is_what_its_branch_could_know(steps: Steps) -> None:
    program = Program()
    program.run(steps)
    spans = program.end()
    assert said(spans) == program.told_before


@given(programs(*TRAVELLING, "within", "enter", "leave"))
def test_it_is_so_wherever_spans_are_current_and_whatever_they_are_in(steps: Steps) -> None:
    program = Program()
    program.run(steps)
    before = said(program.end())
    for name, told in program.told_before.items():
        assert told <= before[name] <= program.could_before[name]


@given(programs(*TRAVELLING, "enter", "leave"))
def test_stamps_say_nothing_else(steps: Steps) -> None:
    program = Program()
    program.run(steps)
    causality = Causality.of(program.end())
    for one in causality.spans:
        for other in causality.spans:
            if causality.stamp_order(one, other) is Order.BEFORE:
                assert causality.happened_before(one, other)


def test_a_span_names_only_the_last_of_what_it_waited_for() -> None:
    program = Program()
    for _ in range(3):
        program.start(0)
        program.finish(0, program.began[-1])
    program.start(0)
    spans = {span.name: span for span in program.end()}
    assert tags(spans["span 4"])["causal.after"] == spans["span 3"].position.span_id


def test_many_branches_that_end_unheard_of_are_all_behind_the_next_beginning() -> None:
    program = Program()
    for n in range(1, 21):
        program.fork(0)
        program.start(n)
        program.finish(n, program.began[-1])
    for n in range(1, 21):
        program.join(0, n)
    program.start(0)
    width = len(program.branches[0].baggage.siblings("tracing.done"))
    program.start(0)
    first, last = program.began[-2:]
    spans = program.end()
    assert width == 1
    assert said(spans)[first] == said(spans)[last] == frozenset(program.began[1:21])


def tags(span: Span) -> dict[str, Any]:
    return dict(span.labels())
