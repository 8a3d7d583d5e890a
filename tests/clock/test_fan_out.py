"""Work stays bounded: counted in calls of this package's functions, never in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import ceil, log2
from pathlib import Path
from types import FrameType

import pytest

import baggage.clock
from baggage.clock import (
    MAX_DEPTH,
    MAX_NODES,
    SEED,
    ZERO,
    Event,
    Id,
    covered,
    decode_event,
    decode_id,
    encode_event,
    encode_id,
    event_depth,
    event_nodes,
    height,
    id_depth,
    id_mass,
    join_event,
    leq,
    new_dot,
    overlaps,
    owns,
    split_id,
    split_id_n,
    sum_id,
)
from baggage.clock.event import highest, lowest, node
from tests.clock.histories import deep_event, deep_id

PACKAGE = str(Path(baggage.clock.__file__).parent)


def profiled(
    work: Callable[[], object], profile: Callable[[FrameType, str, object], object]
) -> None:
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)


def calls(work: Callable[[], object]) -> int:
    """Run some work; return how many calls of functions of the package it made."""
    count = 0

    def profile(frame: FrameType, happening: str, _argument: object) -> None:
        nonlocal count
        count += happening == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    profiled(work, profile)
    return count


def frames(work: Callable[[], object]) -> int:
    """Run some work; return how many frames of the package there were at most at a time."""
    depth = most = 0

    def profile(frame: FrameType, happening: str, _argument: object) -> None:
        nonlocal depth, most
        if frame.f_code.co_filename.startswith(PACKAGE):
            depth += (happening == "call") - (happening == "return")
            most = max(most, depth)

    profiled(work, profile)
    return most


SPARE_FRAMES = 20
DEEP_ID, DEEP_EVENT = deep_id(MAX_DEPTH), deep_event(MAX_DEPTH)
DEEPEST_POINT = "1" * MAX_DEPTH
ONE, OTHER = split_id(deep_id(MAX_DEPTH - 1))
LOWER = node(deep_event(MAX_DEPTH - 1), 3)

DEEP_WORK: dict[str, Callable[[], object]] = {
    "decode_id": lambda: decode_id(encode_id(DEEP_ID)),
    "decode_event": lambda: decode_event(encode_event(DEEP_EVENT)),
    "new_dot": lambda: new_dot(DEEP_ID, DEEP_EVENT),
    "new_dot in a plain height": lambda: new_dot(DEEP_ID, 5),
    "leq": lambda: leq(DEEP_EVENT, decode_event(encode_event(DEEP_EVENT))),
    "join_event": lambda: join_event(DEEP_EVENT, LOWER),
    "sum_id": lambda: sum_id(ONE, OTHER),
    "overlaps": lambda: overlaps(ONE, OTHER),
    "owns": lambda: owns(DEEP_ID, DEEPEST_POINT),
    "height": lambda: height(DEEP_EVENT, DEEPEST_POINT),
    "covered": lambda: covered(DEEP_EVENT, DEEPEST_POINT, 1),
    "id_depth": lambda: id_depth(DEEP_ID),
    "id_mass": lambda: id_mass(DEEP_ID),
    "event_depth": lambda: event_depth(DEEP_EVENT),
    "event_nodes": lambda: event_nodes(DEEP_EVENT),
    "split_id_n": lambda: split_id_n(deep_id(MAX_DEPTH - 10), 1000),
}


@pytest.mark.parametrize("branches", [256, 1000])
def test_a_fan_out_joined_one_by_one_is_whole_and_takes_log_n_work_a_branch(branches: int) -> None:
    shares = split_id_n(SEED, branches)
    written = [new_dot(share, ZERO)[0] for share in shares]
    whole: list[tuple[Id, Event]] = [(0, 0)]

    def join_all() -> None:
        identity, event = whole[0]
        for share, seen in zip(shares, written, strict=True):
            identity, event = sum_id(identity, share), join_event(event, seen)
        whole[0] = identity, event

    work = calls(join_all)

    assert whole == [(1, 1)]
    assert work <= 12 * branches * ceil(log2(branches))


def ragged(branches: int) -> Event:
    """Return what is known after every third branch of a fan-out has written more than once."""
    event = ZERO
    for at, share in enumerate(split_id_n(SEED, branches)):
        seen = new_dot(share, ZERO)[0]
        for _ in range(at % 3):
            seen = new_dot(share, seen)[0]
        event = join_event(event, seen)
    return event


@pytest.mark.parametrize("branches", [256, 1000])
def test_comparing_and_joining_large_trees_visits_each_node_a_few_times(branches: int) -> None:
    tree = ragged(branches)
    share = split_id_n(SEED, branches)[-1]
    later, point, level = new_dot(share, tree)
    nodes = event_nodes(tree)
    assert nodes > branches
    assert calls(lambda: leq(tree, decode_event(encode_event(later)))) <= 20 * nodes
    again = decode_event(encode_event(tree))
    assert calls(lambda: leq(tree, again)) <= 4 * nodes
    assert calls(lambda: join_event(tree, again)) <= 8 * nodes
    assert calls(lambda: covered(later, point, level)) <= 2


@pytest.mark.parametrize("branches", [256, 1000])
def test_what_is_shared_is_not_compared_or_rebuilt(branches: int) -> None:
    tree = ragged(branches)
    depth = event_depth(tree)
    share = split_id_n(SEED, branches)[-1]
    later: list[Event] = []
    assert calls(lambda: later.append(new_dot(share, tree)[0])) <= 40 * depth
    assert calls(lambda: leq(tree, later[0])) <= 4 * depth
    assert calls(lambda: leq(later[0], tree)) <= 4 * depth
    assert calls(lambda: join_event(tree, later[0])) <= 8 * depth
    assert join_event(tree, later[0]) is later[0]


def test_a_tree_with_itself_or_with_a_height_outside_its_own_takes_a_few_calls() -> None:
    tree = ragged(256)
    share = split_id_n(SEED, 256)[::2]
    whole: Id = 0
    for one in share:
        whole = sum_id(whole, one)
    assert calls(lambda: leq(tree, tree)) == 1
    assert calls(lambda: join_event(tree, tree)) == 1
    assert calls(lambda: sum_id(whole, whole)) == 1
    for level in (0, lowest(tree), highest(tree), 100):
        assert calls(lambda level=level: join_event(tree, level)) <= 2  # type: ignore[misc]
        assert calls(lambda level=level: join_event(level, tree)) <= 2  # type: ignore[misc]
        assert calls(lambda level=level: leq(tree, level)) <= 2  # type: ignore[misc]
        assert calls(lambda level=level: leq(level, tree)) <= 2  # type: ignore[misc]
    assert calls(lambda: new_dot(SEED, 7)) <= 3


def test_trees_that_only_touch_are_not_looked_into() -> None:
    low, high = node(node(1, 2), node(3, 4)), node(node(4, 5), node(6, 7))
    assert calls(lambda: join_event(low, high)) == calls(lambda: join_event(high, low)) == 1
    assert join_event(low, high) is join_event(high, low) is high
    assert calls(lambda: leq(low, high)) <= 2


def raised(tree: Event, by: int) -> Event:
    if isinstance(tree, int):
        return tree + by
    return node(raised(tree[1], by), raised(tree[2], by))


def test_trees_far_apart_are_not_looked_into() -> None:
    low = ragged(64)
    high = raised(low, 10)
    assert calls(lambda: join_event(low, high)) == calls(lambda: join_event(high, low)) == 1
    assert join_event(low, high) is join_event(high, low) is high
    assert calls(lambda: leq(low, high)) <= 2


def test_one_that_is_higher_at_its_lowest_or_highest_point_is_not_looked_into() -> None:
    tree = node(ragged(64), 8)
    higher_top, higher_floor = node(raised(ragged(64), 0), 9), node(raised(ragged(64), 1), 8)
    for higher in (higher_top, higher_floor):
        assert not leq(higher, tree)
        assert calls(lambda higher=higher: leq(higher, tree)) == 1  # type: ignore[misc]


def test_a_join_that_one_side_knew_already_is_that_side_itself() -> None:
    tree = ragged(64)
    for share in split_id_n(SEED, 64)[::9]:
        later, *_ = new_dot(share, tree)
        assert join_event(tree, later) is join_event(later, tree) is later


def test_a_height_outside_leaves_the_tree_itself_or_only_the_height() -> None:
    tree = ragged(256)
    assert join_event(tree, 0) is tree
    assert join_event(100, tree) == 100


@pytest.mark.parametrize("bytes_", [1_000, 10_000, 60_000])
@pytest.mark.parametrize("byte", [0x00, 0x49, 0x55, 0x92, 0xFF])
def test_decoding_takes_no_more_work_than_there_are_bytes_or_nodes(byte: int, bytes_: int) -> None:
    def decode() -> None:
        for decoder in (decode_id, decode_event):
            with pytest.raises(baggage.clock.ClockError):
                decoder(bytes([byte]) * bytes_)

    assert calls(decode) <= 10 * min(8 * bytes_, 2 * MAX_NODES)


@pytest.mark.parametrize("work", DEEP_WORK.values(), ids=DEEP_WORK)
def test_the_deepest_trees_need_few_more_frames_than_their_depth(
    work: Callable[[], object],
) -> None:
    assert frames(work) <= MAX_DEPTH + SPARE_FRAMES
