"""What `filibuster run --fault …` does: one execution under faults that are written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.markup import escape

from metaapps.filibuster.catalogue import Rule, RuleError, parse_rule
from metaapps.filibuster.cli.outcome import ExitCode, JobError
from metaapps.filibuster.cli.report import Report, counted
from metaapps.filibuster.explore import amiss
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.single import lost_by, settle, unhit
from metaapps.filibuster.tree import Tree, build


def wanted_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Return what each `--fault` says; a JobError for one that says nothing."""
    try:
        return tuple(parse_rule(text) for text in texts)
    except RuleError as error:
        raise JobError(f"--fault {error}") from error


def run_single(
    run: Callable[[Plan], Execution],
    rules: Sequence[Rule],
    report: Report,
    save: Callable[[Execution], object],
) -> ExitCode:
    """Run with all rules at once, show that execution, and `save` it if the test fails.

    `run` runs a plan, as `Session.run` does. A rule that fits no call, or could not be enacted, is
    a JobError: nothing passes that wasn't tried.
    """
    executions: list[Execution] = []
    try:
        for execution in settle(run, rules):
            executions.append(execution)
            _progress(executions, report)
    except RuleError as error:
        raise JobError(f"--fault {error}") from error
    last = executions[-1]
    if len(executions) == 1:
        report.execution(last, "Initial execution")
        raise JobError("the functional test fails without any fault: make it pass first")
    report.execution(last, f"Execution {len(executions)}")
    _refuse_what_was_not_tried(last, report)
    if last.passed:
        report.line("[green]The test passes[/] under these faults.")
        return ExitCode.PASSED
    save(last)
    report.line("[red]The test fails[/] under these faults.")
    return ExitCode.COUNTEREXAMPLE


def _progress(executions: Sequence[Execution], report: Report) -> None:
    number, last = len(executions), executions[-1]
    told = counted(len(last.plan.faults), "fault") if last.plan.faults else "no faults"
    verdict = "passed" if last.passed else "failed"
    report.line(f"[dim]execution {number}: {told}, {verdict}, {last.seconds * 1000:.0f} ms[/]")


def _refuse_what_was_not_tried(execution: Execution, report: Report) -> None:
    """Raise a JobError for faults that did not happen, and for a test that passes half-tested."""
    tree = build(execution.observations)
    missing = unhit(execution, tree)
    if missing and not execution.deaths:
        labels = ", ".join(planned.label for planned in missing)
        raise JobError(
            f"not injected: {labels}: the library knows no such fault there, or the call failed by "
            "itself (the service's log says which), or the application's calls vary"
        )
    found = amiss(execution, tree) if execution.deaths else tree.findings
    findings = (*found, *_unknown(execution, tree))
    for finding in findings:
        report.line(f"  [yellow]{finding.kind.value}[/]: {escape(finding.text)}")
    # A fault befalls all of those that can't be told apart, or none: `first N` fits none of them.
    lost = [finding for finding in findings if finding.kind is not FindingKind.AMBIGUOUS]
    if lost and execution.passed:
        raise JobError("not all was tried: calls got lost or could not be told apart (see above)")


def _unknown(execution: Execution, tree: Tree) -> Iterator[Finding]:
    for planned in lost_by(execution, tree):
        text = f"whether {planned.label} happened isn't known: nothing tells of its call any more"
        yield Finding(FindingKind.LOST, planned.index, text)
