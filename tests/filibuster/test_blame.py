"""A service that ends when its execution has been judged: who may have been the reason."""

from __future__ import annotations

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.cli.blame import Blame
from metaapps.filibuster.deaths import Late
from metaapps.filibuster.observation import Death, Execution
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault

ENDED = Death("shop", "exit code 3")


def plan(name: str) -> Plan:
    return Plan((PlannedFault(name.encode(), Fault(FaultKind.REFUSED)),))


SAID = "'shop' wrote last:\nshop said so"


def words(death: Death) -> str:
    return f"{death.service} said so"


A, B, C = map(plan, "abc")


def survived(*plans: Plan) -> Blame:
    """Return what is known once executions of these plans ended, each a second after the last."""
    seconds = iter(range(100))
    blame = Blame(clock=lambda: float(next(seconds)))
    for each in plans:
        blame.judged(Execution(each))
    return blame


def test_what_ended_shortly_before_may_be_the_reason_and_the_last_one_comes_first() -> None:
    blame = survived(A, FAULT_FREE, B, C)
    blame.starting_again([ENDED], words)
    (case,) = blame.cases()
    assert (case.deaths, case.plans, case.words) == ((ENDED,), (C, B, A), SAID)
    blame.judge(Late(case))
    assert blame.cases() == ()


def test_of_those_that_ended_long_before_only_the_last_may_be() -> None:
    blame = survived(A, B, *[FAULT_FREE] * 6)
    blame.starting_again([ENDED], words)
    (case,) = blame.cases()
    assert case.plans == (B,)


def test_a_death_that_is_laid_to_an_execution_needs_no_other_reason() -> None:
    blame = survived(A)
    assert blame.unexplained([ENDED]) == (ENDED,)
    blame.judged(Execution(B, deaths=(ENDED,)))
    assert blame.unexplained([ENDED]) == ()
    blame.starting_again([ENDED], words)
    assert blame.cases() == ()


def test_a_suspect_whose_service_ends_again_is_the_reason() -> None:
    blame = survived(A)
    blame.suspect(B)
    blame.suspect(C)
    blame.starting_again([ENDED], words)
    blame.judged(Execution(C))
    blame.judged(Execution(B, deaths=(ENDED,)))
    assert blame.cases() == ()


def test_if_no_suspect_is_one_that_ended_before_may_be() -> None:
    blame = survived(A)
    blame.suspect(B)
    blame.starting_again([ENDED], words)
    blame.judged(Execution(B))
    (case,) = blame.cases()
    assert case.plans == (A,)
    # It may also end later than it takes to run once more.
    assert case.candidates == (B, A)


def test_another_service_that_ends_meanwhile_is_not_explained_by_the_first() -> None:
    other = Death("bank", "signal SIGTERM")
    blame = survived(A)
    blame.judged(Execution(B, deaths=(ENDED,)))
    blame.starting_again([ENDED, other], words)
    (case,) = blame.cases()
    assert case.deaths == (other,)
