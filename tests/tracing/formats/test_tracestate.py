"""`tracestate`: what is passed on, what is refused, what is cut.

Each group of rows names a section of https://www.w3.org/TR/trace-context-2/.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaapps.tracing.formats import tracestate

KEY_ENDS = "abcdefghijklmnopqrstuvwxyz0123456789"
KEY = KEY_ENDS + "_-*/@"
VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
THIRTY_TWO = ",".join(f"bar{number:02}={number:02}" for number in range(32))

KEYS = st.builds(str.__add__, st.sampled_from(KEY_ENDS), st.text(KEY, max_size=10))
VALUES = st.builds(str.__add__, st.text(VALUE, max_size=10), st.sampled_from(VALUE[1:]))
MEMBERS = st.builds("{}={}".format, KEYS, VALUES)


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        # 3.3.1 tracestate header field values
        ("rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7"),
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (THIRTY_TWO, THIRTY_TWO),
        # empty members, and space around members
        ("", ""),
        (" \t", ""),
        (",", ""),
        (", ,\t,", ""),
        ("foo=1,", "foo=1"),
        (",foo=1", "foo=1"),
        ("foo=1,,bar=2", "foo=1,bar=2"),
        ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"),
        (f"{',' * 40}{THIRTY_TWO}{', ' * 40}", THIRTY_TWO),
        # 3.3.1.3.1 key
        (f"a{KEY}=1", f"a{KEY}=1"),
        ("0=1", "0=1"),
        ("foo@=1,bar=2", "foo@=1,bar=2"),
        ("foo@@bar=1", "foo@@bar=1"),
        ("foo@bar@baz=1", "foo@bar@baz=1"),
        ("1tenant@0system=1", "1tenant@0system=1"),
        ("z" * 256 + "=1", "z" * 256 + "=1"),
        # 3.3.1.3.2 value: space before it is part of it, space after it is not
        (f"foo={VALUE}", f"foo={VALUE}"),
        ("foo= 1", "foo= 1"),
        ("foo=1 ,bar=2", "foo=1,bar=2"),
        ("foo=1 2", "foo=1 2"),
        ("foo=" + "v" * 256, "foo=" + "v" * 256),
        # 3.5 mutating: one of members that have the same key may be dropped; the left one is newer
        ("foo=1,foo=1", "foo=1"),
        ("foo=1,bar=2,foo=3", "foo=1,bar=2"),
    ],
)
def test_a_list_is_passed_on(value: str, passed: str) -> None:
    assert tracestate.read(value) == passed


@pytest.mark.parametrize(
    "value",
    [
        # 3.3.1.3.1 key
        "foo",
        "=",
        "=1",
        "foo =1",
        "FOO=1",
        "fOO=1",
        "foo.bar=1",
        "@foo=1,bar=2",
        "_foo=1",
        "-foo=1",
        "é=1",
        "１=1",
        "z" * 257 + "=1",
        "foo=1,bar",
        "foo=1,Bar=2",
        # 3.3.1.3.2 value
        "foo=",
        "foo= ",
        "foo=,bar=3",
        "foo=bar=baz",
        "foo=a\tb",
        "foo=a\nb",
        "foo=1\n",
        "foo=\x7f",
        "foo=é",
        "foo=\ud800",
        "foo=" + "v" * 257,
        # 3.3.1 at most 32 members
        f"{THIRTY_TWO},foo=1",
        f"{THIRTY_TWO},bar00=1",
        "foo=1," * 33,
    ],
)
def test_a_list_that_breaks_the_grammar_is_dropped_whole(value: str) -> None:
    assert tracestate.read(value) == ""


def member(key: str, length: int) -> str:
    return f"{key}=".ljust(length, "v")


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        # 3.3.1.5 limits: 512 characters, commas counted
        ((128, 128, 128, 125), (0, 1, 2, 3)),
        ((128, 128, 128, 126), (0, 1, 2)),
        ((256, 255), (0, 1)),
        # large members first, from the end, but no more than must be
        ((129, 128, 128, 127), (1, 2, 3)),
        ((200, 100, 200, 100), (0, 1, 3)),
        ((300, 10, 300, 300), (0, 1)),
        ((513,), ()),  # the longest of all: a key of 256 and a value of 256 characters
        ((512,), (0,)),
        # then others from the end
        ((100, 100, 100, 100, 100, 100), (0, 1, 2, 3, 4)),
        ((300, 100, 100, 100, 100, 100, 100), (1, 2, 3, 4, 5)),
        ((100, 128, 128, 128, 128), (0, 1, 2, 3)),
    ],
)
def test_what_does_not_fit_is_cut_by_whole_members(
    lengths: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    keys = [str(place).rjust(max(1, length - 257), "k") for place, length in enumerate(lengths)]
    members = [member(key, length) for key, length in zip(keys, lengths, strict=True)]
    assert tracestate.read(",".join(members)) == ",".join(members[place] for place in kept)


@given(st.lists(MEMBERS, max_size=32, unique_by=lambda member: member.split("=")[0]))
def test_any_list_of_the_grammar_stays_as_it_is(members: list[str]) -> None:
    value = ",".join(members)
    passed = tracestate.read(value)
    if len(value) <= tracestate.LENGTH:
        assert passed == value
    else:
        assert members[: passed.count(",") + 1] == passed.split(","), "none of them is large"


@given(st.lists(st.one_of(MEMBERS, st.text(max_size=5), st.sampled_from(["", " ", "\t"]))))
def test_what_is_passed_on_would_be_passed_on_again(members: list[str]) -> None:
    passed = tracestate.read(",".join(members))
    assert tracestate.read(passed) == passed
    assert len(passed) <= tracestate.LENGTH
    assert re.fullmatch(r"[\x20-\x7e]*", passed)
    assert len(passed.split(",")) <= tracestate.MEMBERS
