"""Simulated latency: nobody waits, and callers give up as if they had."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.latency import Moment, is_late, moments, simulated, took
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.tree import Tree, build
from tests.filibuster.apps import Network, coordinated, generated
from tests.filibuster.conftest import Deployed
from tests.filibuster.faults.running import ITEM, SERVICES, Lab

TINY = 1e-9
"""Seconds: sums of decimal fractions differ by less."""


@pytest.fixture(scope="module")
def lab(deployed: Deployed) -> Lab:
    return Lab(deployed(SERVICES))


def outcomes(lab: Lab, *rules: str, path: str) -> tuple[object, dict[str, float]]:
    """Return what the root's caller saw, and the simulated seconds of each call."""
    came = lab.under(*rules, path=path)
    return came.said, {f"{c.source} {c.operation} {c.occurrence}": c.delayed for c in came.calls}


@pytest.mark.parametrize("client", ["requests", "urllib3", "httpx", "httpx_async", "aiohttp"])
def test_a_caller_gives_up_at_its_timeout_and_not_before(lab: Lab, client: str) -> None:
    path = f"/call/once/{client}"
    below = lab.under("front→back: delay 4.999s", path=path)
    assert (below.said, below.calls[0].delayed) == ({"answer": ITEM}, 4.999)
    at = lab.under("front→back: delay 5s", path=path)
    assert at.said["raised"] in ("ReadTimeout", "ReadTimeoutError", "TimeoutError")
    assert (at.calls[0].delayed, at.served) == (5.0, ["item"])
    # Were it waited for, the time that a test may take would be over.
    hour = lab.under("front→back: delay 3600s", path=path)
    assert (hour.said, hour.calls[0].delayed) == (at.said, 5.0)


def test_a_library_tries_again_by_itself_when_its_own_time_is_over(lab: Lab) -> None:
    came = lab.under("front→back: delay 5s first 3", path="/call/session")
    assert (came.said, came.served) == ({"answer": ITEM}, ["item"] * 4)
    assert [call.delayed for call in came.calls] == [5.0, 5.0, 5.0, 0.0]


def test_what_calls_take_one_after_the_other_adds_up_to_the_caller_above(lab: Lab) -> None:
    said, took = outcomes(lab, "mid→back: delay 900ms", path="/call/through")
    assert said == {"answer": [{"answer": ITEM}] * 2}
    assert took == {
        "front GET /serve/twice 1": 1.8,
        "mid GET /serve/item 1": 0.9,
        "mid GET /serve/item 2": 0.9,
    }
    said, took = outcomes(lab, "mid→back: delay 1s", path="/call/through")
    assert said == {"raised": "ReadTimeout", "status": None}
    assert took["front GET /serve/twice 1"] == 2.0


@pytest.mark.parametrize("client", ["grpc", "grpc_aio"])
def test_a_deadline_passes_while_a_service_waits_for_another_one(lab: Lab, client: str) -> None:
    path = f"/call/through/{client}"
    said, took = outcomes(lab, "mid→back: delay 999ms", path=path)
    assert isinstance(said, dict)
    assert (len(said["answer"]), took["front /faults.Lab/Twice 1"]) == (2, 1.998)
    said, took = outcomes(lab, "mid→back: delay 1s", path=path)
    assert isinstance(said, dict)
    assert (said["status"], took["front /faults.Lab/Twice 1"]) == ("DEADLINE_EXCEEDED", 2.0)


@pytest.mark.parametrize("server", ["aiohttp", "starlette"])
def test_a_service_in_an_event_loop_tells_what_it_took_too(lab: Lab, server: str) -> None:
    path = f"/call/through/{server}"
    said, took = outcomes(lab, "mid→back: delay 999ms", path=path)
    assert isinstance(said, dict)
    assert (len(said["answer"]), took["front GET / 1"]) == (2, 1.998)
    said, took = outcomes(lab, "mid→back: delay 1s", path=path)
    assert said == {"raised": "ReadTimeout", "status": None}
    assert took["front GET / 1"] == 2.0


def test_of_calls_at_the_same_time_the_longest_counts_and_later_ones_add_to_it(lab: Lab) -> None:
    together = ("mid→back GET /serve/left: delay 1.2s", "mid→back GET /serve/right: delay 900ms")
    said, took = outcomes(lab, *together, path="/call/together")
    assert isinstance(said, dict)
    assert "answer" in said
    assert took["front GET /serve/together 1"] == 1.2
    said, took = outcomes(
        lab, *together, "mid→back GET /serve/last: delay 800ms", path="/call/together"
    )
    assert said == {"raised": "ReadTimeout", "status": None}
    assert took["front GET /serve/together 1"] == 2.0


def test_what_nobody_waits_for_delays_nobody(lab: Lab) -> None:
    said, took = outcomes(lab, "mid→back GET /serve/slow: delay 4s", path="/call/aside")
    assert said == {"answer": {"answer": ITEM}}
    assert took["front GET /serve/aside 1"] == 0.0
    assert took["mid GET /serve/slow 1"] == 4.0


def test_a_caller_that_gave_up_has_no_fault_of_its_own(lab: Lab) -> None:
    came = lab.under("mid→back: delay 1s", path="/call/through")
    (above,) = (call for call in came.calls if call.source == "front")
    assert (above.injected, above.raised) == (None, "requests.exceptions.ReadTimeout")
    assert all(call.injected for call in came.calls if call.source == "mid")


@pytest.mark.parametrize("client", ["requests", "aiohttp", "grpc"])
def test_real_latency_is_waited_for(lab: Lab, client: str) -> None:
    path = f"/call/once/{client}"
    came = lab.under("front→back: delay 200ms", path=path, real_latency=True)
    assert (came.said, came.calls[0].delayed) == ({"answer": ITEM}, 0.0)
    assert came.execution.seconds >= 0.2


FRAMES = st.sampled_from([b"a" * 16, b"b" * 16])
MOMENTS = st.builds(Moment, FRAMES, st.integers(0, 10**9), st.booleans())


@given(known=st.lists(MOMENTS), frame=FRAMES, order=st.randoms(use_true_random=False))
def test_the_order_in_which_moments_come_home_is_no_matter(
    known: list[Moment], frame: bytes, order: object
) -> None:
    mixed = [*known]
    order.shuffle(mixed)  # type: ignore[attr-defined]
    assert took(mixed, frame) == took(known, frame)
    encoded = [moment.encoded() for moment in known]
    assert moments([*encoded, b"none", 7]) == known


@given(micros=st.integers(0, 10**9), timeout=st.none() | st.floats(0, 1000))
def test_who_sets_no_timeout_waits_for_ever_and_nothing_is_too_late_at_once(
    micros: int, timeout: float | None
) -> None:
    assert not is_late(micros, None)
    assert not is_late(0, timeout)


def test_an_execution_takes_its_calls_and_the_longest_of_its_branches() -> None:
    def seen(name: str, role: Role, parent: str, position: int, delayed: float) -> Observation:
        index, above = (each.encode().ljust(16, b"\0") for each in (name, parent))
        return Observation(role=role, index=index, parent=above, position=position, delayed=delayed)

    tree = build(
        [
            seen("a", Role.CALL, "", 0, 1.0),
            seen("b", Role.BRANCH, "", 1, 0.0),
            seen("c", Role.CALL, "b", 0, 3.0),
            seen("d", Role.BRANCH, "", 2, 0.0),
            seen("e", Role.CALL, "d", 0, 2.0),
            seen("f", Role.CALL, "", 3, 0.5),
        ]
    )
    assert simulated(tree) == 4.5


@pytest.fixture(scope="module")
def coordinator() -> Iterator[Coordinator]:
    with coordinated() as running:
        yield running


def bounds(tree: Tree, index: bytes) -> tuple[float, float]:
    """Return the least and the most seconds that what is within an index can have taken.

    The most is for one thing after the other, the least for branches that nobody waited for.
    """
    calls = sum(each.delayed for each in tree.within(index) if each.role is Role.CALL)
    branches = [each.index for each in tree.within(index) if each.role is Role.BRANCH]
    return calls, calls + sum(bounds(tree, branch)[1] for branch in branches)


@example(seed=4041, order=Random(1))
@given(seed=st.integers(0, 100_000), order=st.randoms(use_true_random=False))
def test_every_call_takes_what_is_within_it_and_ends_at_its_timeout(
    coordinator: Coordinator, seed: int, order: Random
) -> None:
    network = Network(generated(seed), coordinator)
    calls = [c for c in build(network.run().observations).calls if not c.by_test]
    chosen = order.sample(calls, min(len(calls), 4))
    delays = {c.index: order.choice([0.1, 0.5, 1.0, 2.5]) for c in chosen}
    faults = (PlannedFault(i, Fault(FaultKind.DELAY, seconds=s)) for i, s in delays.items())
    ran = network.run(Plan(tuple(faults)))
    tree = build(ran.observations)
    assert ran.fired == delays.keys() & tree.paths.keys()
    for call in tree.calls:
        least, most = (delays.get(call.index, 0.0) + each for each in bounds(tree, call.index))
        limit = math.inf if call.timeout is None else call.timeout
        assert min(limit, least) - TINY <= call.delayed <= min(limit, most) + TINY
        assert (call.raised is not None and "TooLate" in call.raised) == (call.delayed >= limit)
