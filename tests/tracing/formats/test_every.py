"""All formats together: in which order they are read, and what they have in common."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metaapps.tracing.formats import FORMATS, Decision, Extracted, extract, headers
from metaapps.tracing.span import Position
from tests.tracing.formats.rows import ACCEPT, DEFER, DENY, LOW, NAMES, SPAN, TRACE, caller, lone

SINGLE = {"b3": f"{TRACE}-{SPAN}-0"}
MULTI = {"x-b3-traceid": "1" * 32, "x-b3-spanid": "2" * 16, "x-b3-sampled": "1"}
W3C = {"traceparent": f"00-{'3' * 32}-{'4' * 16}-01", "tracestate": "congo=1"}
FROM_MULTI = caller(ACCEPT, trace="1" * 32, span="2" * 16)
FROM_W3C = Extracted(Position.of("3" * 32, "4" * 16), ACCEPT, "congo=1")
LIMIT = 1_000_000

TRACES = st.binary(min_size=16, max_size=16).filter(any)
SPANS = st.binary(min_size=8, max_size=8).filter(any)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    root = Position.root(
        draw(TRACES),
        draw(SPANS),
        sampled=draw(st.booleans()),
        debug=draw(st.booleans()),
        random=draw(st.booleans()),
    )
    return root.below(draw(SPANS)) if draw(st.booleans()) else root


# Almost a header: pieces of valid ones, and anything else.
_IDS = (TRACE, LOW, SPAN, TRACE.upper(), "0" * 16, "0" * 32)
_SIGNS = ("-", "--", ",", "00-", "cc-", "ff-", "-01", "0", "1", "d", "true", "congo=1", "=")
_ODD = (" ", "\t", "\n", "\x00", "é", "１", "\ud800", "💩")
PIECES = st.sampled_from(_IDS + _SIGNS + _ODD)
VALUES = st.one_of(st.text(), st.lists(PIECES, max_size=9).map("".join))


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({}, None),
        ({"host": "shop", "x-b3": "1", "trace-parent": W3C["traceparent"]}, None),
        (SINGLE | MULTI | W3C, caller(DENY)),
        (MULTI | W3C, FROM_MULTI),
        (W3C, FROM_W3C),
        ({"b3": "0"} | MULTI | W3C, lone(DENY)),
        ({"x-b3-sampled": "0"} | W3C, lone(DENY)),
        # what is invalid falls to the next
        ({"b3": "nonsense"} | MULTI | W3C, FROM_MULTI),
        ({"b3": "nonsense"} | MULTI | {"x-b3-sampled": "x"} | W3C, FROM_W3C),
        ({"b3": "", "x-b3-traceid": "", "traceparent": ""}, None),
        (SINGLE | {"traceparent": "nonsense"}, caller(DENY)),
        # ids without a decision count before a decision in another format
        ({"b3": f"{TRACE}-{SPAN}"} | MULTI | W3C, caller(DEFER)),
    ],
)
def test_the_first_valid_format_counts(shown: dict[str, str], said: Extracted | None) -> None:
    assert extract(shown) == said


def test_the_order_of_headers_does_not_matter() -> None:
    shown = SINGLE | {"x-b3-sampled": "1"} | W3C
    assert {extract(dict(order)) for order in permutations(shown.items())} == {caller(DENY)}


def test_of_the_same_trace_what_trace_context_alone_says_is_kept() -> None:
    shown = {
        "b3": f"{TRACE}-{SPAN}-d-{LOW}",
        "traceparent": f"00-{TRACE}-{'4' * 16}-02",
        "tracestate": "congo=1",
    }
    position = Position.of(TRACE, SPAN, LOW, debug=True, random=True)
    assert extract(shown) == Extracted(position, Decision.DEBUG, "congo=1", shares=True)


@given(positions(), st.sampled_from(["", "congo=1,rojo=2"]))
def test_what_is_written_is_read_again(position: Position, state: str) -> None:
    for name, each in FORMATS.items():
        found = extract(headers(position, [each], state))
        assert found is not None
        assert found.position is not None
        assert found.position.address == position.address
        assert found.position.sampled is position.sampled
        assert found.shares is (name != "w3c")
        if name == "w3c":
            assert (found.state, found.position.random) == (state, position.random)
        else:
            assert found.position.parent_id == position.parent_id
            assert found.position.debug is position.debug


@given(positions())
def test_all_formats_written_at_once_lose_nothing(position: Position) -> None:
    written = headers(position, list(FORMATS.values()), "congo=1")
    found = extract(written)
    assert found is not None
    assert (found.position, found.state, found.shares) == (position, "congo=1", True)
    decision = Decision.DEBUG if position.debug else ACCEPT if position.sampled else DENY
    assert found.decision is decision


@given(positions(), st.lists(st.sampled_from(sorted(FORMATS)), unique=True))
def test_written_headers_are_those_of_the_formats_asked_for(
    position: Position, names: list[str]
) -> None:
    written = headers(position, [FORMATS[name] for name in names])
    assert ("b3" in written) is ("b3" in names)
    assert ("x-b3-traceid" in written) is ("b3multi" in names)
    assert ("traceparent" in written) is ("w3c" in names)
    assert "tracestate" not in written
    assert all(name == name.lower() for name in written), "gRPC sends no others"


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
@example({"b3": "\ud800"})
@example({"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "=" * 1000})
def test_whatever_comes_never_raises_and_is_sound(shown: dict[str, str]) -> None:
    found = extract(shown)
    if found is None or found.position is None:
        return
    assert Position.decode(found.position.raw) == found.position
    assert found.position.sampled is (found.decision in {ACCEPT, Decision.DEBUG})
    assert found.position.debug is (found.decision is Decision.DEBUG)
    assert not found.position.sent


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "unit", ["0", "-", "a", ",", " ", "\t", "=", "a=1,", "a=", "a,", ", ", "00-", "é", "a@"]
)
def test_a_value_of_a_million_characters_takes_no_squares(name: str, unit: str) -> None:
    # It would be a matter of hours.
    shown = {"traceparent": f"00-{TRACE}-{SPAN}-01", name: unit * (LIMIT // len(unit))}
    if name.startswith("x-b3-"):
        shown = MULTI | shown
    extract(shown)
    extract({**shown, "traceparent": f"cc-{TRACE}-{SPAN}-01-{unit * (LIMIT // len(unit))}"})


def test_decisions_and_nothing_are_five_states() -> None:
    said = [extract({"b3": value}) for value in (f"{TRACE}-{SPAN}", "0", "1", "d", "")]
    assert [None if each is None else each.decision for each in said] == [*Decision, None]
