"""The cinema: a fallback that nobody has ever run."""

from __future__ import annotations

import pytest

from tests.filibuster.conftest import Deployed
from tests.filibuster.examples import AT_ONCE, NO_REDUCTION, Example, comes_to, judged, plans
from tests.filibuster.shell import Shell

REFUSED, UNAVAILABLE = "requests.exceptions.ConnectionError", "503"


def faults(call: str) -> list[str]:
    return [f"{call}: {fault}" for fault in (REFUSED, UNAVAILABLE)]


TONIGHT = faults("desk → programme GET /tonight")
BEST = faults("desk → seats GET /best")
PRICE = faults("desk → prices GET /price")
FREE = faults("prices → seats GET /free")
LEAFLET = faults("desk → programme GET /leaflet")

# 29 = 2 without a programme, where nothing else is asked, and 3 (of the seat: known, or missing for
# one of two reasons) × 9 (of the price: 3 by how prices finds the house, or 2 × 3 by how the
# leaflet is read after prices failed); the plan without faults is one of them.
ALL = sorted(TONIGHT + plans(["", *BEST], ["", *FREE]) + plans(["", *BEST], PRICE, ["", *LEAFLET]))
# Whatever the seat, the price is the leaflet's, which must have been read: 3 × 2.
FAILING = sorted(plans(["", *BEST], PRICE))
# `prices` answers the full price however the house's state is missed. Each way is seen once, beside
# the known seat; beside a missing seat, the first shows what the others come to: 2 × 1.
PRUNED = sorted(plans(BEST, FREE[1:]))


@pytest.fixture
def cinema(shell: Shell, deployed: Deployed) -> Example:
    return Example("cinema", "test_ticket.py", shell, deployed)


@pytest.mark.parametrize("workers", [(), AT_ONCE])
def test_what_was_never_sold_at_the_price_of_the_leaflet_is_found(
    workers: tuple[str, ...], cinema: Example
) -> None:
    ended = cinema.run("services.toml", *workers)
    assert len(ALL) == 28
    assert judged(ended) == ALL
    assert sorted(ended.failed) == FAILING
    assert sorted(ended.pruned) == PRUNED
    assert comes_to(ended, "cinema", "`services.toml`")


def test_nothing_is_missed_for_being_pruned(cinema: Example) -> None:
    ended = cinema.run("services.toml", *NO_REDUCTION)
    assert judged(ended) == ALL
    assert sorted(ended.failed) == FAILING
    assert comes_to(ended, "cinema", "`services.toml`, `--reduction none`")


def test_once_it_is_fixed_everything_passes(cinema: Example) -> None:
    ended = cinema.run("services-fixed.toml")
    assert judged(ended) == ALL
    assert sorted(ended.pruned) == PRUNED
    assert comes_to(ended, "cinema", "`services-fixed.toml`")
