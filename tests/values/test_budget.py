"""What `fit` writes is within its budget, and what it leaves out is reported."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import MAX_DEPTH
from baggage.values import EMPTY, Bag, Baggage, Direction, Key, fit
from baggage.values.history import Marker
from baggage.wire import MAX_BYTES

KEYS = st.builds(
    lambda name, direction, priority: Key(f"{direction.name}{name}", Bag, direction, priority),
    st.sampled_from(["a", "b.long" * 10, "c" * 251, "é"]),
    st.sampled_from(Direction),
    st.sampled_from([0, 99, 100, 101, 65535]),
)
PACKS = st.lists(st.tuples(KEYS, st.integers(0, 1 << 40), st.integers(0, 60)), max_size=20)


def packed(packs: list[tuple[Key, int, int]]) -> Baggage:
    """Return baggage with these values, each so long, under roots of its own and a common one."""
    carried = EMPTY
    for key, value, length in packs:
        other = EMPTY.pack(key, f"{value:0{length}}")
        carried = carried.pack(key, value).join(other.peeked())
    return carried


@given(PACKS, st.integers(0, 1200), st.text(max_size=20))
def test_output_never_exceeds_the_budget_and_can_be_read(
    packs: list[tuple[Key, int, int]], budget: int, origin: str
) -> None:
    blob = fit(packed(packs), budget, origin).blob
    assert len(blob) <= budget
    assert Baggage.deserialize(blob).origin in {origin, ""}


@given(PACKS, st.integers(0, 1200))
def test_what_finds_no_room_is_reported_and_the_rest_is_there(
    packs: list[tuple[Key, int, int]], budget: int
) -> None:
    whole = packed(packs)
    fitted = fit(whole, budget)
    came = Baggage.deserialize(fitted.blob)
    for name, gathered in whole.home.items():
        kept = set(came.home[name].by_digest.values()) if name in came.home else set()
        lost = set(fitted.home.get(name, ()))
        assert kept | lost == set(gathered.by_digest.values())
        assert not kept & lost
    for name, entry in whole.history.entries.items():
        assert came.history.entries.get(name) == (None if name in fitted.dropped else entry)
    for name, carried in whole.down.items():
        assert came.down.get(name) in {carried, None}
        assert name in came.down or name in fitted.dropped


@given(PACKS, st.integers(0, 1200))
def test_no_key_before_the_marker_is_dropped(
    packs: list[tuple[Key, int, int]], budget: int
) -> None:
    whole = packed(packs)
    fitted = fit(whole, budget)
    came = Baggage.deserialize(fitted.blob)
    if fitted.blob:
        dropped = {*whole.history.entries} - {*came.history.entries}
        assert not any(came.complete(name) for name in dropped)
        assert bool(dropped) <= (came.history.over is not None)


def test_keys_of_a_higher_priority_number_go_first() -> None:
    first, second = Key("z", priority=1), Key("a", priority=2)
    whole = EMPTY.pack(first, "x" * 50).pack(second, "y" * 50)
    fitted = fit(whole, len(whole.serialize()) - 1)
    assert fitted.dropped == ("a",)
    came = Baggage.deserialize(fitted.blob)
    assert came.unpack(first) == ("x" * 50,)
    assert came.complete(first)
    assert came.history.over == Marker(2, "a")
    assert came.complete("z")
    assert not came.complete("a")
    assert not came.pack(second, 1).complete("a")


def test_a_key_behind_a_marker_stays_where_there_is_room() -> None:
    early, late, home = Key("a"), Key("b"), Key("c", direction=Direction.HOME)
    whole = EMPTY.pack(early, "x" * 50).pack(late, "y" * 50)
    came = Baggage.deserialize(fit(whole, len(whole.serialize()) - 1).blob)
    assert came.keys() == ("a",)
    again = came.join(whole).pack(home, "h" * 90)
    fitted = fit(again, len(whole.serialize()) + 40)
    assert Baggage.deserialize(fitted.blob).keys() == ("a", "b")
    assert fitted.home == {"c": ("h" * 90,)}


def test_whatever_the_budget_a_key_is_there_or_reported() -> None:
    whole = EMPTY
    for number in range(8):
        whole = whole.join(EMPTY.pack(f"k{number}", "x" * 130).peeked())
    for budget in range(len(whole.serialize())):
        fitted = fit(whole, budget)
        assert len(fitted.blob) <= budget
        kept = Baggage.deserialize(fitted.blob).keys()
        assert sorted((*kept, *fitted.dropped)) == list(whole.keys())


def test_behind_the_first_key_that_is_dropped_all_are() -> None:
    whole = EMPTY.pack("a", 1).pack("b", "x" * 99).pack("c", 1)
    fitted = fit(whole, 99)
    assert Baggage.deserialize(fitted.blob).keys() == ("a",)
    assert fitted.dropped == ("b", "c")


def test_a_key_is_as_important_as_its_most_important_contribution() -> None:
    carried = EMPTY.pack(Key("k", priority=50), 1).pack(Key("k", priority=200), 2).pack("k", 3)
    priorities = [entry.priority for entry in carried.history.entries["k"].values()]
    assert priorities == [50, 200, 50]
    trimmed = fit(carried.pack(Key("l", priority=100), "x" * 99), 120)
    assert trimmed.dropped == ("l",)


def test_services_that_disagree_about_a_priority_lose_nothing() -> None:
    left, right = EMPTY.pack(Key("k", priority=100), "kept").split()
    left = left.pack(Key("k", priority=50), "important")
    trimmed = Baggage.deserialize(fit(right.pack(Key("k", priority=200), "x" * 99), 80).blob)
    assert trimmed.unpack("k") == ()
    assert set(left.join(trimmed).unpack("k")) == {"kept", "important"}


def test_of_two_markers_the_first_position_counts() -> None:
    early, late = Key("k", priority=70), Key("z")
    whole = EMPTY.pack(early, "x" * 99)
    one = Baggage.deserialize(fit(whole, 90).blob)
    other = Baggage.deserialize(fit(EMPTY.pack(late, "x" * 99), 90).blob)
    for joined in (one.join(other), other.join(one)):
        assert not joined.complete(early)
        assert joined.join(whole).unpack(early) == ("x" * 99,)


def test_a_stamp_without_room_is_left_out_whole_and_nothing_is_known() -> None:
    whole = packed([(Key("k"), 1, 0)] * 10).pack(Key("d", direction=Direction.DOWN), 1)
    fitted = fit(whole, 40)
    came = Baggage.deserialize(fitted.blob)
    assert came.history.empty
    assert not came.complete("k")
    assert came.keys() == ("d",)
    assert whole.join(came).unpack("k") == whole.unpack("k")


def test_a_stamp_that_the_wire_can_not_carry_is_left_out() -> None:
    branches = EMPTY.pack("k", 0).split(4096)[::2]
    written = [branch.pack("k", number).peeked() for number, branch in enumerate(branches)]
    while len(written) > 1:
        written = [one.join(other) for one, other in zip(written[::2], written[1::2], strict=True)]
    fitted = fit(written[0])
    assert fitted.dropped == ("k",)
    assert Baggage.deserialize(fitted.blob).history.empty


def test_without_a_budget_no_more_is_written_than_is_read() -> None:
    whole = EMPTY
    for number in range(100):
        whole = whole.pack(f"k{number}", "x" * 1000)
    fitted = fit(whole)
    assert len(fitted.blob) <= MAX_BYTES
    came = Baggage.deserialize(fitted.blob)
    assert {*came.keys(), *fitted.dropped} == {*whole.keys()}
    assert came.complete(Key("k0"))


def test_an_id_is_never_split_deeper_than_the_wire_allows() -> None:
    carried = EMPTY.pack("k", 0)
    for number in range(MAX_DEPTH + 5):
        carried, branch = carried.split()
        carried = carried.pack("k", number).join(branch.pack("k", number).peeked())
    assert fit(carried).dropped == ()
    came = Baggage.deserialize(carried.serialize())
    assert came.unpack("k") == carried.unpack("k")
