"""What passes through untouched costs nothing for each entry, but copying its bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from baggage.boundary.transport import read, write
from baggage.context import Branch, enter, leave
from baggage.values import EMPTY, Direction, Key
from baggage.wire import SAFE_HEADER


class Headers(dict[str, str]):
    set = dict.__setitem__


DOWN = Direction.DOWN


def sent(entries: int, directions: tuple[Direction, ...]) -> Headers:
    carried = EMPTY
    for number in range(entries):
        direction = directions[number % len(directions)]
        carried = carried.pack(Key(f"key{number}", direction=direction), f"value {number}")
    headers = Headers()
    write(headers, carried.departing(), origin="caller", budget=SAFE_HEADER)
    return headers


def hop(came: Headers) -> Headers:
    """Do what a service does that knows nothing of what it passes on."""
    running = Branch(read(came), "here")
    token = enter(running)
    sends = Headers()
    write(sends, running.baggage.departing(), origin="here", budget=SAFE_HEADER)
    leave(token)
    return sends


def instructions(step: Callable[[], object]) -> int:
    """Return how many instructions of Python run in a step."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("directions", [(Direction.BOTH,), (Direction.BOTH, DOWN)])
def test_an_untouched_hop_runs_no_more_python_for_more_entries(
    directions: tuple[Direction, ...],
) -> None:
    # Beyond 127 bytes a length takes two, and one more turn to read.
    few, many = sent(16, directions), sent(160, directions)
    hop(few)
    assert len(many["baggage"]) > 8 * len(few["baggage"])
    # What a byte may be the tag of is asked about, once for each kind of field.
    assert instructions(lambda: hop(many)) <= instructions(lambda: hop(few)) + 16


def test_the_count_sees_that_an_entry_is_read() -> None:
    few, many = sent(16, (Direction.BOTH,)), sent(160, (Direction.BOTH,))
    read(few).keys()
    more = instructions(lambda: read(many).keys()) - instructions(lambda: read(few).keys())
    assert more > 144


def test_untouched_baggage_goes_on_as_the_bytes_that_came() -> None:
    came = sent(16, (Direction.BOTH, DOWN))
    assert read(hop(came)).body(sealed=True) == read(came).body(sealed=True)
