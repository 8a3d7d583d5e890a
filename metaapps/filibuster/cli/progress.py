"""A search as it is shown: each event, a live line while it goes on, and what it came to.

Writing is `report`'s business, what an execution looks like `picture`'s.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from rich.markup import escape

from metaapps.filibuster.cli.picture import faults_of, labels_of, verdict_of
from metaapps.filibuster.cli.report import LiveLine, Report, counted
from metaapps.filibuster.explore import Done, Event, Fate, Pruned, Ran, StopReason
from metaapps.filibuster.finding import Finding, FindingKind

PICTURED: Final = 30
"""So many executions are shown with their calls, and all others in one line each."""
_MOST_NUMBERS: Final = 8
_MOST_SHOWN: Final = 5
_REFRESH_AFTER: Final = 0.1

BECAUSE: Final[Mapping[StopReason, str]] = {
    StopReason.COMPLETE: "every plan was judged",
    StopReason.FAULT_FREE_FAILED: "the test fails without any fault",
    StopReason.NO_CALLS: "no service was seen to call another",
    StopReason.NO_FAULTS: "no fault fits any call",
    StopReason.FIRST_FAILURE: "an execution failed",
    StopReason.MAX_FAULTS: "plans of more faults are not asked for",
    StopReason.MAX_EXECUTIONS: "no more executions are asked for",
    StopReason.MAX_TIME: "the time is over",
    StopReason.MINIMAL: "plans that contain one that failed are not asked for",
}
"""What a run says of why it stopped, after "because"."""


class Progress:
    """Shows the events of one search, in their order."""

    def __init__(self, report: Report, live: LiveLine, *, verbose: bool) -> None:
        """Begin; `verbose` shows every execution with its calls."""
        self._report = report
        self._live = live
        self._verbose = verbose
        self._started = time.monotonic()
        self._refreshed = 0.0
        self._counts: Counter[str] = Counter()
        self._fates: Counter[Fate] = Counter()
        self._warnings: Counter[str] = Counter()
        self._told: set[Finding] = set()
        self._ambiguous: dict[str, None] = {}

    def show(self, event: Event) -> None:
        """Show an execution, or what took its place."""
        if isinstance(event, Ran):
            self._ran(event)
        elif isinstance(event, Pruned):
            self._pruned(event)
        else:
            return
        self._count(event)

    def done(self, done: Done, ran_ahead: int) -> None:
        """Show the totals, and what is to be known of them.

        `ran_ahead` executions were run before their turn, which never came.
        """
        seconds = time.monotonic() - self._started
        each = seconds / done.ran * 1000 if done.ran else 0.0
        self._report.line("")
        if self._fates:
            self._report.line(f"faults: {_counted(self._fates)}")
        self._report.line(
            f"[bold]explored {done.ran} of {done.known}[/], {done.pruned} pruned, stopped because "
            f"{BECAUSE[done.stopped_because]}; {seconds:.2f} s, {each:.0f} ms each"
        )
        if ran_ahead:
            self._report.line(f"{counted(ran_ahead, 'execution')} ran ahead for nothing")
        for line in (*_bounded(done), *_varying(done), *self._warned()):
            self._report.line(line)

    def _ran(self, event: Ran) -> None:
        pictured = self._verbose or event.number <= PICTURED
        if event.number == PICTURED + 1 and not pictured:
            self._report.line("[dim]from here on one line each; --verbose shows all calls[/]")
        show = self._report.execution if pictured else self._report.execution_line
        show(event.execution, f"Execution {event.number}", event.remaining)
        for finding in event.findings:
            self._warnings[finding.kind.value] += 1
            if finding.kind is FindingKind.AMBIGUOUS:
                self._ambiguous[finding.text] = None
            if pictured or finding not in self._told:
                self._told.add(finding)
                self._report.line(f"  [yellow]{finding.kind.value}[/]: {escape(finding.text)}")

    def _pruned(self, event: Pruned) -> None:
        if event.predicted:
            told = f"{faults_of(event.execution)}  {verdict_of(event.execution)}"
        else:
            told = f"{labels_of(event.plan)}  [dim]not predicted[/]"
        self._report.line(
            f"[bold]Pruned[/]  {told}  "
            f"[dim]as {_numbered(event.predicted_by)}, {event.remaining} remaining[/]"
        )

    def _count(self, event: Ran | Pruned) -> None:
        if isinstance(event, Ran):
            self._counts["ran"] += 1
            self._counts["failed"] += not event.execution.passed
            for planned, fate in zip(event.execution.plan.faults, event.fates, strict=False):
                if not planned.optional:
                    self._fates[fate] += 1
        else:
            self._counts["pruned"] += 1
        now = time.monotonic()
        if now - self._refreshed >= _REFRESH_AFTER:
            self._refreshed = now
            self._live.show(self._now(event.remaining, now - self._started))

    def _now(self, remaining: int, seconds: float) -> str:
        ran, pruned = self._counts["ran"], self._counts["pruned"]
        rate = ran / seconds if seconds else 0.0
        return (
            f"explored {ran} of {ran + pruned + remaining} known, {pruned} pruned, "
            f"{self._counts['failed']} failed, {rate:.1f}/s"
        )

    def _warned(self) -> Iterator[str]:
        for text in islice(self._ambiguous, _MOST_SHOWN):
            yield f"[yellow]ambiguous[/]: {escape(text)}"
        if len(self._ambiguous) > _MOST_SHOWN:
            yield f"[yellow]and {len(self._ambiguous) - _MOST_SHOWN} other groups[/]"
        if self._warnings:
            told = ", ".join(f"{number} × {kind}" for kind, number in self._warnings.items())
            yield f"[yellow]warnings, see above:[/] {told}"


def _counted(fates: Counter[Fate]) -> str:
    told = [f"{sum(fates.values())} planned"]
    told.extend(f"{fates[fate]} {fate.value}" for fate in Fate if fates[fate])
    return ", ".join(told)


def _bounded(done: Done) -> Iterator[str]:
    if done.stopped_because in (StopReason.MAX_EXECUTIONS, StopReason.MAX_TIME):
        yield (
            "[yellow]not all was tried[/]: --resume with a higher --max-executions or --max-time "
            "goes on from here, --exhaustive to the end"
        )
    if done.containing:
        yield (
            f"[yellow]not all was tried[/]: {counted(done.containing, 'plan')} known so far that "
            "contain one that failed; --resume without --minimal goes on with those"
        )


def _varying(done: Done) -> Iterator[str]:
    for varying in done.varying[:_MOST_SHOWN]:
        yield (
            f"[yellow]answers vary[/], which defeats prediction: {escape(varying.call)}, in "
            f"{varying.executions} executions; --ignore-answers '{escape(varying.pattern)}' takes "
            "them for equal"
        )
    if len(done.varying) > _MOST_SHOWN:
        yield f"[yellow]so do those of {len(done.varying) - _MOST_SHOWN} other calls[/]"


def _numbered(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    more = len(numbers) - _MOST_NUMBERS
    told = f"{shown} and {more} more" if more > 0 else shown
    return f"executions {told} show" if len(numbers) > 1 else f"execution {told} shows"
