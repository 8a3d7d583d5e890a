"""Foreign members of the W3C `baggage` header pass through; ours is found among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.wire import SAFE_HEADER, WireError, armour, compose, room_for, split_members, unarmour

TOKENS = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8).filter(lambda t: t != "causal")
SPACE = st.text(" \t", max_size=2)
VALUES = st.text("abc019!#$%&'()*+-./:<=>?@[]^_`{|}~", max_size=8)
PROPERTIES = st.builds("{}{};{}{}{}={}".format, SPACE, SPACE, TOKENS, SPACE, SPACE, VALUES)
FOREIGN = st.builds(
    lambda name, before, after, value, properties: (
        f"{name}{before}={after}{value}{''.join(properties)}".strip(" \t")
    ),
    TOKENS,
    SPACE,
    SPACE,
    VALUES,
    st.lists(PROPERTIES, max_size=2),
)


@given(st.binary(max_size=100))
def test_armour_is_undone_and_fits_a_header(blob: bytes) -> None:
    text = armour(blob)
    assert unarmour(text) == blob
    assert not set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "text", ["A", "AB", "AA=", "AA==", "A+", "A/", "A A", "é", "AA\n", "\ud800"]
)
def test_what_armour_can_not_have_written_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        unarmour(text)


@given(st.lists(FOREIGN, max_size=6), st.lists(FOREIGN, max_size=6), SPACE, st.binary(max_size=9))
def test_our_member_is_found_amid_foreign_ones_which_stay_as_they_are(
    before: list[str], after: list[str], space: str, blob: bytes
) -> None:
    ours = f"{space}causal{space}={space}{armour(blob)}{space};p=1"
    header = f"{space},{space}".join([*before, ours, *after])
    found, foreign = split_members(header)
    assert found is not None
    assert unarmour(found) == blob
    assert foreign == (*before, *after)
    assert split_members(compose(found, foreign)) == (found, foreign)


@pytest.mark.parametrize(
    ("header", "ours", "foreign"),
    [
        ("", None, ()),
        (" , ,", None, ()),
        ("causal=one,causal=two", "one", ()),
        ("causal", None, ("causal",)),
        ("Causal=x,causality=y", None, ("Causal=x", "causality=y")),
        ("a=1,a=2", None, ("a=1", "a=2")),
        ("a=%2C%20é,b=\r\nx: y,c=\x00,d=1", None, ("d=1",)),
    ],
)
def test_corner_cases(header: str, ours: str | None, foreign: tuple[str, ...]) -> None:
    assert split_members(header) == (ours, foreign)


def test_what_the_standard_obliges_us_to_pass_on_is_passed_on() -> None:
    members = [f"k{number:02}={'v' * 123}" for number in range(63)]
    last = "k=" + "v" * (8192 - len(",".join(members)) - 3)
    header = ",".join([*members, last])
    assert len(header) == 8192
    assert split_members(header) == (None, (*members, last))
    assert compose(None, (*members, last)) == header


def test_a_header_over_the_limits_loses_members_from_the_end() -> None:
    many = [f"k{number}=" for number in range(70)]
    assert split_members(",".join(many))[1] == tuple(many[:64])
    assert split_members(f"a=1,b={'x' * 8189},c=1")[1] == ("a=1",)


def test_without_members_the_header_is_empty() -> None:
    assert compose(None, ()) == ""
    assert compose("", ()) == "causal="


@given(st.lists(FOREIGN, max_size=70), st.integers(0, 9000))
def test_our_member_keeps_within_its_budget_and_the_safe_length(
    foreign: list[str], budget: int
) -> None:
    room = room_for(foreign, budget)
    ours = armour(bytes(room))
    assert room == 0 or len(f"causal={ours}") <= budget
    assert room == 0 or len(compose(ours, foreign)) <= SAFE_HEADER
    assert room == 0 or len(foreign) < 64


def test_foreign_members_that_fill_a_header_leave_no_room() -> None:
    assert room_for(["a" * SAFE_HEADER], 4096) == 0
    assert room_for([f"k{number}=" for number in range(64)], 4096) == 0
    assert room_for([], 4096) == (4096 - len("causal=")) * 3 // 4
