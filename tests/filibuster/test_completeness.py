"""What became of a planned fault that did not happen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster.explore import Fate, completeness, explore, planned_fault
from metaapps.filibuster.explore.completeness import unfired
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.index import ROOT, BranchFrame, child
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import NoReduction
from metaapps.filibuster.tree import build
from tests.filibuster.searching import DOWN, DOWN_FAULT, ran


def a_call(target: str, parent: bytes, position: int, *, by_test: bool = False) -> Observation:
    seen = Observation(
        role=Role.CALL,
        index=b"",
        parent=parent,
        position=position,
        source="test" if by_test else "foo",
        target=target,
        by_test=by_test,
        library="requests",
        method="get",
        operation=f"GET /{target}",
        site=CallSite("app", target),
        occurrence=1,
        status=200,
        digest=b"same",
    )
    return replace(seen, index=child(parent, seen.frame))


FOO = a_call("foo", ROOT, 0, by_test=True)
BAR = a_call("bar", FOO.index, 0)
BAZ = a_call("baz", FOO.index, 1)
INNER = a_call("inner", BAZ.index, 0)
PLAN = Plan((planned_fault(BAZ, DOWN_FAULT),))
FAILED = replace(BAZ, injected=DOWN_FAULT, status=503, ok=False, digest=None)
BRANCH = Observation(
    role=Role.BRANCH,
    index=child(FOO.index, BranchFrame(1)),
    parent=FOO.index,
    position=1,
    source="foo",
    occurrence=1,
)


def fate(*seen: Observation, unfinished: tuple[Observation, ...] = ()) -> Fate:
    execution = Execution(PLAN, seen, unfinished=unfinished)
    (found,) = completeness(PLAN, execution, build(seen))
    return found


def test_a_fault_that_was_enacted_has_fired() -> None:
    assert fate(FOO, BAR, FAILED) is Fate.FIRED


def test_without_the_call_and_with_all_the_rest_it_was_unreachable() -> None:
    assert fate(FOO, BAR) is Fate.UNREACHABLE


def test_a_call_that_went_through_refused_its_fault() -> None:
    assert fate(FOO, BAR, BAZ) is Fate.REFUSED


def test_what_was_made_within_a_call_shows_that_its_report_is_lost() -> None:
    assert fate(FOO, BAR, INNER) is Fate.LOST


def test_where_a_report_is_missing_it_may_be_that_of_the_call() -> None:
    assert fate(FOO, replace(BAR, position=1)) is Fate.LOST


def test_a_branch_that_did_not_end_may_have_made_the_call() -> None:
    assert fate(FOO, BAR, BRANCH) is Fate.UNREACHABLE
    assert fate(FOO, BAR, BRANCH, unfinished=(BRANCH,)) is Fate.LOST


def test_nobody_knows_what_a_callee_did_that_gave_no_answer() -> None:
    broken = replace(BAR, raised="requests.exceptions.ReadTimeout", status=None, ok=False)
    assert fate(FOO, broken) is Fate.LOST


def test_a_call_that_can_not_be_told_from_another_is_lost() -> None:
    assert fate(FOO, BAR, BAZ, replace(BAZ, status=404)) is Fate.LOST


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (Fate.UNREACHABLE, FindingKind.UNREACHABLE),
        (Fate.LOST, FindingKind.LOST),
        (Fate.REFUSED, FindingKind.MISSED),
    ],
)
def test_each_is_a_finding_of_its_own_that_names_the_fault(found: Fate, kind: FindingKind) -> None:
    (finding,) = unfired(PLAN, [found])
    assert finding.kind is kind
    assert finding.index == BAZ.index
    assert "foo → baz GET /baz: status 503" in finding.text


def test_only_what_was_not_made_is_excused_where_that_is_explained() -> None:
    assert [*unfired(PLAN, [Fate.UNREACHABLE], {BAZ.index})] == []
    assert len([*unfired(PLAN, [Fate.LOST], {BAZ.index})]) == 1
    optional = Plan((replace(PLAN.faults[0], optional=True),))
    assert [*unfired(optional, [Fate.UNREACHABLE])] == []


def test_an_answer_in_which_there_is_nothing_to_edit_is_no_finding() -> None:
    edit = Fault(FaultKind.BODY, edit="null price")
    plan = Plan((planned_fault(BAZ, edit),))
    assert [*unfired(plan, [Fate.REFUSED])] == []
    assert [*unfired(plan, [Fate.UNREACHABLE])] != []


def test_every_execution_comes_with_the_fates_of_its_faults() -> None:
    events = list(explore(lambda plan: answered(plan, enacting=True), DOWN, NoReduction()))
    assert [event.fates for event in ran(events)] == [
        (),
        (Fate.FIRED,),
        (Fate.FIRED,),
        (Fate.FIRED, Fate.FIRED),
    ]


def test_faults_that_nothing_enacts_are_findings_of_every_execution() -> None:
    events = list(explore(lambda plan: answered(plan, enacting=False), DOWN, NoReduction()))
    kinds = [{finding.kind for finding in event.findings} for event in ran(events)]
    assert kinds == [set(), {FindingKind.MISSED}, {FindingKind.MISSED}]


def answered(plan: Plan, *, enacting: bool) -> Execution:
    def tried(call: Observation) -> Observation:
        fault: Fault | None = plan.fault_for(call.index)
        if fault is None or not enacting:
            return call
        assert fault.kind is FaultKind.STATUS
        return replace(call, injected=fault, status=503, ok=False, digest=None)

    return Execution(plan, (FOO, tried(BAR), tried(BAZ)))
