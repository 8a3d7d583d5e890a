"""What a search says in the end is all that is to be known of it, each thing once."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

import pytest
from rich.console import Console

from baggage.boundary import UNKNOWN_SITE, Fault, FaultKind
from metaapps.filibuster.cli.progress import PICTURED, Progress
from metaapps.filibuster.cli.report import Report, make_console
from metaapps.filibuster.explore import Done, Event, Fate, Pruned, Ran, StopReason
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import ROOT, branch_frame, child
from metaapps.filibuster.observation import Execution, Failure, Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.reduce import Varying

COMPLETE = Done(1, 0, 0, StopReason.COMPLETE)


def plan(*numbers: int) -> Plan:
    refused = Fault(FaultKind.REFUSED)
    return Plan(tuple(PlannedFault(bytes([n] * 16), refused, "b", f"call {n}") for n in numbers))


def ran(number: int, *findings: Finding, fates: Sequence[Fate] = ()) -> Ran:
    execution = Execution(plan(*range(len(fates))), (), Failure("Error", "why"), 0.01)
    return Ran(number, execution, findings, 0, tuple(fates))


def shown(events: Sequence[Event], done: Done = COMPLETE, *, ahead: int = 0) -> list[str]:
    written = StringIO()
    report = Report(Console(file=written, width=10_000, soft_wrap=True, highlight=False))
    with report.live_line() as live:
        progress = Progress(report, live, verbose=False)
        for event in events:
            progress.show(event)
    progress.done(done, ahead)
    return written.getvalue().splitlines()


@pytest.mark.parametrize(("source", "times"), [("test", 0), ("shop", 1)])
def test_branches_of_the_test_in_which_nothing_happens_are_not_shown(
    source: str, times: int
) -> None:
    frame = branch_frame(source, UNKNOWN_SITE, "Thread.start", 1)
    started = Observation(
        role=Role.BRANCH,
        index=child(ROOT, frame),
        parent=ROOT,
        position=0,
        source=source,
        operation="Thread.start",
        occurrence=1,
    )
    lines = shown([Ran(1, Execution(Plan(), (started,), None, 0.01), (), 0, ())])
    assert sum("branch 1" in line for line in lines) == times


@pytest.mark.parametrize("reason", StopReason)
def test_why_a_search_stopped_is_always_said(reason: StopReason) -> None:
    (line,) = [line for line in shown([], Done(3, 2, 4, reason)) if line.startswith("explored")]
    assert line.startswith("explored 3 of 9, 2 pruned, stopped because ")


def test_names_with_colons_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    books = PlannedFault(bytes(16), Fault(FaultKind.DROP), "b", "orders:book: drop")
    execution = Execution(Plan((books,)), (), None, 0.01)
    Report(make_console()).execution_line(execution, "Execution 2", 0)
    assert "orders:book: drop" in capsys.readouterr().out


def test_what_became_of_planned_faults_is_counted() -> None:
    fates = [Fate.FIRED, Fate.FIRED, Fate.UNREACHABLE, Fate.LOST]
    assert "faults: 4 planned, 2 fired, 1 unreachable, 1 lost" in shown([ran(2, fates=fates)])


def test_calls_that_are_ambiguous_in_every_execution_are_told_once_in_the_end() -> None:
    finding = Finding(FindingKind.AMBIGUOUS, bytes(16), "2 calls [alike]")
    lines = shown([ran(number, finding) for number in (1, 2, 3)])
    assert lines.count("ambiguous: 2 calls [alike]") == 1
    assert "warnings, see above: 3 × ambiguous" in lines


def test_answers_that_vary_are_told_with_what_takes_them_for_equal() -> None:
    varying = tuple(Varying(f"a → clock GET /{n}", f"a→clock GET /{n}", 9) for n in range(7))
    lines = shown([], Done(9, 0, 0, StopReason.COMPLETE, varying=varying))
    told = [line for line in lines if line.startswith("answers vary")]
    assert len(told) == 5
    assert "a → clock GET /0, in 9 executions; --ignore-answers 'a→clock GET /0'" in told[0]
    assert "so do those of 2 other calls" in lines


@pytest.mark.parametrize("reason", [StopReason.MAX_EXECUTIONS, StopReason.MAX_TIME])
def test_a_bound_is_said_to_be_one_and_how_to_go_on(reason: StopReason) -> None:
    assert any("--resume" in line for line in shown([], Done(3, 0, 4, reason)))
    assert not any("--resume" in line for line in shown([]))


def test_what_ran_ahead_for_nothing_is_counted() -> None:
    assert "1 execution ran ahead for nothing" in shown([], ahead=1)


def test_a_pruned_plan_names_some_of_those_that_predicted_it() -> None:
    one = Pruned(plan(1), Execution(plan(1)), (4,), 0)
    many = Pruned(plan(1, 2), Execution(plan(1, 2)), tuple(range(1, 21)), 0)
    lines = shown([one, many])
    assert lines[0].endswith("passed  as execution 4 shows, 0 remaining")
    assert lines[1].endswith("as executions 1, 2, 3, 4, 5, 6, 7, 8 and 12 more show, 0 remaining")


def test_what_the_published_criterion_prunes_has_no_verdict() -> None:
    (line, *_) = shown([Pruned(plan(1), Execution(plan(1)), (2,), 3, predicted=False)])
    assert line == "Pruned  call 1  not predicted  as execution 2 shows, 3 remaining"


def test_of_many_executions_the_later_ones_take_a_line_and_repeat_no_remark() -> None:
    finding = Finding(FindingKind.UNSEEN, bytes(16), "a branch did not end")
    lines = shown([ran(number, finding) for number in range(1, PICTURED + 4)])
    assert sum(line.startswith("  │ why") for line in lines) == PICTURED
    assert lines.count("  unseen: a branch did not end") == PICTURED
    assert sum(line.startswith("Execution ") for line in lines) == PICTURED + 3


def test_what_services_and_tests_say_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    Report(make_console()).quote("a\x1b]52;c;b\x07c\x1b[2Jd\x1bc\x9be \x1b[31m[red]f")
    styled = "  \x1b[2m│\x1b[0m "
    assert capsys.readouterr().out == f"{styled}a]52;c;bcdce [red]f\n"
