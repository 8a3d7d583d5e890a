"""What is no baggage is dropped, with one counted event in the log, and the request goes on."""

from __future__ import annotations

import logging

import pytest

from baggage.boundary import read_header
from baggage.testing.hostile import GARBAGE
from baggage.values import receive
from baggage.wire import WireBaggage, WireBlock, WireEntry, armour, encode

NEVER_PACKED = encode(WireBaggage((WireBlock(7, 1, (WireEntry("k", 1, 2),)),)))


def counts(caplog: pytest.LogCaptureFixture) -> list[int]:
    """Return the counts of what was logged so far, and forget it."""
    assert {record.message for record in caplog.records} <= {"baggage dropped"}
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    found: list[int] = [record.__dict__["count"] for record in caplog.records]
    caplog.clear()
    return found


@pytest.mark.parametrize("header", GARBAGE)
def test_garbage_in_a_header_is_one_event_at_most(
    header: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = (read_header(f"a=1,{header},b c") for _ in range(2))
    for carried in (one, other):
        carried.keys()
        carried.unpack("k")
        assert carried.foreign[0] == "a=1"
    # Once for the header, and once where its member makes no sense when it is read.
    assert len(counts(caplog)) in (2, 4)


def test_each_event_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    read_header("causal=AAAA")
    read_header("a b,causal=AAAA,c d")
    receive(NEVER_PACKED).keys()
    read_header("a b")
    first, *others = counts(caplog)
    assert others == [first + 1, first + 2, first + 3]


def test_an_event_says_what_was_wrong_and_how_long_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    read_header("causal=AAAA")
    read_header("a b,c=1,d")
    said = [(record.__dict__["reason"], record.__dict__["size"]) for record in caplog.records]
    assert said == [
        ("can't read baggage: not a baggage message", 11),
        ("2 members that no header may have", 9),
    ]


def test_what_is_well_formed_is_no_event(caplog: pytest.LogCaptureFixture) -> None:
    read_header(", a=1 ;p , ,b=,causal=" + armour(encode(WireBaggage(origin="here")))).keys()
    assert counts(caplog) == []
