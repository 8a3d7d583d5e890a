"""Stamps stay small over many services that lend: at most 8 bytes for each entry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baggage.clock import id_mass
from tests.lending.hops import AtOnce, Request
from tests.lending.shapes import SHAPES

ROOT = Path(__file__).parents[2]
BOUND = 8


def deployed(*how: str, by: str = "deployment") -> dict[str, Any]:
    """Return what a request to real services came to."""
    command = [sys.executable, "-m", f"tests.lending.{by}", *how]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


@pytest.mark.parametrize(
    ("shape", "services", "how"),
    [("chain", 10, "in_turn"), ("fours", 85, "in_turn"), ("fours", 85, "at_once")],
)
def test_services_that_lend_write_under_one_root_and_give_all_back(
    shape: str, services: int, how: str
) -> None:
    told = deployed(shape, str(services), how, "lends")
    assert told["values"] == list(range(services))
    assert (told["roots"], told["masses"]) == (1, ["1"])
    assert told["last"]["entries"] == services
    assert told["last"]["stamps"] <= BOUND * services
    if how == "in_turn":  # Else it depends on who is first how much each branch has on the way.
        assert told["worst"] <= BOUND


@pytest.mark.parametrize(
    ("shape", "services", "how"),
    [("fours", 85, "gathered"), ("fours", 21, "grouped"), ("chain", 10, "waited_for")],
)
def test_services_of_an_event_loop_do_so_too(shape: str, services: int, how: str) -> None:
    told = deployed(shape, str(services), how, by="looping_deployment")
    assert told["values"] == list(range(services))
    assert (told["roots"], told["masses"]) == (1, ["1"])
    assert told["last"]["stamps"] <= BOUND * services


def test_services_that_do_not_lend_take_a_root_each() -> None:
    told = deployed("chain", "10", "in_turn", "not")
    assert told["values"] == list(range(10))
    assert told["roots"] == 10
    assert told["last"]["stamps"] == 15 * 10


@pytest.fixture
def deep() -> Iterator[None]:
    """Let calls be nested as deep as there are services."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 10_000)
    yield
    sys.setrecursionlimit(limit)


def never(_: int) -> bool:
    return False


def always(_: int) -> bool:
    return True


def every_other(number: int) -> bool:
    return number % 2 == 0


@pytest.mark.usefixtures("deep")
@pytest.mark.parametrize(
    ("shape", "at_once"),
    [
        ("chain", never),
        ("chain", always),
        ("fours", always),
        ("mixed", never),
        ("mixed", every_other),
    ],
)
def test_500_services_take_at_most_as_much(shape: str, at_once: AtOnce) -> None:
    request = Request(SHAPES[shape](500), lends=True, at_once=at_once)
    home = request.run()
    assert sorted(map(int, home.unpack("n"))) == list(range(500))
    ((root, identity),) = home.history.own.items()
    assert list(home.history.seen) == [root]
    assert id_mass(identity) == 1
    last, *_ = request.costs(every=100)
    assert last.entries == 500
    assert last.per_entry <= BOUND


@pytest.mark.usefixtures("deep")
def test_500_services_that_do_not_lend_are_exact_too() -> None:
    request = Request(SHAPES["fours"](500), lends=False, at_once=always)
    home = request.run()
    assert sorted(map(int, home.unpack("n"))) == list(range(500))
    assert len(home.history.seen) == 500
    last, *_ = request.costs(every=100)
    assert last.per_entry == 15


@pytest.mark.usefixtures("deep")
def test_the_right_to_write_is_the_first_that_finds_no_room() -> None:
    """A service more, and the message would not fit: then it is sent without ids, and in full."""
    roomy = Request(SHAPES["chain"](60), lends=True)
    roomy.run()
    budget = len(max(roomy.messages, key=len)) - 1
    tight = Request(SHAPES["chain"](60), lends=True, budget=budget)
    home = tight.run()
    assert sorted(map(int, home.unpack("n"))) == list(range(60))
    assert home.history.over is None
    assert any(tight.lent)
    assert not all(tight.lent)
    assert sum(map(id_mass, home.history.own.values())) < 1
    packed = home.pack("n", 60)
    assert sorted(map(int, packed.unpack("n"))) == list(range(61))
