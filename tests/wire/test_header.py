"""Foreign members of the W3C `baggage` header pass through; ours is found among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.wire import (
    SAFE_HEADER,
    WireError,
    armour,
    compose,
    members,
    room_for,
    split_members,
    unarmour,
    without_ours,
)

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
    found, foreign, lost = members(header)
    assert lost == 0
    assert found is not None
    assert unarmour(found) == blob
    assert foreign == (*before, *after)
    assert split_members(compose(found, foreign)) == (found, foreign)


@pytest.mark.parametrize(
    ("header", "ours", "foreign"),
    [
        ("", None, ()),
        (" , ,", None, ()),
        ("\t,a=1, ,\t,b=2,", None, ("a=1", "b=2")),
        ("causal=one,causal=two", "one", ()),
        ("causal=one,a=1,causal=two,a=2", "one", ("a=1", "a=2")),
        ("causal=,causal=two", "", ()),
        ("causal=one;p;q=1", "one", ()),
        ("causal=one; not a = property", "one", ()),
        ("causal\t = \tone , a=1", "one", ("a=1",)),
        ("causal=%6Fne%5f%2D", "one_-", ()),
        ("causal=%20one%09%3Bp%3D1", "one", ()),
        ("causal=one%2", "one%2", ()),
        ("causal=%256F", "%6F", ()),
        ("causal=%C3%A9", "\xc3\xa9", ()),
        ("Causal=x,causality=y", None, ("Causal=x", "causality=y")),
        ("caus%61l=x", None, ("caus%61l=x",)),
        ("a=1,a=2", None, ("a=1", "a=2")),
        ("a=1==2=;p=3==", None, ("a=1==2=;p=3==",)),
        ("a=;b;c= ;\td = 1 ;e", None, ("a=;b;c= ;\td = 1 ;e",)),
        ("a=%zz%,b=+%00", None, ("a=%zz%", "b=+%00")),
    ],
)
def test_what_the_grammar_allows(header: str, ours: str | None, foreign: tuple[str, ...]) -> None:
    assert members(header) == (ours, foreign, 0)


@pytest.mark.parametrize(
    "member",
    [
        "causal",
        "a",
        "=",
        "=1",
        "a b=1",
        '"a"=1',
        "a/b=1",
        "[a]=1",
        "ä=1",
        "a=1 2",
        'a="1"',
        "a=1\\2",
        "a=é",
        "a=1;",
        "a=1;;p",
        "a=1;=2",
        "a=1;p q",
        "a=1;p=2 3",
        "a=1;ä",
        ";a=1",
        "a=\x00",
        "a=\x7f",
        "a=1\r\nx: y",
        "a=1\n",
        "a=\xa01",
    ],
)
def test_what_is_no_member_by_the_grammar_is_lost_and_its_neighbours_stay(member: str) -> None:
    assert members(member) == (None, (), 1)
    assert members(f"a=1,{member},causal=x, b=2") == ("x", ("a=1", "b=2"), 1)


def test_a_member_of_ours_that_is_garbage_is_not_passed_on_as_a_foreign_one() -> None:
    for value in ("é", "A A", '"', "\\", "\x00", "%zz"):
        ours, foreign, lost = members(f"causal={value},a=1")
        assert (foreign, lost) == (("a=1",), 0)
        assert ours is not None
        with pytest.raises(WireError):
            unarmour(ours)


@given(st.binary(max_size=50), st.data())
def test_ours_may_come_encoded_in_whole_or_in_part(blob: bytes, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.integers(0, 70)))
    encoded = "".join(
        f"%{ord(sign):02{data.draw(st.sampled_from('xX'))}}" if at in chosen else sign
        for at, sign in enumerate(armour(blob))
    )
    ours, foreign = split_members(f"causal={encoded}")
    assert unarmour(ours or "") == blob
    assert foreign == ()


def test_what_the_standard_obliges_us_to_pass_on_is_passed_on() -> None:
    members = [f"k{number:02}={'v' * 123}" for number in range(63)]
    last = "k=" + "v" * (8192 - len(",".join(members)) - 3)
    header = ",".join([*members, last])
    assert len(header) == 8192
    assert split_members(header) == (None, (*members, last))
    assert compose(None, (*members, last)) == header


def test_a_header_over_the_limits_loses_members_from_the_end() -> None:
    many = [f"k{number}=" for number in range(70)]
    assert members(",".join(many)) == (None, tuple(many[:64]), 6)
    assert members(f"a=1,b={'x' * 8189},c=1") == (None, ("a=1",), 2)
    assert members(f"a=1,{'b c,' * 9999}d=1") == (None, ("a=1", "d=1"), 9999)


def test_our_member_is_found_behind_more_than_anyone_passes_on() -> None:
    ours, foreign = split_members("k=," * 500 + "causal=x")
    assert (ours, len(foreign)) == ("x", 64)


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


@given(st.lists(FOREIGN, max_size=4), st.integers(0, 4))
def test_without_ours_the_others_are_as_they_were(foreign: list[str], at: int) -> None:
    header = ",".join([*foreign[:at], "causal=AAAA;p=1", *foreign[at:]])
    assert without_ours(header) == ",".join(foreign)
    assert without_ours(",".join(foreign)) == ",".join(foreign)
