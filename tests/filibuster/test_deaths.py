"""What is told of an execution that a service did not survive, and what is concluded from it."""

from __future__ import annotations

from dataclasses import replace

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster.cli.picture import faults_of
from metaapps.filibuster.explore import Fate, amiss, completeness
from metaapps.filibuster.explore.completeness import unfired
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.index import ROOT, child
from metaapps.filibuster.observation import Death, Execution, Failure, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.reduce import Predictor
from metaapps.filibuster.store.encoding import (
    decode_execution,
    encode_observations,
    encode_rest,
)
from metaapps.filibuster.tree import build

REFUSED = Fault(FaultKind.REFUSED)
ENDED = Death("shop", "signal SIGKILL")


def call(source: str, target: str, parent: bytes, position: int = 0) -> Observation:
    seen = Observation(
        role=Role.CALL,
        index=b"",
        parent=parent,
        position=position,
        source=source,
        target=target,
        by_test=parent == ROOT,
        library="requests",
        operation="GET /",
        site=CallSite("app", source),
        occurrence=1,
        status=200,
        digest=b"same",
    )
    return replace(seen, index=child(parent, seen.frame))


TOP = call("test", "shop", ROOT)
BELOW = call("shop", "bank", TOP.index, 1)
BROKEN = replace(TOP, raised="ConnectionError", status=None, ok=False, digest=None)
FAILED = replace(BELOW, raised="ConnectionError", status=None, ok=False, digest=None)
HIT = replace(FAILED, injected=REFUSED)
PLAN = Plan((PlannedFault(BELOW.index, REFUSED, "bank", "shop → bank GET /: refused"),))


def died(*seen: Observation, plan: Plan = PLAN) -> Execution:
    failure = Failure(f"{ENDED} while this execution ran")
    return Execution(plan, seen, failure, deaths=(ENDED,))


def test_a_fault_that_was_told_of_has_fired_though_its_service_ended() -> None:
    execution = died(BROKEN, HIT)
    assert completeness(PLAN, execution, build(execution.observations)) == (Fate.FIRED,)
    assert faults_of(execution) == "shop → bank GET /: ConnectionError"


def test_of_a_fault_that_nobody_told_of_nothing_is_known() -> None:
    execution = died(BROKEN)
    fates = completeness(PLAN, execution, build(execution.observations))
    assert fates == (Fate.UNKNOWN,)
    assert faults_of(execution) == "shop → bank GET /: refused (unknown: a service ended)"
    (found,) = unfired(PLAN, fates)
    assert found.kind is FindingKind.LOST
    assert found.text.endswith("whether it happened isn't known: a service ended that could tell")
    other = replace(PLAN.faults[0], index=bytes(16))
    told = faults_of(died(BROKEN, plan=PLAN.with_fault(other)))
    ends = [part.rpartition(" (index ")[2] for part in told.split(" + ")]
    assert ends == [f"{each.hex()[:12]})" for each in (BELOW.index, other.index)]
    further = Plan((replace(PLAN.faults[0], optional=True),))
    assert list(unfired(further, fates)) == []


def test_gaps_have_one_reason_and_are_said_once() -> None:
    execution = died(BROKEN, HIT)  # its event at position 0 is missing
    tree = build(execution.observations)
    alive = replace(execution, deaths=())
    assert {each.kind for each in amiss(alive, tree)} == {FindingKind.INCOMPLETE}
    (found,) = amiss(execution, tree)
    assert (found.kind, "'shop'" in found.text) == (FindingKind.UNSEEN, True)


def test_nothing_is_predicted_from_an_execution_that_a_service_did_not_survive() -> None:
    survived = Execution(FAULT_FREE, (TOP, replace(BELOW, position=0)))
    for execution, known in ((survived, True), (replace(survived, deaths=(ENDED,)), False)):
        predictor = Predictor()
        predictor.learn(1, execution, build(execution.observations))
        assert (predictor.predict(FAULT_FREE) is not None) is known


def test_deaths_are_stored_with_their_execution() -> None:
    for execution in (died(BROKEN, HIT), Execution(PLAN, (TOP, HIT))):
        rest, seen = encode_rest(execution), encode_observations(execution.observations)
        assert decode_execution(PLAN, rest, seen) == execution
