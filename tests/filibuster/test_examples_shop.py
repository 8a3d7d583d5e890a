"""The shop: threads, tasks, a queue, gRPC and aiohttp in one request; each call has its name."""

from __future__ import annotations

import pytest

from tests.filibuster.conftest import Deployed
from tests.filibuster.examples import AT_ONCE, NO_REDUCTION, Example, comes_to, judged, plans
from tests.filibuster.shell import Shell

NOBODY, LATE = "aiohttp.client_exceptions.ClientConnectorError", "TimeoutError"
RPC, CODES = "grpc._channel._InactiveRpcError", ("UNAVAILABLE", "NOT_FOUND")
TEA, HONEY = (
    [f"shop → stock /shop.Stock/Count ({which}): {RPC} {code}" for code in CODES]
    for which in ("1st of 2", "2nd of 2")
)
BIKE, VAN, MAIL = (
    [f"shop → {call}: {fault}" for fault in (NOBODY, LATE)]
    for call in ("bike GET /quote", "van GET /quote", "mail POST /letters")
)

# 27 = 8 of the 9 ways to count two items, where one or both can't be, and nothing more is asked; 4
# ways to get no quote; and 5 ways to get one, each with 3 for the letter. One is without faults.
COUNTS = plans(["", *TEA], ["", *HONEY])
QUOTES = ["", *BIKE, *VAN]
ALL = sorted(COUNTS + plans(BIKE, VAN) + plans(QUOTES, ["", *MAIL]))
# The letter is late, whatever it costs to deliver: 5.
FAILING = sorted(plans(QUOTES, MAIL[1:]))
# Without faults: two items, two quotes, one letter, and the order itself.
CALLS = 6


@pytest.fixture
def shop(shell: Shell, deployed: Deployed) -> Example:
    return Example("shop", "test_order.py", shell, deployed)


def test_a_late_letter_is_found_and_all_calls_are_named_alike_in_every_run(shop: Example) -> None:
    """Nothing is pruned: it is one service that sees each failure, and may remember it."""
    first, told = shop.run("services.toml"), shop.exported()
    assert len(ALL) == 26
    assert judged(first) == ALL
    assert sorted(first.failed) == FAILING
    assert comes_to(first, "shop", "`services.toml`")
    assert "warnings" not in first.out
    assert len(set(first.indices)) == CALLS
    at_once, told_at_once = shop.run("services.toml", *AT_ONCE), shop.exported()
    assert told_at_once == told
    everything = shop.run("services.toml", *NO_REDUCTION)
    assert comes_to(everything, "shop", "`services.toml`, `--reduction none`")
    for again in (at_once, everything):
        assert again.judged == first.judged
        assert again.indices == first.indices


def test_once_it_is_fixed_everything_passes(shop: Example) -> None:
    ended = shop.run("services-fixed.toml")
    assert judged(ended) == ALL
    assert comes_to(ended, "shop", "`services-fixed.toml`")
