"""What the real core records is exactly what came before what, by edges and by stamps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest
from hypothesis import example, given

from metaapps.tracing.causality import Causality, Order
from metaapps.tracing.span import Span
from tests.tracing.causal_programs import Op, World, name_of, programs


def told(world: World) -> str:
    """Return what the spans say, for whoever reads about a failure."""
    return "\n".join(
        f"{name_of(span)} in {span.position.parent_id}: {dict(span.labels())}"
        for span in world.spans
    )


def pairs(world: World) -> Iterator[tuple[Span, Span]]:
    inside = [span for span in world.spans if span.name != "root"]
    return permutations(inside, 2)


def wide(count: int) -> tuple[Op, ...]:
    """Join many branches before anything else begins: more than a header would take at a time."""
    forks = tuple(Op("fork", 0, (Op("span"),)) for _ in range(count))
    joins = tuple(Op("join", which) for which in range(count))
    inner = (Op("span"), Op("fork", 0, (Op("call"),)), Op("join", count))
    return (*forks, *joins, Op("call", 0, inner), Op("span", 0, inner), Op("open"), Op("close"))


def loop(count: int) -> tuple[Op, ...]:
    """Call again and again: each callee has a stamp of its own, and calls another."""
    call = Op("call", 0, (Op("send"), Op("call", 0, (Op("span"), Op("send"))), Op("span")))
    fork = Op("fork", 0, (call, Op("lost", 0, (Op("span"),)), call))
    return (*((call, fork, Op("join", 0), Op("receive", 1)) * count), Op("join", 1), Op("span"))


@pytest.mark.parametrize("share", [True, False])
@example(program=wide(8))
@example(program=wide(9))
@example(program=wide(40))
@example(program=loop(7))
@given(program=programs)
def test_edges_say_exactly_what_came_before_what(share: bool, program: tuple[Op, ...]) -> None:
    world = World(share)
    world.run(program)
    causality = Causality.of(world.spans)
    for one, other in pairs(world):
        came = name_of(one) in world.before[name_of(other)]
        assert causality.happened_before(one, other) == came, told(world)


@given(program=programs)
def test_what_stamps_have_seen_edges_say_too(program: tuple[Op, ...]) -> None:
    world = World()
    world.run(program)
    causality = Causality.of(world.spans)
    for one, other in pairs(world):
        stamped = causality.stamp_order(one, other)
        assert stamped in {None, causality.order(one, other)}, told(world)


@given(program=programs)
def test_where_nobody_calls_and_no_handle_leaves_its_branch_stamps_say_what_edges_say(
    program: tuple[Op, ...],
) -> None:
    world = World(roaming=False)
    world.run(without_calls(program))
    causality = Causality.of(world.spans)
    for one, other in pairs(world):
        stamped = causality.stamp_order(one, other) or Order.CONCURRENT
        assert stamped is causality.order(one, other), told(world)


def without_calls(program: tuple[Op, ...]) -> tuple[Op, ...]:
    inner = (op._replace(inner=without_calls(op.inner)) for op in program)
    return tuple(op._replace(verb="span") if op.verb in {"call", "lost"} else op for op in inner)
