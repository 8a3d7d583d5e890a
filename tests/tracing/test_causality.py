"""What spans that were written by hand say about what came before what."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Kind
from baggage.clock import MAX_DEPTH
from metaapps.tracing.causality import Causality, Edge, Order, Step, UnknownSpan
from metaapps.tracing.causality.graph import Graph
from metaapps.tracing.span import Peer, Position, Span

TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER = "1af7651916cd43dd8448eb211c80319c"
START = 1_700_000_000_000_000


def of(number: int) -> str:
    return f"{number:016x}"


def span(
    number: int,
    parent: int | None = None,
    *,
    at: int = 0,
    took: int = 10,
    kind: Kind | None = None,
    shared: bool = False,
    service: str = "shop",
    trace: str = TRACE,
    **causes: str,
) -> Span:
    return Span(
        Position.of(trace, of(number), None if parent is None else of(parent)),
        kind=kind,
        name=f"span {number}",
        timestamp=START + at,
        duration=took,
        local=Peer(service),
        tags={f"causal.{name}": said for name, said in causes.items()},
        shared=shared,
    )


def path(steps: tuple[Step, ...]) -> list[tuple[str, int, int]]:
    return [(step.span.name[5:], step.begin - START, step.end - START) for step in steps]


def quorum() -> list[Span]:
    """A read that asks 2, 3, 4 and 5, goes on after three answers, asks 6, and joins 5 last."""
    return [
        span(1, took=100, joined=f"{of(5)},{of(6)}"),
        span(2, 1, at=5, took=20),
        span(3, 1, at=6, took=30),
        span(4, 1, at=7, took=13),
        span(5, 1, at=8, took=87),
        span(6, 1, at=40, took=20, after=f"{of(2)},{of(3)},{of(4)}"),
    ]


def test_the_fifth_is_after_exactly_the_three_and_concurrent_with_the_straggler() -> None:
    spans = quorum()
    _, two, three, four, straggler, fifth = spans
    causality = Causality.of(spans)
    assert causality.after(fifth) == (two, three, four)
    assert [each for each in spans if causality.happened_before(each, fifth)] == [two, three, four]
    assert causality.concurrent(fifth, straggler)
    assert causality.order(fifth, two) is Order.AFTER
    assert causality.joined(spans[0]) == (straggler, fifth)
    assert causality.siblings(fifth) == (two, three, four, straggler)


def test_the_straggler_decided_when_the_read_ended() -> None:
    spans = quorum()
    steps = Causality.of(spans).critical_path(spans[0])
    assert path(steps) == [("1", 0, 8), ("5", 8, 95), ("1", 95, 100)]


def test_without_the_straggler_the_slowest_of_three_answers_and_the_fifth_did() -> None:
    spans = quorum()
    spans[4] = spans[4]._replace(duration=30)
    steps = Causality.of(spans).critical_path(spans[0])
    expected = [("1", 0, 6), ("3", 6, 36), ("1", 36, 40), ("6", 40, 60), ("1", 60, 100)]
    assert path(steps) == expected


def test_the_edges_of_a_quorum_read() -> None:
    spans = quorum()
    root, two, three, four, straggler, fifth = spans
    assert list(Causality.of(spans).edges()) == [
        Edge(straggler, root, "joined"),
        Edge(fifth, root, "joined"),
        Edge(two, fifth, "after"),
        Edge(three, fifth, "after"),
        Edge(four, fifth, "after"),
    ]


def test_time_alone_tells_nothing() -> None:
    early, late = span(1, took=1), span(2, at=1_000)
    assert Causality.of([early, late]).order(early, late) is Order.CONCURRENT


def test_a_caller_is_concurrent_with_what_it_calls() -> None:
    caller, callee = span(1, joined=of(2)), span(2, 1)
    assert Causality.of([caller, callee]).concurrent(caller, callee)


def test_a_chain_is_ordered_from_end_to_end() -> None:
    root = span(1, joined=of(9))
    line = [span(2, 1), *(span(number, 1, after=of(number - 1)) for number in range(3, 10))]
    causality = Causality.of([root, *line])
    for place, one in enumerate(line):
        for other in line[place + 1 :]:
            assert causality.order(one, other) is Order.BEFORE
            assert causality.order(other, one) is Order.AFTER


def test_the_sides_of_a_diamond_are_concurrent() -> None:
    top, left, right = span(2, 1), span(3, 1, after=of(2)), span(4, 1, after=of(2))
    bottom = span(5, 1, after=f"{of(3)},{of(4)}")
    causality = Causality.of([span(1), top, left, right, bottom])
    assert causality.concurrent(left, right)
    assert causality.happened_before(top, bottom)


def test_what_a_callers_beginning_waited_for_its_callees_did_too() -> None:
    spans = [span(1), span(2, 1), span(3, 1, after=of(2)), span(4, 3), span(5, 4)]
    causality = Causality.of(spans)
    assert causality.happened_before(spans[1], spans[4])
    assert causality.after(spans[4]) == ()


def test_a_beginning_that_was_waited_for_tells_nothing_of_its_end() -> None:
    first, long, next_ = span(2, 1), span(3, 1, after=of(2)), span(4, 1, after=f"^{of(3)}")
    causality = Causality.of([span(1), first, long, next_])
    assert causality.concurrent(long, next_)
    assert causality.happened_before(first, next_)
    assert causality.after(next_) == ()
    assert Edge(long, next_, "after", began=True) in list(causality.edges())


def test_what_is_fired_and_forgotten_is_before_nothing() -> None:
    spans = [span(1, took=5, joined=of(3)), span(2, 1, took=900), span(3, 1)]
    causality = Causality.of(spans)
    assert not any(causality.happened_before(spans[1], other) for other in spans)
    assert "2" not in [name for name, *_ in path(causality.critical_path(spans[0]))]


def test_a_span_may_wait_for_one_of_another_trace() -> None:
    one, other = span(7, trace=OTHER), span(1, after=f"{OTHER}-{of(7)}")
    same_number = span(7)
    causality = Causality.of([one, other, same_number])
    assert causality.after(other) == (one,)
    assert causality.concurrent(same_number, other)


def shared_call(skew: int = 0) -> list[Span]:
    """A call of 60 µs, served within it by another clock; what the server did is its own."""
    return [
        span(1, took=100, joined=of(2)),
        span(2, 1, at=20, took=60, kind=Kind.CLIENT, joined=of(2)),
        span(
            *(2, 1),
            at=30 + skew,
            took=40,
            kind=Kind.SERVER,
            shared=True,
            service="stock",
            joined=of(3),
        ),
        span(3, 2, at=40 + skew, took=20, service="stock"),
        span(4, 1, at=85, took=5, after=of(2)),
    ]


def test_the_answer_of_a_shared_span_comes_before_what_its_caller_does_next() -> None:
    root, client, server, inner, then = spans = shared_call()
    causality = Causality.of(spans)
    assert causality.happened_before(server, then)
    assert causality.happened_before(inner, then)
    assert causality.after(then) == (client,)
    assert causality.siblings(client) == (then,)
    assert causality.siblings(server) == ()
    assert list(causality.edges()) == [
        Edge(client, root, "joined"),
        Edge(inner, server, "joined"),
        Edge(client, then, "after"),
    ]


@pytest.mark.parametrize("skew", [0, -10_000_000, 10_000_000])
def test_a_path_goes_through_a_call_whatever_the_callees_clock_says(skew: int) -> None:
    spans = shared_call(skew)
    assert path(Causality.of(spans).critical_path(spans[0])) == [
        ("1", 0, 20),
        ("2", 20, 30),
        ("2", 30, 40),
        ("3", 40, 60),
        ("2", 60, 70),
        ("2", 70, 80),
        ("1", 80, 100),
    ]


def test_a_call_that_nobody_answered_tells_nothing_of_the_server() -> None:
    spans = shared_call()
    spans[1] = spans[1]._replace(tags={})
    causality = Causality.of(spans)
    assert causality.concurrent(spans[2], spans[4])
    assert causality.happened_before(spans[1], spans[4])


def test_the_answer_of_a_server_with_an_id_of_its_own_is_waited_for_too() -> None:
    client = span(2, 1, kind=Kind.CLIENT, joined=of(2))
    server = span(3, 2, kind=Kind.SERVER, service="stock")
    then = span(4, 1, after=of(2))
    causality = Causality.of([span(1), client, server, then])
    assert causality.happened_before(server, then)


def test_a_server_stands_in_for_a_client_that_is_missing() -> None:
    server = span(2, 1, kind=Kind.SERVER, shared=True, service="stock")
    beside, then = span(3, 1), span(4, 1, after=of(2))
    causality = Causality.of([span(1), server, beside, then])
    assert causality.happened_before(server, then)
    assert causality.siblings(server) == (beside, then)


def test_those_that_name_the_same_missing_caller_are_siblings() -> None:
    one, other, third = span(2, 1), span(3, 1), span(4, 9)
    causality = Causality.of([one, other, third])
    assert causality.siblings(one) == (other,)
    assert causality.siblings(third) == ()


def test_a_span_that_is_there_twice_counts_once() -> None:
    twice = span(2, 1)
    causality = Causality.of([span(1), twice, span(2, 1), span(3, 1, after=of(2))])
    assert len(causality.spans) == 3
    assert causality.after(causality.spans[2]) == (twice,)


def test_an_equal_span_is_as_good_and_any_other_is_refused() -> None:
    causality = Causality.of(quorum())
    fifth = quorum()[5]
    assert len(causality.after(fifth)) == 3
    with pytest.raises(UnknownSpan, match="0000000000000009"):
        causality.after(span(9))


@pytest.mark.parametrize(
    "said",
    [
        "",
        ",",
        "2",
        f" {of(2)}",
        f"{of(2)} ",
        of(2).upper().replace("0", "A"),
        f"^^{of(2)}",
        f"-{of(2)}",
        f"{TRACE}-",
        f"{TRACE[:-1]}-{of(2)}",
        f"{TRACE}-^{of(2)}",
        f"{of(2)}\n",
        of(0),
        f"{'0' * 32}-{of(2)}",
        of(77),
        "\ud800",
    ],
)
def test_what_is_no_reference_says_nothing(said: str) -> None:
    one, other = span(2, 1), span(3, 1, after=said, joined=said)
    causality = Causality.of([span(1), one, other])
    assert causality.concurrent(one, other)
    assert list(causality.edges()) == []


def test_a_reference_beside_garbage_counts() -> None:
    one, other = span(2, 1), span(3, 1, after=f"what,{of(2)},{of(2)},")
    assert Causality.of([one, other]).after(other) == (one,)


CIRCLES = [
    [span(1, 1, after=of(1), joined=of(1))],
    [span(1, 2), span(2, 1)],
    [span(1, after=of(2)), span(2, after=of(1))],
    [span(1, joined=of(2)), span(2, 1, joined=of(1))],
    [span(1, kind=Kind.CLIENT, joined=of(1)), span(2, 1, kind=Kind.SERVER, after=of(1))],
    [span(1, 2, shared=True), span(2, 1, shared=True), span(1, 2), span(2, 1)],
]


@pytest.mark.parametrize("spans", CIRCLES)
def test_a_circle_has_an_end(spans: list[Span]) -> None:
    causality = Causality.of(spans)
    for one in spans:
        steps = causality.critical_path(one)
        assert (steps[0].begin, steps[-1].end) == (START, START + 10)
        causality.siblings(one)
        for other in spans:
            causality.order(one, other)


numbers = st.integers(1, 6)
said = st.lists(numbers.map(of) | numbers.map(lambda n: f"^{of(n)}"), max_size=3).map(",".join)
any_span = st.builds(
    lambda number, parent, at, took, kind, shared, service, after, joined: span(
        *(number, parent),
        at=at,
        took=took,
        kind=kind,
        shared=shared,
        service=service,
        after=after,
        joined=joined,
    ),
    numbers,
    st.none() | numbers,
    st.integers(-50, 50),
    st.integers(0, 50),
    st.sampled_from([None, *Kind]),
    st.booleans(),
    st.sampled_from(["shop", "stock"]),
    said,
    said,
)


@given(spans=st.lists(any_span, min_size=1, max_size=12))
def test_any_path_fills_the_time_of_its_span_without_gaps(spans: list[Span]) -> None:
    causality = Causality.of(spans)
    for root in causality.spans:
        steps = causality.critical_path(root)
        for step, following in pairwise(steps):
            assert step.end == following.begin
        assert all(step.begin <= step.end for step in steps)
        assert steps[-1].end - steps[0].begin == root.duration


@given(spans=st.lists(any_span, min_size=1, max_size=12))
def test_happened_before_is_transitive_whatever_spans_say(spans: list[Span]) -> None:
    causality = Causality.of(spans)
    before = {
        (one, other)
        for one, first in enumerate(causality.spans)
        for other, second in enumerate(causality.spans)
        if causality.happened_before(first, second)
    }
    assert all(
        (one, third) in before
        for one, other in before
        for second, third in before
        if other == second
    )


def stamped(number: int, *, seen: str = "", dot: str = "") -> Span:
    tags = {"causal.seen": seen, "causal.dot": dot}
    return span(number, 1)._replace(tags={name: text for name, text in tags.items() if text})


A, B = "a" * 16, "b" * 16


@pytest.mark.parametrize(
    ("dot", "seen", "expected"),
    [
        (f"{A}::3", f"{A}:3", Order.BEFORE),
        (f"{A}::3", f"{A}:2", None),
        (f"{A}::3", f"{B}:9", None),
        (f"{A}:1:3", f"{A}:(2,2,3)", Order.BEFORE),
        (f"{A}:1:3", f"{A}:(2,3,2)", None),
        (f"{A}:01:5", f"{B}:1,{A}:(1,(1,1,5),4)", Order.BEFORE),
        (f"{A}:01:6", f"{B}:1,{A}:(1,(1,1,5),4)", None),
    ],
)
def test_stamps_affirm_an_order_and_deny_none(dot: str, seen: str, expected: Order | None) -> None:
    one, other = stamped(2, seen=f"{B}:0", dot=dot), stamped(3, seen=seen, dot=f"{B}::7")
    causality = Causality.of([one, other])
    assert causality.stamp_order(one, other) is expected
    backwards = Order.AFTER if expected is Order.BEFORE else expected
    assert causality.stamp_order(other, one) is backwards


DEEP = "(0," * (MAX_DEPTH + 2) + "0" + ",1)" * (MAX_DEPTH + 2)


@pytest.mark.parametrize(
    "seen",
    [
        *("", "x", f"{A}", f"{A}:", f"{A}:3,", f",{A}:3", f"{A}:3 ", f"{A}:-3", f"{A[1:]}:3"),
        *(f"{A}:3,{A}:4", f"{A.upper()}:3", f"{A}:(3,3,3)", f"{A}:(2,3,4)", f"{A}:(3,3,4"),
        *(f"{A}:(3,3,4))", f"{A}:(3,3)", f"{A}:(3,3,4,4)", f"{A}:{'9' * 19}", f"{A}:{'1' * 5000}"),
        *(f"{A}:{DEEP}", f"{A}:" + "(" * 100_000),
    ],
)
def test_a_garbled_stamp_says_nothing(seen: str) -> None:
    one, other = stamped(2, dot=f"{A}::3"), stamped(3, seen=seen)
    assert Causality.of([one, other]).stamp_order(one, other) is None


@pytest.mark.parametrize(
    "dot", ["", f"{A}", f"{A}:3", f"{A}:0:3", f"{A}:2:3", f"{A}::0", f"{A}::x", f"{A}::3 ", "::3"]
)
def test_a_garbled_dot_says_nothing(dot: str) -> None:
    one, other = stamped(2, dot=dot), stamped(3, seen=f"{A}:9")
    assert Causality.of([one, other]).stamp_order(one, other) is None


def hostile(count: int) -> list[Span]:
    """Everything has the same few ids, and refers to all of them, in circles."""
    everything = ",".join(of(number) for number in (1, 2))
    kinds = [Kind.CLIENT, Kind.SERVER, None]
    return [
        span(
            number % 2 + 1,
            (number + 1) % 2 + 1,
            at=number,
            kind=kinds[number % 3],
            shared=number % 5 == 0,
            after=everything,
            joined=everything,
        )
        for number in range(count)
    ]


def busy(count: int) -> list[Span]:
    """A root, and below it levels of ten, each span of which waited for all of the level before."""
    spans = [span(1, took=10 * count)]
    for number in range(2, count + 1):
        level = 2 + (number - 2) // 10 * 10
        before = [of(each) for each in range(max(2, level - 10), level)]
        spans.append(span(number, 1, at=number, after=",".join(before)))
    return spans


@pytest.mark.parametrize("make", [busy, hostile])
def test_there_are_no_more_edges_than_references(make: Callable[[int], list[Span]]) -> None:
    spans = make(1_000)
    graph = Graph(spans, [each.labels() for each in spans])
    edges = sum(len(before) for before in graph.before)
    references = sum(len(waits.after) + len(waits.joined) for waits in graph.waits)
    assert edges <= references + 6 * len(spans)
    assert len(list(Causality.of(spans).edges())) <= references
