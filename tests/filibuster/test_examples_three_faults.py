"""The ferry: a bug that needs three faults, of which the first two change nothing that shows."""

from __future__ import annotations

import pytest

from tests.filibuster.conftest import Deployed
from tests.filibuster.examples import AT_ONCE, NO_REDUCTION, Example, comes_to, judged, plans
from tests.filibuster.shell import Shell, Totals

REFUSED, UNAVAILABLE = "requests.exceptions.ConnectionError", "503"


def faults(call: str) -> list[str]:
    return [f"{call}: {fault}" for fault in (REFUSED, UNAVAILABLE)]


FORECAST = faults("ferry → forecast GET /wind")
PIER = faults("forecast → pier GET /wind")
BUOY = faults("forecast → buoy GET /wind #2")
CREW = faults("ferry → crew GET /on-duty")
FERRY = ("", *FORECAST)

# The forecast can be had in 9 ways: not at all (2), by the pier (1), by the buoy after the pier
# failed (2), or as an estimate after both did (2 × 2). The crew in 3. 9 × 3 = 27 with the plan
# without faults.
WIND = [*FORECAST, *plans(PIER, ["", *BUOY])]


def ordered(mirrored: bool) -> tuple[list[str], list[str], list[str]]:
    """Return all plans, those that fail, and those that are pruned, as told where so ordered."""

    def both(wind: list[str], crew: list[str]) -> list[str]:
        return plans(crew, wind) if mirrored else plans(wind, crew)

    estimated = plans(PIER, BUOY)
    # The buoy says what the pier says, so that the forecast is the same: 2 × 2 pruned. And it is
    # the same estimate however pier and buoy fail, so that the first shows the others: 3 × 2.
    pruned = both(PIER, CREW) + both(estimated[1:], CREW)
    return both(["", *WIND], ["", *CREW]), both(estimated, CREW), pruned


@pytest.fixture
def ferry(shell: Shell, deployed: Deployed) -> Example:
    return Example("three_faults", "test_departure.py", shell, deployed)


@pytest.mark.parametrize(
    ("services", "workers"),
    [("services.toml", ()), ("services.toml", AT_ONCE), ("services-mirror.toml", ())],
)
def test_three_faults_are_tried_though_no_two_of_them_show(
    services: str, workers: tuple[str, ...], ferry: Example
) -> None:
    every, failing, pruned = ordered("mirror" in services)
    ended = ferry.run(services, *workers)
    assert len(every) == 26
    assert judged(ended) == sorted(every)
    # Of the failing, 2 run: those of the first estimate.
    assert ended.failed == [plan for plan in failing if plan not in pruned]
    assert sorted(ended.pruned) == sorted(pruned)
    assert comes_to(ended, "three_faults", f"`{services}`")


def test_without_reduction_all_combinations_fail(ferry: Example) -> None:
    every, failing, _ = ordered(mirrored=False)
    ended = ferry.run("services.toml", *NO_REDUCTION)
    assert judged(ended) == sorted(every)
    assert sorted(ended.failed) == sorted(failing)
    assert comes_to(ended, "three_faults", "`services.toml`, `--reduction none`")


def test_two_faults_at_a_time_find_nothing(ferry: Example) -> None:
    """19 of the 27 have at most two faults: all but 2 × 2 × 2."""
    ended = ferry.run("services.toml", "--max-faults", "2")
    assert ended.code == 0
    assert ended.failed == []
    assert ended.totals == Totals(19, ran=15, pruned=4, remaining=8)


@pytest.mark.parametrize("services", ["services.toml", "services-mirror.toml"])
def test_who_looks_at_statuses_alone_misses_the_bug(services: str, ferry: Example) -> None:
    """The published criterion: a plan is redundant if each service has met its outcomes before.

    So are the crew's failures with the pier's, 2 × 2, and with the buoy's besides, 2 × 2 × 2: 12 of
    27. Where the crew is asked first the latter would have grown from the former, and never do: 19.
    """
    ended = ferry.run(services, "--reduction", "paper")
    assert comes_to(ended, "three_faults", f"`{services}`, `--reduction paper`")


def test_once_it_is_fixed_everything_passes(ferry: Example) -> None:
    every, _, pruned = ordered(mirrored=False)
    ended = ferry.run("services-fixed.toml")
    assert judged(ended) == sorted(every)
    assert sorted(ended.pruned) == sorted(pruned)
    assert comes_to(ended, "three_faults", "`services-fixed.toml`")
