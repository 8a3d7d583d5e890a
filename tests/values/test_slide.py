"""The slide of the talk that baggage comes from, exactly."""

from __future__ import annotations

import subprocess
import sys

from baggage.clock import stamp_bits
from baggage.values import EMPTY, Baggage, Value


def values(carried: Baggage) -> set[Value]:
    return set(carried.unpack("list"))


def test_split_pack_and_join_as_on_the_slide() -> None:
    left, right = EMPTY.pack("list", 10).split()
    left, right = left.pack("list", 20), right.pack("list", 5)
    joined = left.join(right)
    assert values(joined) == {10, 20, 5}
    assert values(joined.pack("list", 8)) == {10, 20, 5, 8}


def test_the_stamp_after_the_slides_join_has_7_bits() -> None:
    left, right = EMPTY.pack("list", 10).split()
    joined = left.pack("list", 20).join(right.pack("list", 5))
    ((root, event),) = joined.history.seen.items()
    assert joined.history.own == {root: 1}
    assert event == 2
    assert stamp_bits(joined.history.own[root], event) == 7


def test_the_example_prints_the_slide() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "examples.slide"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [
        "pack 10            (10,)",
        "split",
        "  left  packs 20   (10, 20)",
        "  right packs 5    (10, 5)",
        "join               (10, 20, 5)",
        "pack 8             (10, 20, 5, 8)",
    ]
