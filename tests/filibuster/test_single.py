"""Faults by hand: all of them act at every call that they fit, and none passes for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from metaapps.filibuster.catalogue import RuleError, parse_rule
from metaapps.filibuster.cli.outcome import ExitCode, JobError
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.single import run_single, wanted_rules
from metaapps.filibuster.observation import Execution, Failure
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.single import MOST_RUNS, settle
from tests.filibuster.synthetic import Application, Broken, Reply, Scope

DOWN = Reply(503)


def application(attempts: int = 1) -> Application:
    """A shop that asks its stock (which asks a depot) several times, and then the press."""

    def shop(scope: Scope, operation: str, payload: bytes) -> Reply:
        for _ in range(attempts):
            answer = scope.call("stock", "GET /apples")
            if answer.ok:
                break
        else:
            scope.call("log", "POST /sorry")
            return DOWN
        return scope.call("press", "POST /news")

    def stock(scope: Scope, operation: str, payload: bytes) -> Reply:
        return scope.call("depot", "GET /apples/left")

    def plain(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply()

    def test(scope: Scope) -> None:
        assert scope.call("shop", "GET /").ok

    services = {"shop": shop, "stock": stock, "depot": plain, "press": plain, "log": plain}
    return Application(services, test)


def settled(app: Application, *texts: str) -> list[Execution]:
    return list(settle(app.run, [parse_rule(text) for text in texts]))


def labels(execution: Execution) -> list[str]:
    return [planned.label for planned in execution.plan.faults]


def test_a_rule_acts_at_the_call_that_it_names() -> None:
    first, last = settled(application(), "stock→depot: status 503")
    assert (labels(first), first.passed) == ([], True)
    assert labels(last) == ["stock → depot GET /apples/left: status 503"]
    assert not last.passed


def test_a_rule_acts_at_calls_that_are_made_only_because_of_it() -> None:
    *_, last = settled(application(3), "shop→stock: status 503")
    assert labels(last) == [
        "shop → stock GET /apples: status 503",
        "shop → stock GET /apples #2: status 503",
        "shop → stock GET /apples #3: status 503",
    ]
    assert not last.passed


@given(attempts=st.integers(1, 6), fail=st.integers(1, 7))
def test_when_the_first_attempts_fail_one_more_succeeds(attempts: int, fail: int) -> None:
    *_, last = settled(application(attempts), f"shop→stock: status 503 first {fail}")
    assert len(last.plan.faults) == min(attempts, fail)
    assert last.passed == (fail < attempts)


def test_attempts_count_together_wherever_they_are_made() -> None:
    def shop(scope: Scope, operation: str, payload: bytes) -> Reply:
        for _ in range(3):
            answer = scope.branch(lambda task: task.call("stock", "GET /"))
            if answer.ok:
                return answer
        return DOWN

    def test(scope: Scope) -> None:
        assert scope.call("shop", "GET /").ok
        assert scope.call("shop", "GET /").ok

    app = Application({"shop": shop, "stock": lambda *_: Reply()}, test)
    *_, last = settled(app, "shop→stock: status 503 first 2")
    assert len(last.plan.faults) == 4
    assert last.passed


def test_several_rules_act_together_and_the_first_that_fits_counts() -> None:
    *_, last = settled(application(2), "shop→stock: status 503 first 1", "*→*: timeout")
    assert labels(last) == [
        "shop → stock GET /apples: status 503",
        "shop → stock GET /apples #2: timeout",
    ]


def test_a_rule_with_a_condition_acts_only_where_the_other_rules_let_it_hold() -> None:
    (after,) = ["shop→press: status 503 after shop→stock"]
    *_, last = settled(application(), after)
    assert labels(last) == ["shop → press POST /news: status 503"]
    with pytest.raises(RuleError, match="no call"):
        settled(application(), after, "shop→stock: status 503")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            "shop→stok: refused",
            "did you mean 'shop→stock'? There are: shop→stock GET /apples, stock→",
        ),
        ("shop→stock GET /pears: refused", "There are: shop→stock GET /apples"),
        ("test→shop: refused", "the functional test's own calls"),
        ("shop→stock: NOT_FOUND", "NOT_FOUND is no fault of requests"),
        ("shop→stock: drop", "drop is no fault of requests"),
        ("shop→stock: refused after shop→press", "after a successful shop→press"),
    ],
)
def test_a_rule_that_fits_no_call_says_why_and_what_there_is(text: str, advice: str) -> None:
    with pytest.raises(RuleError) as caught:
        settled(application(), text)
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rule_whose_calls_all_fail_by_another_one_is_refused() -> None:
    with pytest.raises(RuleError, match="another fault befalls already"):
        settled(application(), "*→depot: refused", "stock→*: timeout")


def test_calls_that_cannot_be_told_apart_fail_together_or_not_at_all() -> None:
    app = application()

    def run(plan: Plan) -> Execution:
        ran = app.run(plan)
        seen = (replace(each, ambiguous=each.target == "press") for each in ran.observations)
        return replace(ran, observations=tuple(seen))

    *_, last = settle(run, [parse_rule("shop→press: status 503")])
    assert labels(last) == ["shop → press POST /news: status 503"]
    with pytest.raises(RuleError, match="can't be told apart"):
        [*settle(run, [parse_rule("shop→press: status 503 first 1")])]


def test_retries_without_end_are_given_up() -> None:
    app = application(10 * MOST_RUNS)
    with pytest.raises(RuleError, match="first 3"):
        settled(app, "shop→stock: status 503")
    assert app.runs == MOST_RUNS


def shown(app: Application, *texts: str) -> tuple[ExitCode, str, list[Execution]]:
    return reported(app.run, texts)


def reported(run: object, texts: Sequence[str]) -> tuple[ExitCode, str, list[Execution]]:
    out, saved = StringIO(), list[Execution]()
    report = Report(Console(file=out, width=200))
    assert callable(run)
    code = run_single(run, wanted_rules(texts), report, saved.append)
    return code, out.getvalue(), saved


def test_a_test_that_fails_is_a_counterexample_and_one_that_passes_is_none() -> None:
    code, out, saved = shown(application(1), "shop→stock: status 503")
    assert code is ExitCode.COUNTEREXAMPLE
    assert [labels(execution) for execution in saved] == [["shop → stock GET /apples: status 503"]]
    assert "FAILED" in out
    assert "execution 1: no faults, passed" in out
    assert "execution 2: 1 fault, failed" in out
    code, out, saved = shown(application(2), "shop→stock: status 503 first 1")
    assert (code, saved) == (ExitCode.PASSED, [])
    assert "The test passes" in out


def test_a_fault_that_could_not_be_enacted_never_passes() -> None:
    app = application()

    def deaf(plan: Plan) -> Execution:
        return replace(app.run(Plan()), plan=plan)

    with pytest.raises(JobError, match="not injected: stock → depot GET /apples/left: reset"):
        reported(deaf, ["stock→depot: reset"])


def test_what_a_fault_leaves_nobody_to_tell_of_stays_planned_and_the_test_fails_under_it() -> None:
    """A service that is asked for a lost message waits for ever: what it did isn't heard of."""
    app = application()

    def run(plan: Plan) -> Execution:
        ran = app.run(plan)
        if not plan.faults:
            return ran
        (asked,) = (each for each in ran.observations if each.by_test)
        asked = replace(asked, raised="requests.exceptions.ReadTimeout", ok=False)
        return replace(ran, observations=(asked,), failure=Failure("read timeout"))

    code, out, saved = reported(run, ["stock→depot: refused"])
    assert (code, app.runs) == (ExitCode.COUNTEREXAMPLE, 2)
    (execution,) = saved
    assert labels(execution) == ["stock → depot GET /apples/left: refused"]
    assert "lost: whether stock → depot GET /apples/left: refused happened isn't known" in out


def test_a_test_that_fails_by_itself_is_to_pass_first() -> None:
    def broken(scope: Scope) -> None:
        raise Broken("always")

    with pytest.raises(JobError, match="make it pass first"):
        shown(Application({}, broken), "*→*: refused")


def test_a_rule_that_says_nothing_is_named_with_its_option() -> None:
    with pytest.raises(JobError, match="--fault 'bar: refused'"):
        wanted_rules(["bar: refused"])
