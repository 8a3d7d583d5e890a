"""Every decoder keeps its word on anything: one kind of error, bounded, and in linear time."""

from __future__ import annotations

import json
import logging
import sys
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import read_header, write_header
from baggage.cli.decoded import decode_message
from baggage.cli.source import Refusal, found_in
from baggage.cli.text import lines
from baggage.clock import MAX_NODES, SEED, ClockError, decode_event, decode_id, encode_id
from baggage.testing.hostile import GARBAGE
from baggage.values import BaggageError, receive
from baggage.wire import (
    MAX_BYTES,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireLoan,
    armour,
    brief,
    encode,
    members,
    split_members,
)
from tests.wire.decoders import DECODERS

CORPUS = Path(__file__).parent / "corpus"
VECTORS = Path(__file__).parents[2] / "proto/vectors"


@pytest.fixture(autouse=True)
def _quietly(caplog: pytest.LogCaptureFixture) -> None:
    """Keep out of the report what is logged of garbage: there is a lot of it."""
    caplog.set_level(logging.CRITICAL, "baggage")


@cache
def known(name: str) -> tuple[bytes, ...]:
    """Return bytes that a decoder makes something of: the fuzzer's, and the golden vectors."""
    found = [b64decode(line) for line in (CORPUS / f"{name}.txt").read_text().splitlines()]
    if name in ("message", "lent", "command", "brief"):
        read = json.loads((VECTORS / "messages.json").read_text("utf-8"))
        found += [bytes.fromhex(case["bytes"]) for case in read["read"] + read["refused"]]
    if name in ("header", "command"):
        read = json.loads((VECTORS / "headers.json").read_text("utf-8"))
        found += [case["header"].encode("latin-1") for case in read["read"]]
        found += [header.encode("latin-1") for header in GARBAGE]
    return tuple(found)


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
def test_any_bytes(name: str, data: st.DataObject) -> None:
    DECODERS[name](data.draw(st.binary(max_size=300)))


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
def test_bytes_that_were_changed_on_the_way(name: str, data: st.DataObject) -> None:
    blob = bytearray(data.draw(st.sampled_from(known(name))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(blob)))
        blob[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    DECODERS[name](bytes(blob))


@pytest.mark.parametrize("name", DECODERS)
def test_what_the_fuzzer_found_is_read_as_it_should_be(name: str) -> None:
    for blob in known(name):
        DECODERS[name](blob)


def test_the_corpus_is_small_and_has_a_file_for_every_decoder() -> None:
    assert {path.name for path in CORPUS.iterdir()} == {f"{name}.txt" for name in DECODERS}
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 300_000


def work(call: Callable[[], object]) -> int:
    """Return how many lines of Python a call runs: a measure of work that no clock disturbs."""
    ran = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal ran
        ran += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        call()
    finally:
        sys.settrace(before)
    return ran


def shown(content: bytes) -> None:
    """Do what `baggage decode` does."""
    try:
        found = found_in(content)
        list(lines(found, decode_message(found.blob), 4096))
    except Refusal:
        pass


def used(header: str) -> None:
    """Read a header, and all of what is in it, and write it again."""
    carried = read_header(header)
    for name in carried.keys():  # noqa: SIM118 - no dict
        carried.unpack(name)
    write_header(carried.pack("mine", 1))


def clock(decoder: Callable[[bytes], object], blob: bytes) -> None:
    try:
        decoder(blob)
    except ClockError:
        pass


def values(n: int) -> bytes:
    return encode(WireBaggage(down=tuple(WireEntry(f"{name:05}", b"v") for name in range(n))))


def numbers(n: int) -> bytes:
    entries = tuple(WireEntry(f"{n:05}", n, n, type=n % 7) for n in range(1, n))
    return encode(WireBaggage((WireBlock(7, n, entries),)))


def loans(n: int) -> bytes:
    return encode(WireBaggage(lent=tuple(WireLoan(root, encode_id(SEED)) for root in range(n))))


GROWING: dict[str, Callable[[int], Callable[[], object]]] = {
    "members": lambda n: lambda: members("a=1;p," * n),
    "members that are none": lambda n: lambda: members("a b," * n),
    "members of ours": lambda n: lambda: members("causal=%41," * n),
    "values in a header": lambda n: lambda: used("causal=" + armour(values(n))),
    "numbers in a header": lambda n: lambda: used("causal=" + armour(numbers(n))),
    "values read by hand": lambda n: lambda: brief(values(n)),
    "loans": lambda n: lambda: receive(loans(n), lent=True),
    "loans that are written with": lambda n: lambda: receive(loans(n), lent=True).pack("k", 1),
    "nodes of an id": lambda n: lambda: clock(decode_id, b"\xff" * n),
    "nodes of an event tree": lambda n: lambda: clock(decode_event, b"\x55" * n),
    "levels of an event tree": lambda n: lambda: clock(decode_event, bytes(n)),
    "a number in an event tree": lambda n: lambda: clock(decode_event, b"\xff" * n),
    "members in a command": lambda n: lambda: shown(b"a=1,b c," * n + b"causal=KgRzaG9w"),
    "lines in a command": lambda n: lambda: shown(b"> baggage: a=1\n" * n),
    "values in a command": lambda n: lambda: shown(values(n)),
    "numbers in a command": lambda n: lambda: shown(numbers(n)),
    "loans in a command": lambda n: lambda: shown(loans(n)),
}


@pytest.mark.parametrize("name", GROWING)
def test_twice_as_much_is_at_most_twice_the_work(name: str) -> None:
    growing = GROWING[name]
    growing(3)()  # what is only done once
    once, twice = work(growing(100)), work(growing(200))
    assert twice < 2.3 * once + 200


@pytest.mark.parametrize(
    "unit",
    ["a=1;p{}q", "a{}b=1", "a={}1 2", "causal={}x y", "a=1{};", "{}", "<{}x", "baggage:{}x"],
)
@pytest.mark.parametrize("filling", [" ", "\t", ";p", ";p=", "%", "%41", "=", ",", "<", "a", "\n"])
def test_no_pattern_tries_anything_twice(unit: str, filling: str) -> None:
    # Twice for each sign would be 10 ** 11 steps: no test takes that long.
    header = unit.format(filling * (400_000 // len(filling)))
    members(header)
    shown(header.encode())


def test_nothing_that_is_read_is_longer_than_the_limits() -> None:
    with pytest.raises(BaggageError, match="at most 65536 are read"):
        receive(bytes(MAX_BYTES + 1))
    with pytest.raises(ClockError, match="no tree has"):
        decode_event(bytes(MAX_NODES * 130 // 8 + 2))
    assert read_header("causal=" + "A" * 7681).empty
    _, foreign = split_members("a=1," * 9999)
    assert len(foreign) == 64
