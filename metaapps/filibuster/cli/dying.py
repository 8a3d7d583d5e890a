"""What a run says of services that ended by themselves, or that were never heard of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.markup import escape

from metaapps.filibuster.cli.hearing import Unheard
from metaapps.filibuster.cli.picture import faults_of, labels_of
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.deaths import Late

_CALLED: Final = "was called, and never told anything: what it calls is not seen, nor failed"
_NEVER: Final = "was never heard of: nothing that is seen calls it"
_ADVICE: Final[Mapping[tuple[bool, bool], str]] = {
    # Whether it was called, and whether it's started with `instrument = true`.
    (True, False): (
        f"{_CALLED}. Set `instrument = true` for it in services.toml, or `instrument = false` if "
        "that's meant"
    ),
    (True, True): (
        f"{_CALLED}, though it has `instrument = true`: see its log for why, and "
        "docs/boundaries.md for the libraries; `instrument = false` says that it's meant"
    ),
    (False, False): (
        f"{_NEVER}, or it isn't instrumented. Set `instrument = true` for it in services.toml, or "
        "`instrument = false` if that's meant"
    ),
    (False, True): f"{_NEVER}. Let the test reach it, or leave it out of services.toml",
}


def show_unheard(unheard: Unheard, report: Report) -> None:
    """Say that a service was started, and never told anything."""
    service = unheard.service
    told = _ADVICE[unheard.called, service.instrument]
    report.line(f"[yellow]unheard[/]: service {service.name!r} {told}")


def show_late(late: Late, report: Report) -> None:
    """Say that services ended after an execution had been judged, and which one that was."""
    colour = "yellow" if late.execution is None else "bold red"
    report.line(f"[{colour}]late[/]: {told_late(late)}")
    report.quote(words_of(late))


def told_late(late: Late) -> str:
    """Return in markup that services ended between executions, and what is known of why."""
    told = escape(", ".join(map(str, late.case.deaths)))
    if late.execution is not None:
        return (
            f"{told} after an execution that had been judged, and again when that ran once more: "
            f"{faults_of(late.execution)}"
        )
    plans = "; ".join(map(labels_of, late.case.candidates)) or "no execution with faults"
    if not late.judged:
        return f"{told} between executions, and nobody looked yet for which of them: {plans}"
    return f"{told} between executions, and not again when those before it ran once more: {plans}"


def words_of(late: Late) -> str:
    """Return what services wrote last: in the execution that they ended after, if it's known."""
    execution = late.execution
    return execution.failure.details if execution and execution.failure else late.case.words
