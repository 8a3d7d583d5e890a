"""What a run says of services that ended by themselves, or that were never heard of."""

from __future__ import annotations

from rich.markup import escape

from metaapps.filibuster.cli.blame import Late
from metaapps.filibuster.cli.picture import faults_of, labels_of
from metaapps.filibuster.cli.report import Report


def show_late(late: Late, report: Report) -> None:
    """Say that services ended after an execution had been judged, and which one that was."""
    told = escape(", ".join(map(str, late.case.deaths)))
    if late.execution is not None:
        report.line(
            f"[bold red]late[/]: {told} after an execution that had been judged, and again when "
            f"that ran once more: {faults_of(late.execution)}"
        )
        if late.execution.failure is not None:
            report.quote(late.execution.failure.details)
        return
    plans = "; ".join(map(labels_of, late.case.plans)) or "no execution with faults"
    report.line(
        f"[yellow]late[/]: {told} between executions, and not again when those before it ran once "
        f"more: {plans}"
    )
    report.quote(late.case.words)
