"""Soundness: what reductions leave out is what is known already, on made-up applications.

Each application runs under every plan there is, and the failing outcomes of that are looked for in
what each reduction ran: the verdict, and what the test was answered. All calls cross the waist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

import pytest

from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.explore import Event, Order, Pruned
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.reduce import Strength
from tests.filibuster.apps import Network, coordinated, generated
from tests.filibuster.apps.compared import (
    Compared,
    compared,
    failing,
    findings,
    in_any_order,
)
from tests.filibuster.apps.served import Remote, served

PARTS = 20
IN_A_PART = 10
MOST, FEW = 30, 20
"""So many plans of an application are run, and those of fewer faults if it has more."""
FAR = 1000
"""How far apart the first seeds of two parts are."""


@pytest.fixture(scope="module")
def coordinator() -> Iterator[Coordinator]:
    with coordinated() as running:
        yield running


def applications(
    coordinator: Coordinator, part: int, wanted: int, most: int, *, befalling: bool = False
) -> Iterator[Compared]:
    """Yield so many applications that can be compared."""
    found = 0
    for seed in count(part * FAR):
        application = generated(seed, befalling=befalling)
        made = compared(Network(application, coordinator), most)
        if made is not None:
            yield made
            found += 1
        if found == wanted:
            return


def judge(made: Compared) -> tuple[bool, bool]:
    """Assert that no reduction misses a failing outcome that it promises to find.

    Return whether there was any to miss, and whether anything was left out.
    """
    application, pruned = made.network.application, False
    for strength in (Strength.STRICT, Strength.DYNAMIC):
        strict = strength is Strength.STRICT
        if application.reads_errors and not strict:
            continue
        events = made.searched(strength)
        assert not made.missed(events, bodies=strict), (strength, application)
        assert not [*made.mispredicted(events, bodies=strict)], (strength, application)
        assert not odd(events), (strength, application)
        pruned = pruned or any(isinstance(event, Pruned) for event in events)
    return bool(failing(made.every, bodies=True)), pruned


def judge_all(some: Iterable[Compared]) -> None:
    """Judge applications, among which are some that fail, and some of which plans are left out."""
    some_fail, some_are_pruned = map(any, zip(*map(judge, some), strict=True))
    assert some_fail
    assert some_are_pruned


def odd(events: Iterable[Event]) -> list[Finding]:
    """Return what shouldn't be found.

    That an error's sender isn't seen to the end may be, and that a body is too short to be cut.
    """
    expected = (FindingKind.UNSEEN, FindingKind.MISSED)
    return [each for each in findings(events) if each.kind not in expected]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_reduction_misses_a_failing_outcome(coordinator: Coordinator, part: int) -> None:
    judge_all(applications(coordinator, part, IN_A_PART, MOST))


@pytest.mark.parametrize("part", range(5))
def test_nor_with_faults_that_befall_answers(coordinator: Coordinator, part: int) -> None:
    judge_all(applications(coordinator, part, IN_A_PART, MOST, befalling=True))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(100))
def test_none_does_so_on_thousands(coordinator: Coordinator, part: int) -> None:
    for made in applications(coordinator, PARTS + part, 50, 2 * MOST):
        judge(made)


@pytest.mark.parametrize("part", range(3))
def test_the_search_reaches_what_any_order_reaches(coordinator: Coordinator, part: int) -> None:
    for made in applications(coordinator, part, IN_A_PART, FEW):
        whole = failing(in_any_order(made), bodies=True)
        assert failing(made.every, bodies=True) == whole, made.network.application


@pytest.mark.parametrize("part", range(2))
def test_a_random_order_finds_the_same(coordinator: Coordinator, part: int) -> None:
    for seed, made in enumerate(applications(coordinator, part, IN_A_PART, MOST)):
        strength = Strength.NONE if seed % 2 else Strength.STRICT
        events = made.searched(strength, Order.RANDOM, seed)
        assert not made.missed(events, bodies=True), made.network.application


@pytest.mark.parametrize("seed", [5, 9, 46])
def test_it_is_the_same_over_real_http(coordinator: Coordinator, seed: int) -> None:
    application = generated(seed)
    with served(seed) as ports:
        made = compared(Remote(application, coordinator, ports), MOST)
        assert made is not None
        judge(made)
