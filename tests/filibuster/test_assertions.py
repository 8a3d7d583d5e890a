"""Assertions are true once a fault was hit, false before, and harmless without filibuster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from baggage.boundary import Fault, FaultKind
from baggage.context import Branch, attached
from baggage.values import EMPTY
from metaapps.filibuster import reporting
from metaapps.filibuster.assertions import was_fault_injected, was_fault_injected_on
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.index import DIGEST_SIZE, ROOT
from metaapps.filibuster.lineage import ROOT as TEST
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import LINEAGE, ORDERS, SEEN, Orders
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.wire import (
    decode_observations,
    encode_lineage,
    encode_observation,
    encode_orders,
)
from tests.filibuster.shell import Shell, Totals

REFUSED = Fault(FaultKind.REFUSED)
KEY = b"a key"
INDEX = b"1" * DIGEST_SIZE
HIT = Observation(
    role=Role.CALL,
    index=INDEX,
    parent=ROOT,
    position=9,
    source="foo",
    target="bar",
    injected=REFUSED,
)
PLAN = Plan((PlannedFault(INDEX, REFUSED, "bar"),))

ASKS = """
import os, requests
from metaapps.filibuster.assertions import was_fault_injected, was_fault_injected_on

def test_asks():
    assert not was_fault_injected()
    text = requests.get(os.environ["LAB_URL"] + "/once", timeout=300).text
    hit = text != "once"
    assert was_fault_injected() is hit
    assert was_fault_injected_on("echo") is hit
    assert not was_fault_injected_on("lab")
    assert not was_fault_injected_on("nobody")

if __name__ == "__main__":
    test_asks()
"""


def test_a_test_is_told_what_was_hit(lab: Shell) -> None:
    lab.write("test_asks.py", ASKS)
    ended = lab.filibuster("--functional-test", "test_asks.py")
    assert ended.code == 0, ended.out
    assert ended.totals == Totals(6, ran=6, pruned=0, remaining=0)
    assert ended.out.count("asked: was a fault injected on echo? yes") == 5
    assert ended.out.count("asked: was a fault injected on echo? no") == 1


IN_A_THREAD = """
import os, threading, requests
from metaapps.filibuster.assertions import was_fault_injected

def test_asks_in_a_thread():
    hit = requests.get(os.environ["LAB_URL"] + "/once", timeout=300).text != "once"
    answers = []
    thread = threading.Thread(target=lambda: answers.append(was_fault_injected()))
    thread.start()
    thread.join()
    assert answers == [hit]
"""


def test_a_thread_of_a_test_is_told_what_was_hit_before(lab: Shell) -> None:
    lab.write("test_asks.py", IN_A_THREAD)
    assert lab.filibuster("--functional-test", "test_asks.py").code == 0


def test_alone_a_test_is_told_that_nothing_was(lab: Shell) -> None:
    lab.write("test_asks.py", ASKS)
    ended = lab.run(sys.executable, "test_asks.py")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("inherited", ["", "garbage", "tenant=acme"])
def test_without_orders_nothing_was_injected(
    inherited: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAGGAGE", inherited)
    assert not was_fault_injected()
    assert not was_fault_injected_on("bar")


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Coordinator]:
    monkeypatch.setenv("FILIBUSTER_KEY", KEY.decode())
    with Coordinator(KEY) as running:
        running.open("e")
        yield running


def carrying(coordinator: Coordinator, plan: Plan = PLAN) -> Branch:
    orders = Orders("e", plan, coordinator=coordinator.address)
    down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(TEST)}
    return Branch(EMPTY.with_down(down))


def test_planned_is_not_hit(coordinator: Coordinator) -> None:
    with attached(carrying(coordinator)):
        assert not was_fault_injected()
        assert not was_fault_injected_on("bar")


def test_what_came_home_was_hit(coordinator: Coordinator) -> None:
    with attached(carrying(coordinator)) as branch:
        branch.pack(SEEN, encode_observation(HIT))
        assert was_fault_injected()
        assert was_fault_injected_on("bar")
        assert not was_fault_injected_on("foo")


def test_what_went_to_the_coordinator_was_hit(coordinator: Coordinator) -> None:
    orders = Orders("e", coordinator=coordinator.address, key=KEY)
    reporting.report(orders, [encode_observation(HIT)])
    with attached(carrying(coordinator)):
        assert was_fault_injected()
        assert was_fault_injected_on("bar")
        assert not was_fault_injected_on("foo")


def test_nobody_is_asked_about_a_plan_without_faults() -> None:
    with Coordinator(KEY) as gone:
        pass
    with attached(carrying(gone, Plan())):
        assert not was_fault_injected()


def test_questions_are_part_of_what_was_seen(coordinator: Coordinator) -> None:
    with attached(carrying(coordinator)) as branch:
        was_fault_injected()
        was_fault_injected_on("bar")
        branch.pack(SEEN, encode_observation(replace(HIT, position=2)))
        was_fault_injected_on("bar")
    seen = sorted(decode_observations(branch.unpack(SEEN)), key=lambda one: one.position)
    asked = [(one.position, one.target, one.ok) for one in seen if one.role is Role.ASK]
    assert asked == [(0, "", False), (1, "bar", False), (2, "bar", True)]
