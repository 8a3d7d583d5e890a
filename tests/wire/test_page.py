"""The page of the wire format shows what is so."""

from __future__ import annotations

import re
import shlex

from click.testing import CliRunner

from baggage.cli import main
from baggage.clock import decode_event, decode_id
from baggage.clock.event import node
from baggage.values import Type, receive
from tests.outside import pages

PAGE = "docs/wire.md"


def test_the_command_prints_what_is_shown() -> None:
    (shown,) = pages.blocks(PAGE, "console")
    line, _, output = shown.partition("\n")
    program, *words = shlex.split(line.removeprefix("$ "))
    assert program == "baggage"
    assert CliRunner().invoke(main, words).output == output


def test_the_message_that_lends_is_made_of_the_bytes_that_are_shown() -> None:
    (shown,) = pages.blocks(PAGE, "text")
    rows = [re.match(r" *((?:[0-9a-f]{2} )+)", row) for row in shown.splitlines()]
    blob = bytes.fromhex("".join(row[1] for row in rows if row))
    carried = receive(blob, lent=True)
    root = 0x0123456789ABCDEF
    assert carried.history.seen == {root: node(1, 2)}
    assert carried.history.own == {root: (0, 1)}
    bits = re.findall(r"^\| `([01 ]+)` \| `([0-9a-f ]+)`:", pages.read(PAGE), re.MULTILINE)
    assert [number.replace(" ", "") for _, number in bits] == ["64c8", "48"]
    for written, number in bits:
        assert int(written.replace(" ", ""), 2) == int(number.replace(" ", ""), 16)
    assert decode_event(bytes.fromhex("64c8")) == node(1, 2)
    assert decode_id(b"\x48") == (0, 1)


def test_the_types_have_the_numbers_that_are_shown() -> None:
    table = re.search(
        r"^\| `type` ((?:\| \d )+)\|\n.*\n\| ((?:\| \w+ )+)\|$", pages.read(PAGE), re.MULTILINE
    )
    assert table is not None
    numbers, names = table.groups()
    shown = dict(zip(re.findall(r"\w+", names), map(int, re.findall(r"\d", numbers)), strict=True))
    assert shown == {type.name.lower(): int(type) for type in Type if type is not Type.MAP}
