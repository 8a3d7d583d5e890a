"""What executions teach, and what they don't."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.explore import planned_fault
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import ROOT, child
from metaapps.filibuster.observation import Execution, Failure, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.reduce import Prediction, Predictor
from metaapps.filibuster.tree import build
from tests.filibuster.synthetic import Application, Broken, Reply, Scope, Service, Test

DOWN = Fault(FaultKind.STATUS, status=503)
REFUSED = Fault(FaultKind.REFUSED)


class Lessons:
    """A predictor that learns an application, plan by plan; calls are named by their targets."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.predictor = Predictor()
        self.findings: list[Finding] = []
        self.learnt: list[Execution] = []

    def run(self, plan: Plan = FAULT_FREE) -> Execution:
        execution = self.application.run(plan)
        self.learn(execution)
        return execution

    def learn(self, execution: Execution) -> None:
        self.learnt.append(execution)
        tree = build(execution.observations)
        self.findings += self.predictor.learn(len(self.learnt), execution, tree)

    def plan(self, *targets: str, fault: Fault = DOWN) -> Plan:
        """Return a plan that fails the first calls to these targets that were ever seen."""
        plan = FAULT_FREE
        for target in targets:
            plan = plan.with_fault(planned_fault(self.seen(target), fault))
        return plan

    def seen(self, target: str) -> Observation:
        every = (o for execution in self.learnt for o in execution.observations)
        return next(o for o in every if o.role is Role.CALL and o.target == target)

    def predict(self, plan: Plan) -> Prediction | None:
        return self.predictor.predict(plan)

    def exactly(self, plan: Plan) -> tuple[int, ...]:
        """Return who predicts a plan, after comparing the prediction with a run."""
        predicted = self.predict(plan)
        assert predicted is not None
        real = self.application.run(plan)
        assert read(predicted.execution) == read(real)
        assert predicted.execution.failure == real.failure
        assert predicted.execution.plan == plan
        return predicted.predicted_by


def read(execution: Execution) -> frozenset[Observation]:
    return frozenset(replace(o, digest=None) if not o.ok else o for o in execution.observations)


def leaf(scope: Scope, operation: str, payload: bytes) -> Reply:
    return Reply(200, b"leaf")


def calling(*targets: str, streamed: bool = False) -> Service:
    """A service that calls others in order and tells only whether all went well."""

    def serve(scope: Scope, operation: str, payload: bytes) -> Reply:
        fine = True
        for target in targets:
            try:
                fine &= scope.call(target, f"GET /{target}", streamed=streamed).ok
            except Broken:
                fine = False
        return Reply(200 if fine else 503, b"fine")

    return serve


def asking(*targets: str) -> Test:
    def test(scope: Scope) -> None:
        for target in targets:
            reply = scope.call(target, f"GET /{target}", function="test")
            assert reply.status != 500, "500"

    return test


def chain() -> Lessons:
    """Test → a → b → c."""
    services = {"a": calling("b"), "b": calling("c"), "c": leaf}
    return Lessons(Application(services, asking("a")))


def test_nothing_is_predicted_before_anything_is_learnt() -> None:
    assert Predictor().predict(FAULT_FREE) is None


def test_what_was_run_is_predicted_by_itself() -> None:
    lessons = chain()
    lessons.run()
    assert lessons.exactly(FAULT_FREE) == (1,)
    lessons.run(lessons.plan("c"))
    assert lessons.exactly(lessons.plan("c")) == (1, 2)


def test_a_failure_looks_the_same_injected_or_passed_on() -> None:
    lessons = chain()
    lessons.run()
    assert lessons.predict(lessons.plan("b")) is None
    lessons.run(lessons.plan("c", fault=REFUSED))
    assert lessons.exactly(lessons.plan("b")) == (1, 2)


def test_a_fault_without_a_name_is_not_predicted_before_it_was_seen() -> None:
    lessons = chain()
    lessons.run()
    lessons.run(lessons.plan("c", fault=DOWN))
    late = lessons.plan("c", fault=Fault(FaultKind.TIMEOUT))
    assert lessons.predict(late) is None
    lessons.run(late)
    assert lessons.exactly(late) == (1, 2, 3)


def test_a_named_exception_is_known_beforehand() -> None:
    lessons = chain()
    lessons.run()
    lessons.run(lessons.plan("c", fault=REFUSED))
    name = "requests.exceptions.ConnectionError"
    named = lessons.plan("c", fault=Fault(FaultKind.RAISE, name=name))
    assert lessons.exactly(named) == (1, 2)


def test_a_fault_that_looks_now_so_and_now_so_is_not_predicted() -> None:
    lessons = chain()
    lessons.run()
    first = lessons.run(lessons.plan("c", fault=REFUSED))
    changed = tuple(
        replace(o, raised="Other") if o.injected is not None else o for o in first.observations
    )
    lessons.learn(replace(first, observations=changed))
    assert lessons.predict(lessons.plan("c", fault=REFUSED)) is None


def test_a_fault_below_which_calls_were_made_is_not_predicted() -> None:
    lessons = chain()
    free = lessons.run()
    after = tuple(
        replace(o, injected=DOWN, status=503, ok=False) if o.target == "b" else o
        for o in free.observations
    )
    lessons.learn(Execution(lessons.plan("b"), after))
    assert lessons.predict(lessons.plan("b")) is None


def test_equal_requests_are_one_wherever_they_come_from() -> None:
    """Both a and b call c; how c ends when d fails is learnt below a and used below b."""
    services = {"a": calling("c"), "b": calling("c"), "c": calling("d"), "d": leaf}
    lessons = Lessons(Application(services, asking("a", "b")))
    free = lessons.run()
    tree = build(free.observations)
    below_a, below_b = (o for o in tree.calls if o.target == "d")
    _, second = (o for o in tree.calls if o.target == "c")
    lessons.run(Plan((planned_fault(below_a, DOWN),)))
    lessons.run(Plan((planned_fault(second, DOWN),)))
    assert lessons.exactly(Plan((planned_fault(below_b, DOWN),))) == (1, 2, 3)


def test_requests_that_differ_in_content_are_not_one() -> None:
    def by_content(scope: Scope, operation: str, payload: bytes) -> Reply:
        ok = scope.call("d", "GET /d").ok
        return Reply(200 if ok or payload == b"1" else 503, payload)

    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        replies = [scope.call("c", "GET /c", content) for content in (b"1", b"2")]
        return Reply(200 if all(reply.ok for reply in replies) else 500, b"")

    lessons = Lessons(Application({"a": top, "c": by_content, "d": leaf}, asking("a")))
    free = lessons.run()
    lessons.run(lessons.plan("d"))
    others = [o for o in free.observations if o.target == "d" and o != lessons.seen("d")]
    assert lessons.predict(Plan((planned_fault(others[0], DOWN),))) is None


def test_requests_that_differ_in_operation_are_not_one() -> None:
    def by_operation(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, operation.encode())

    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, b"".join(scope.call("c", f"GET /{name}").body for name in "cd"))

    lessons = Lessons(Application({"a": top, "c": by_operation}, asking("a")))
    lessons.run()
    assert not lessons.findings
    assert lessons.exactly(FAULT_FREE) == (1,)


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_without_a_digest_must_be_run(streamed: bool) -> None:
    services = {"a": calling("b", "c", streamed=streamed), "b": leaf, "c": leaf}
    lessons = Lessons(Application(services, asking("a")))
    lessons.run()
    assert (lessons.predict(FAULT_FREE) is None) is streamed
    assert not lessons.findings


def test_a_request_of_unknown_content_follows_from_its_caller() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        scope.call("b", "GET /b")
        return Reply(200 if scope.call("c", "GET /c", streamed=True).ok else 503, b"")

    services = {"a": top, "b": leaf, "c": calling("d"), "d": leaf}
    lessons = Lessons(Application(services, asking("a")))
    lessons.run()
    lessons.run(lessons.plan("d"))
    assert lessons.exactly(lessons.plan("d")) == (1, 2)
    assert lessons.predict(lessons.plan("b", "d")) is None


def test_a_branch_counts_with_all_that_happened_in_it() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        scope.branch(lambda inner: inner.call("b", "GET /b"))
        scope.branch(lambda inner: inner.branch(lambda deeper: deeper.call("c", "GET /c")))
        return Reply(200, b"whatever")

    lessons = Lessons(Application({"a": top, "b": leaf, "c": leaf}, asking("a")))
    lessons.run()
    assert lessons.exactly(FAULT_FREE) == (1,)
    assert lessons.predict(lessons.plan("b")) is None
    lessons.run(lessons.plan("b"))
    lessons.run(lessons.plan("c"))
    assert lessons.exactly(lessons.plan("b")) == (1, 2)
    assert lessons.predict(lessons.plan("b", "c")) is None


def questioned(target: str) -> Lessons:
    def test(scope: Scope) -> None:
        reply = scope.call("a", "GET /a", function="test")
        assert reply.ok or scope.ask(target), "failed by itself"

    services = {"a": calling("b"), "b": calling("c"), "c": leaf}
    return Lessons(Application(services, test))


def test_a_question_about_any_fault_has_one_answer_for_equal_outcomes() -> None:
    lessons = questioned("")
    lessons.run()
    lessons.run(lessons.plan("c"))
    assert lessons.exactly(lessons.plan("b")) == (1, 2)


def test_a_question_about_a_service_follows_the_faults_that_were_hit() -> None:
    lessons = questioned("c")
    lessons.run()
    assert lessons.run(lessons.plan("c")).passed
    assert lessons.predict(lessons.plan("b")) is None
    assert not lessons.run(lessons.plan("b")).passed
    assert lessons.exactly(lessons.plan("b"))
    assert lessons.exactly(lessons.plan("c"))


def test_a_question_that_is_answered_otherwise_than_by_the_faults_is_not_relied_upon() -> None:
    lessons = questioned("")
    lessons.run()
    real = lessons.application.run(lessons.plan("c"))
    wrong = tuple(replace(o, ok=False) if o.role is Role.ASK else o for o in real.observations)
    lessons.learn(replace(real, observations=wrong, failure=Failure("failed by itself")))
    assert [f.kind for f in lessons.findings] == [FindingKind.NONDETERMINISTIC]
    assert "may come later than the question" in lessons.findings[0].text
    assert lessons.predict(lessons.plan("c")) is None


def test_contradictions_are_reported_once_and_unknown_from_then_on() -> None:
    lessons = chain()
    free = lessons.run()
    other = tuple(replace(o, digest=b"other") if o.target == "c" else o for o in free.observations)
    for _ in range(2):
        lessons.learn(replace(free, observations=other))
    assert len(lessons.findings) == 1
    assert "b → c GET /c answered differently in executions 1 and 2" in str(lessons.findings[0])
    lessons.run()
    assert lessons.predict(FAULT_FREE) is None
    assert len(lessons.findings) == 1


def test_the_verdict_must_follow_from_what_the_test_saw() -> None:
    lessons = chain()
    free = lessons.run()
    lessons.learn(replace(free, failure=Failure("by chance")))
    (finding,) = lessons.findings
    assert finding.text.startswith(
        "the test: fails (by chance) in execution 2, but passes in execution 1, after"
    )
    assert lessons.predict(FAULT_FREE) is None


def test_details_of_a_failure_may_differ() -> None:
    lessons = chain()
    free = lessons.run()
    for details in ("line 1", "line 2"):
        lessons.learn(Execution(FAULT_FREE, free.observations, Failure("500", details)))
    assert len(lessons.findings) == 1  # passing and failing; not the two failures


@pytest.mark.parametrize("lost", ["b", "c"])
def test_an_execution_with_lost_observations_predicts_nothing(lost: str) -> None:
    """Without c there is a gap before b; without b, only its own call shows that it was there."""
    services = {"a": calling("c", "b"), "b": calling("d"), "c": leaf, "d": leaf}
    lessons = Lessons(Application(services, asking("a")))
    free = lessons.application.run(FAULT_FREE)
    kept = tuple(o for o in free.observations if o.target != lost)
    lessons.learn(replace(free, observations=kept))
    assert lessons.predict(FAULT_FREE) is None


def test_after_a_gap_the_rest_of_the_execution_still_teaches() -> None:
    services = {"a": calling("b", "c"), "b": leaf, "c": calling("d", "e"), "d": leaf, "e": leaf}
    lessons = Lessons(Application(services, asking("a")))
    lessons.run()
    second = lessons.application.run(lessons.plan("b"))
    kept = tuple(o for o in second.observations if o.target != "d")
    lessons.learn(replace(second, observations=kept))
    assert lessons.exactly(lessons.plan("b")) == (1, 2)


def test_a_prediction_in_which_a_planned_fault_does_not_happen_is_none() -> None:
    lessons = chain()
    lessons.run()
    nowhere = replace(lessons.seen("c"), index=child(ROOT, lessons.seen("c").frame))
    assert lessons.predict(Plan((planned_fault(nowhere, DOWN),))) is None


def test_a_target_that_one_execution_did_not_learn_is_taken_from_another() -> None:
    lessons = chain()
    free = lessons.run()
    nameless = tuple(replace(o, target="") if o.target == "c" else o for o in free.observations)
    lessons.learn(replace(free, observations=nameless))
    assert not lessons.findings
    assert lessons.exactly(FAULT_FREE) == (1,)


def test_recursion_without_end_is_given_up() -> None:
    """A service that asks itself the same has been seen only with that inner call failed."""
    lessons = chain()
    free = lessons.run()
    outer, inner = lessons.seen("b"), lessons.seen("c")
    again = replace(
        inner, target="b", operation=outer.operation, injected=DOWN, status=503, ok=False
    )
    rest = (o for o in free.observations if o.index != inner.index)
    lessons = chain()
    lessons.learn(replace(free, observations=(*rest, again)))
    assert lessons.predict(FAULT_FREE) is None


def test_calls_nested_deeper_than_the_bound_are_not_predicted_and_do_no_harm() -> None:
    def down(scope: Scope, operation: str, payload: bytes) -> Reply:
        left = int(payload or b"150")
        return scope.call("a", "GET /a", b"%d" % (left - 1)) if left else Reply(200, b"deep")

    lessons = Lessons(Application({"a": down}, asking("a")))
    lessons.run()
    assert not lessons.findings
    assert lessons.predict(FAULT_FREE) is None


def test_another_librarys_view_of_an_answer_is_its_own() -> None:
    services = {"a": calling("c"), "b": calling("c"), "c": leaf}
    lessons = Lessons(Application(services, asking("a", "b")))
    free = lessons.application.run(FAULT_FREE)
    parents = {o.target: o.index for o in free.observations}
    mixed = tuple(
        replace(o, library="grpc", digest=b"other words") if o.parent == parents["b"] else o
        for o in free.observations
    )
    lessons.learn(replace(free, observations=mixed))
    assert not lessons.findings
    predicted = lessons.predict(FAULT_FREE)
    assert predicted is not None
    assert frozenset(predicted.execution.observations) == frozenset(mixed)
