"""Fields of ours get into any entry, and out of it again, and commands are read as Redis does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.instrumentation._redis.adapters import PRODUCING, Addition
from baggage.instrumentation._redis.commands import deliveries, id_at, seen, streams, words
from baggage.instrumentation._redis.fields import LIST, parted, taken_out, with_headers

NAMES = st.sampled_from(["baggage", "baggage_", "baggage__", LIST, f"{LIST}_", "b3", "n", ""])
VALUES = st.one_of(
    st.binary(max_size=8), st.text(max_size=8), st.sampled_from([LIST, "baggage", "n,b3"])
)
OWN = st.dictionaries(NAMES.map(str.encode), VALUES, max_size=5)
HEADERS = st.dictionaries(
    st.sampled_from(["baggage", "baggage-message", "b3", "x-theirs"]),
    st.text("abc=,;", min_size=1, max_size=9),
    min_size=1,
)


def flat(fields: dict[Any, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


@given(OWN, HEADERS)
def test_what_is_put_in_is_taken_out(own: dict[bytes, Any], headers: dict[str, str]) -> None:
    _, listed = parted(flat(own))
    if listed:  # somebody forwards an entry of ours
        return
    sent = with_headers(flat(own), headers)
    assert parted(sent) == (flat(own), headers)
    for encoded in (True, False):
        names = [name.encode() if isinstance(name, str) else name for name in sent[::2]]
        read: dict[Any, Any] = dict(
            zip(names if encoded else [name.decode() for name in names], sent[1::2], strict=True)
        )
        assert taken_out(read) == headers
        assert [*read.values()] == [*own.values()]


@given(st.dictionaries(st.one_of(NAMES, st.binary(max_size=4)), VALUES, max_size=6))
def test_any_entry_is_read(fields: dict[Any, Any]) -> None:
    before = dict(fields)
    headers = taken_out(fields)
    assert fields.items() <= before.items()
    assert (fields == before) or LIST in map(_text, before.keys() - fields.keys()) or headers


@pytest.mark.parametrize("listed", ["n,n", "n,n,baggage,n", "baggage,baggage"])
def test_a_field_that_a_stranger_lists_twice_is_taken_out_once(listed: str) -> None:
    fields: dict[Any, Any] = {"n": "1", "baggage": "2", LIST: listed, "m": "3"}
    own, headers = parted(flat(fields))
    assert taken_out(fields) == headers
    assert flat(fields) == own


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (("XADD", "s", "*", "k", "v"), 2),
        (("XADD", "s", b"NOMKSTREAM", b"MAXLEN", b"~", "5", "5-1", "k", "v"), 6),
        (("XADD", "s", "maxlen", 5, "*", "k", "v"), 4),
        (("XADD", "s", "MINID", "=", "5-0", "LIMIT", 7, "*", "k", "v", "l", "w"), 7),
        (("XADD", "s", "KEEPREF", "IDMP", "me", b"\xff", "*", "k", "v"), 6),
        (("XADD", "s", "IDMPAUTO", "me", "MAXLEN", "5", "*", "k", "v"), 6),
        (("XADD", "maxlen", "*", "limit", "v"), 2),
        (("XADD", "s", "*", "k"), None),
        (("XADD", "s", "*"), None),
        (("XADD", "s"), None),
        (("XADD", "s", "MAXLEN"), None),
        (("XADD",), None),
    ],
)
def test_an_entry_s_id_is_found_before_its_fields(command: tuple[Any, ...], at: int | None) -> None:
    assert id_at(command) == at


def test_entries_that_their_fields_tell_apart_carry_nothing() -> None:
    command = ("XADD", "s", "IDMPAUTO", "me", "*", "k", "v")
    addition = Addition.of(None, command)
    assert addition is not None
    assert PRODUCING.request_carrier(addition) is None
    assert addition.with_headers() == command


@pytest.mark.parametrize(("asked", "given"), [("7-3", "7-3"), (b"7-*", "7-0"), ("7", "7-0")])
def test_an_entry_that_is_never_added_has_the_id_that_was_asked_for(asked: Any, given: str) -> None:
    addition = Addition.of(None, ("XADD", "s", asked, "k", "v"))
    assert addition is not None
    assert addition.entry_id() == given


@pytest.mark.parametrize(
    ("command", "since"),
    [
        (("XREAD", "COUNT", 1, b"STREAMS", "a", b"b", "0", "$"), {"a": "0", "b": "$"}),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"), {"a": ">"}),
        (("xread streams", "a", "0"), {"a": "0"}),
        (("XAUTOCLAIM", "a", "g", "c", 0, "0-0"), {"a": ""}),
        (("XRANGE", "a", "-", "+"), {}),
        (("XREAD",), {}),
        (("XREAD", "STREAMS", "a"), {}),
        (("", "a"), {}),
        (("XCLAIM",), {}),
    ],
)
def test_the_streams_of_a_read_are_found(command: tuple[Any, ...], since: dict[str, str]) -> None:
    assert streams(words(command)) == since


@pytest.mark.parametrize(
    ("command", "since", "count"),
    [
        (("XREAD", "STREAMS", "a", "0"), "0", 0),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"), ">", 1),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", "0"), "0", 2),
        (("XCLAIM", "a", "g", "c", "0", "1-0"), "", 2),
        (("XCLAIM", "a", "g", "c", "0", "1-0", b"RETRYCOUNT", "7"), "", 7),
        (("XCLAIM", "a", "g", "c", "0", "1-0", "RETRYCOUNT"), "", 2),
        (("XAUTOCLAIM", "a", "g", "c", "0", "0"), "", 2),
    ],
)
def test_deliveries_are_counted_as_far_as_redis_says(
    command: tuple[Any, ...], since: str, count: int
) -> None:
    assert deliveries(command, since) == count


def test_entries_are_found_in_answers_of_any_form() -> None:
    entry = ("1-0", {"k": "v"})
    claimed = ("2-0", {"k": "v"}, 15, 3)
    read, claim = ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"), ("XAUTOCLAIM", "s")
    for command, answer, found in [
        (read, [["s", [entry, claimed]]], [[entry, claimed]]),
        (read, {"s": [entry, claimed]}, [[entry, claimed]]),
        (read, {"s": [[entry, claimed]]}, [[entry, claimed]]),
        (read, {"s": [[]], "t": []}, [[], []]),
        (read, None, []),
        (read, [], []),
        (read, "of somebody's own", []),
        (read, [["s", "of somebody's own"]], []),
        (claim, ["0-0", [entry, (None, None)], []], [[entry, (None, None)]]),
        (claim, ["1-0", "2-0"], []),
        (("XCLAIM", "s"), [entry], [[entry]]),
        (("XCLAIM", "s"), ["1-0"], []),
        (("XRANGE", "s"), [entry], [[entry]]),
        (("XRANGE", "s"), [["1-0", ["k", "v"]]], [[["1-0", ["k", "v"]]]]),
    ]:
        entries: list[Any] = []

        def see(each: Any, _: str, entries: list[Any] = entries) -> Any:
            entries.append(each)
            return each

        before = copy.deepcopy(answer)
        assert seen(command, answer, see) == before
        assert entries == found
