"""What another branch does because of a failure is failed too, and what can't be seen is said."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from threading import Timer

from baggage.boundary import CallSite
from metaapps.filibuster.catalogue import DEFAULT
from metaapps.filibuster.coordinator import Inbox
from metaapps.filibuster.explore import Ran, explore
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.index import ROOT, BranchFrame, child
from metaapps.filibuster.observation import Execution, Failure, Observation, Role, open_branches
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import NoReduction, Predictor


def a_call(operation: str, parent: bytes, position: int, *, by_test: bool = False) -> Observation:
    seen = Observation(
        role=Role.CALL,
        index=b"",
        parent=parent,
        position=position,
        source="shop",
        target=operation,
        by_test=by_test,
        library="requests",
        method="get",
        operation=operation,
        site=CallSite("app", operation),
        occurrence=1,
        status=200,
        digest=b"same",
    )
    return replace(seen, index=child(parent, seen.frame))


TOP = a_call("shop", ROOT, 0, by_test=True)
BRANCH = Observation(
    role=Role.BRANCH,
    index=child(TOP.index, BranchFrame(1)),
    parent=TOP.index,
    position=0,
    source="shop",
    occurrence=1,
)
MAIN = a_call("price", TOP.index, 1)
FALLBACK = a_call("cache", BRANCH.index, 0)


def waiting_thread(plan: Plan) -> Execution:
    """A thread that was started before the call to price asks the cache if price fails."""

    def tried(call: Observation) -> Observation:
        fault = plan.fault_for(call.index)
        if fault is None:
            return call
        return replace(call, injected=fault, status=503, ok=False, digest=None)

    main_call = tried(MAIN)
    calls = [TOP, BRANCH, main_call]
    failed = main_call.injected is not None
    if failed:
        calls.append(tried(FALLBACK))
    both = failed and calls[-1].injected is not None
    return Execution(plan, tuple(calls), Failure("both failed") if both else None)


def test_a_call_that_another_branch_makes_because_of_a_failure_is_failed_too() -> None:
    for reducer in (NoReduction(), Predictor()):
        events = list(explore(waiting_thread, DEFAULT, reducer))
        failures = [e for e in events if isinstance(e, Ran) and not e.execution.passed]
        assert failures
        assert {len(event.execution.plan.faults) for event in failures} == {2}


def test_an_execution_waits_for_its_branches_to_end() -> None:
    inbox = Inbox()
    end = replace(BRANCH, role=Role.END)
    inbox.put((BRANCH,))
    assert open_branches(inbox.settle(0)) == (BRANCH,)
    Timer(0.05, inbox.put, ((FALLBACK, end),)).start()
    heard = inbox.settle(30)
    assert FALLBACK in heard
    assert not open_branches(heard)


def test_different_observations_of_one_call_are_all_kept() -> None:
    inbox = Inbox()
    other = replace(MAIN, status=404)
    inbox.put((MAIN, other, MAIN))
    assert inbox.settle(0) == (MAIN, other)


def test_a_branch_that_does_not_end_and_a_call_that_fails_by_itself_are_reported() -> None:
    broken = replace(MAIN, raised="requests.exceptions.ReadTimeout", status=None, ok=False)

    def run(plan: Plan) -> Execution:
        return Execution(plan, (TOP, BRANCH, broken), unfinished=(BRANCH,))

    first = next(iter(explore(run, DEFAULT, Predictor())))
    assert isinstance(first, Ran)
    unseen = [f.index for f in first.findings if f.kind is FindingKind.UNSEEN]
    assert unseen == [BRANCH.index, MAIN.index]


def test_what_a_call_did_that_failed_by_itself_is_never_predicted() -> None:
    predictor = Predictor()
    runs = count(1)

    def run(plan: Plan) -> Execution:
        next(runs)
        late = replace(MAIN, raised="requests.exceptions.ReadTimeout", status=None, ok=False)
        fault = plan.fault_for(FALLBACK.index)
        after = a_call("stock", TOP.index, 1)
        price = replace(late, position=0)
        tried = plan.fault_for(after.index)
        if tried is not None:
            after = replace(after, injected=tried, status=503, ok=False, digest=None)
        assert fault is None
        return Execution(plan, (TOP, price, after))

    events = list(explore(run, DEFAULT, predictor))
    assert all(isinstance(event, Ran) for event in events[:-1])
