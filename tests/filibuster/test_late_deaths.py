"""Services that end when nobody waits for them any more: the runner finds out what for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from baggage.boundary import Fault, FaultKind, read_header
from metaapps.filibuster.cli.functional import Verdict
from metaapps.filibuster.cli.runner import Runner, Terms
from metaapps.filibuster.cli.standing import Standing
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.deaths import Late
from metaapps.filibuster.index import DIGEST_SIZE
from metaapps.filibuster.observation import Death
from metaapps.filibuster.orders import ORDERS
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.services.launch import NOTHING, Written
from metaapps.filibuster.store import FILE, Fingerprint, Store
from metaapps.filibuster.wire import decode_orders

ENDED = Death("shop", "exit code 3")
KEY = "k"


def plan(name: str) -> Plan:
    return Plan((PlannedFault(name.encode() * DIGEST_SIZE, Fault(FaultKind.REFUSED), "", name),))


HARMLESS, EARLY, LATE, ONCE, STUCK = map(plan, "helos")


class Mortal(Standing):
    """A service that is going to end, and has ended when somebody waits or asks something of it."""

    startable = True

    def __init__(self) -> None:
        super().__init__({}, KEY)
        self.going: tuple[Death, ...] = ()
        self.gone: tuple[Death, ...] = ()
        self.starts = 1

    def deaths(self) -> tuple[Death, ...]:
        return self.gone

    def suspected(self) -> tuple[Death, ...]:
        return self.gone

    def wait(self, within: float) -> tuple[Death, ...]:
        self.gone = self.gone or self.going
        return self.gone

    def last_words(self, death: Death, since: Written = NOTHING) -> str:
        return "farewell"

    def restart(self, why: str, consequence: str = "") -> None:
        self.starts += 1
        self.gone = self.going = ()
        self.stuck = ""


@dataclass
class Test:
    """A functional test that always passes, and after which the service ends for some plans."""

    __test__ = False
    standing: Mortal
    killed_once: bool = False

    def run(self, baggage: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        self.standing.gone = self.standing.gone or self.standing.going
        (blob,) = read_header(baggage).unpack(ORDERS)
        assert isinstance(blob, bytes)
        orders = decode_orders(blob, (KEY.encode(),))
        assert orders is not None
        planned = "".join(each.index[:1].decode() for each in orders.plan.faults)
        if planned == "e":
            self.standing.gone = (ENDED,)
        elif planned == "s":
            self.standing.stuck = "shop"
        elif planned == "l" or (planned == "o" and not self.killed_once):
            self.killed_once = self.killed_once or planned == "o"
            self.standing.going = (ENDED,)
        return Verdict()


@pytest.fixture
def standing() -> Mortal:
    return Mortal()


@pytest.fixture
def runner(standing: Mortal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setattr("metaapps.filibuster.cli.blame._WITHIN", 600.0)  # a machine may stall
    with Coordinator(KEY.encode()) as coordinator:
        yield Runner(Test(standing), standing, coordinator, Terms(20.0, alone=True, settle=0.0))


def test_who_ends_in_an_execution_fails_it_whatever_the_test_says(
    runner: Runner, standing: Mortal
) -> None:
    execution = runner.execute(EARLY)
    assert execution.deaths == (ENDED,)
    assert execution.failure is not None
    assert execution.failure.summary == (
        "service 'shop' ended (exit code 3) while this execution ran"
    )
    assert execution.failure.details == "the test passed\n'shop' wrote last:\nfarewell"
    assert runner.execute(HARMLESS).passed
    assert list(runner.late_deaths()) == []
    # It met no fault that is known of, so that execution ran twice.
    assert standing.starts == 3


def test_who_ends_during_the_next_execution_is_laid_to_the_one_before(
    runner: Runner, standing: Mortal
) -> None:
    for each in (FAULT_FREE, LATE, HARMLESS):
        assert runner.execute(each).passed
    (late,) = runner.late_deaths()
    assert late.case.deaths == (ENDED,)
    assert late.case.plans == (LATE,)
    assert late.execution is not None
    assert late.execution.plan == LATE
    assert late.execution.failure is not None
    assert late.execution.failure.summary.endswith(" after this execution ran")


def test_who_ends_after_the_last_execution_is_laid_to_it(runner: Runner) -> None:
    assert runner.execute(LATE).passed
    (late,) = runner.late_deaths()
    assert late.execution is not None
    assert late.execution.plan == LATE


def test_who_ends_once_and_never_again_is_laid_to_nothing_and_told(runner: Runner) -> None:
    for each in (HARMLESS, ONCE):
        assert runner.execute(each).passed
    (late,) = runner.late_deaths()
    assert late.case.plans == (ONCE, HARMLESS)
    assert late.case.words == "'shop' wrote last:\nfarewell"
    assert late.execution is None


def test_deaths_of_a_run_that_was_cut_off_are_looked_into_by_whoever_resumes_it(
    tmp_path: Path,
) -> None:
    search = Fingerprint("test.py", {}, {})
    told: list[list[Late]] = []
    standing = Mortal()
    with Coordinator(KEY.encode()) as coordinator:
        for plans in ((FAULT_FREE, LATE, HARMLESS), (), ()):
            with Store.open(tmp_path / FILE) as store:
                record = store.resume(search) or store.begin(search)
                standing = Mortal()
                test, terms = Test(standing), Terms(20.0, alone=True, settle=0.0)
                runner = Runner(test, standing, coordinator, terms, record=record)
                if plans:
                    assert all(runner.execute(plan).passed for plan in plans)
                else:
                    assert list(runner.late_deaths()) == list(record.deaths)
                told.append(list(record.deaths))
    (found,), first, second = told
    assert (found.case.plans, found.case.deaths, found.judged) == ((LATE,), (ENDED,), False)
    assert first == [Late(found.case, first[0].execution)]
    assert first[0].execution is not None
    assert first[0].execution.plan == LATE
    # What is known is not looked into again.
    assert second == first
    assert standing.starts == 1


def test_who_answers_nobody_any_more_starts_afresh_and_is_no_reason_for_others_to_fail(
    runner: Runner, standing: Mortal
) -> None:
    assert runner.execute(STUCK).passed
    assert standing.starts == 2  # Perhaps it was stuck before: so it ran once more.
    assert runner.execute(HARMLESS).passed
    assert standing.starts == 3
    assert list(runner.late_deaths()) == []
