"""What a run says of executions that disturbed one another, and what can be done about it."""

from __future__ import annotations

from rich.markup import escape

from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.session import Session
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.workers.interference import AT_ANY_TIME, BESIDE_OTHERS


def show_interference(session: Session, report: Report) -> None:
    """Run a sample of a session's executions again, alone; show those that come out otherwise."""
    found = list(session.check_interference())
    for each in found:
        kind = "interference" if each.settled else "varies"
        report.line(f"[yellow]{kind}[/]: {escape(_name(each.execution))}: {escape(each.text)}")
    advice = {BESIDE_OTHERS if each.settled else AT_ANY_TIME: None for each in found}
    for line in advice:
        report.line(escape(line))


def _name(execution: Execution) -> str:
    labels = [planned.label or planned.index.hex()[:12] for planned in execution.plan.faults]
    return " + ".join(labels) or "no faults"
