"""What a run shows: every execution with its calls, what was pruned and why, and the end.

The only module that writes to the terminal. Colours and boxes are for terminals alone; a pipe gets
plain lines of any width.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree as Picture

from baggage.boundary import UNKNOWN_SITE
from metaapps.filibuster.explore import Done, Event, Pruned, Ran, StopReason
from metaapps.filibuster.finding import Finding
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import PlannedFault
from metaapps.filibuster.tree import Tree, build, describe, ended

_PIPE_WIDTH: Final = 10_000
_MOST_LINES: Final = 40
"""Of a failure's details so many lines are shown; the counterexample has all of them."""
_WIDEST: Final = 100
"""Arguments are shown in so many characters."""

_BECAUSE: Final[Mapping[StopReason, str]] = {
    StopReason.COMPLETE: "every plan was judged",
    StopReason.FAULT_FREE_FAILED: "the test fails without any fault",
    StopReason.NO_CALLS: "no service was seen to call another",
    StopReason.NO_FAULTS: "no fault fits any call",
    StopReason.FIRST_FAILURE: "an execution failed",
    StopReason.MAX_FAULTS: "plans of more faults are not asked for",
    StopReason.MAX_EXECUTIONS: "no more executions are asked for",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A failing execution, and where its counterexample is."""

    execution: Execution
    path: Path


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Let the work end as whoever reads does, but with an exit code of its own."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BrokenPipeError(0, "nobody reads the output any more")


def make_console(*, stderr: bool = False) -> Console:
    """Return the console to write to."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, TextIOWrapper):
        # What can't be written in the stream's encoding must not end the run.
        stream.reconfigure(errors="replace")
    console = _Console(stderr=stderr, highlight=False, soft_wrap=True)
    if console.is_terminal:
        return console
    return _Console(
        stderr=stderr, highlight=False, soft_wrap=True, width=_PIPE_WIDTH, no_color=True
    )


class Report:
    """Shows what happens as it happens."""

    def __init__(self, console: Console) -> None:
        """Write to a console."""
        self._console = console

    def started(self, urls: Mapping[str, str], seconds: float, logs: Path) -> None:
        """Say which services were started."""
        told = ", ".join(f"{name}={url}" for name, url in urls.items())
        self._console.print(
            f"[dim]{len(urls)} services started in {seconds:.1f} s: {escape(told)}\n"
            f"their logs: {escape(str(logs))}[/]"
        )

    def show(self, event: Event) -> None:
        """Show an execution, or what took its place."""
        if isinstance(event, Ran):
            self.execution(event.execution, f"Execution {event.number}", event.remaining)
            for finding in event.findings:
                self._console.print(f"  [yellow]{finding.kind.value}[/]: {escape(finding.text)}")
        elif isinstance(event, Pruned):
            self._pruned(event)

    def execution(self, execution: Execution, title: str, remaining: int | None = None) -> None:
        """Show one execution: its faults, calls and verdict."""
        tree = build(execution.observations)
        aside = f"{execution.seconds * 1000:.0f} ms"
        if remaining is not None:
            aside += f", {remaining} remaining"
        picture = Picture(
            f"[bold]{title}[/]  {_faults(execution)}  {_verdict(execution)}  [dim]{aside}[/]",
            guide_style="dim",
        )
        _grow(picture, tree, ROOT)
        self._console.print(picture)
        if execution.failure is not None:
            self._console.print(f"  [red]{escape(execution.failure.summary)}[/]")
            self.quote(execution.failure.details)

    def line(self, text: str) -> None:
        """Show one line of markup."""
        self._console.print(text)

    def quote(self, text: str) -> None:
        """Show the end of a text that somebody else wrote."""
        lines = text.rstrip().splitlines()
        if len(lines) > _MOST_LINES:
            self._console.print(f"  [dim]│ … {len(lines) - _MOST_LINES} lines more[/]")
        for line in lines[-_MOST_LINES:]:
            self._console.print(f"  [dim]│[/] {escape(line)}")

    def counterexample(self, path: Path) -> None:
        """Say where a counterexample was written."""
        self._console.print(f"  counterexample: {escape(str(path))}")

    def done(self, done: Done, findings: Iterable[Finding], seconds: float) -> None:
        """Show the totals, of warnings too."""
        each = seconds / done.ran * 1000 if done.ran else 0.0
        known = done.ran + done.pruned + done.remaining
        because = _BECAUSE.get(done.stopped_because, done.stopped_because.value)
        self._console.print(
            f"\n[bold]explored {done.ran} of {known}[/], {done.pruned} pruned, stopped because "
            f"{because}; {seconds:.2f} s, {each:.0f} ms each"
        )
        warnings = Counter(finding.kind.value for finding in findings)
        if warnings:
            told = ", ".join(f"{number} × {kind}" for kind, number in warnings.items())
            self._console.print(f"[yellow]warnings, see above:[/] {told}")

    def failures(self, found: Iterable[Found], replay: str) -> None:
        """Show every failure again in short, and the command that replays the first."""
        for each in found:
            failure = each.execution.failure
            summary = "" if failure is None else failure.summary
            self._console.print(
                f"[red]failed:[/] {_faults(each.execution)}\n"
                f"        {escape(summary)}\n"
                f"        [dim]{escape(str(each.path))}[/]"
            )
        self._console.print(f"replay the first: {escape(replay)}")

    def _pruned(self, event: Pruned) -> None:
        numbers = ", ".join(map(str, event.predicted_by))
        self._console.print(
            f"[bold]Pruned[/]  {_faults(event.execution)}  {_verdict(event.execution)}  "
            f"[dim]as executions {numbers} show, {event.remaining} remaining[/]"
        )


def _verdict(execution: Execution) -> str:
    return "[green]passed[/]" if execution.passed else "[bold red]FAILED[/]"


def _faults(execution: Execution) -> str:
    """Return a plan with what its faults turned out to be."""
    if not execution.plan.faults:
        return "no faults"
    calls = {seen.index: seen for seen in execution.observations if seen.injected is not None}
    said = [_fault(planned, calls.get(planned.index)) for planned in execution.plan.faults]
    return escape(" + ".join(said))


def _fault(planned: PlannedFault, call: Observation | None) -> str:
    if call is None:
        return f"{planned.label or planned.index.hex()} (not hit)"
    return f"{describe(call)}: {ended(call)}"


def _grow(picture: Picture, tree: Tree, parent: bytes) -> None:
    for event in tree.within(parent):
        _grow(picture.add(_text(event)), tree, event.index)


def _text(event: Observation) -> str:
    if event.role is Role.BRANCH:
        return f"[dim]branch {event.occurrence}{escape(_site(event))}[/]"
    if event.role is Role.ASK:
        about = f" on {event.target}" if event.target else ""
        return f"[dim]asked: was a fault injected{escape(about)}? {'yes' if event.ok else 'no'}[/]"
    style = "red" if event.injected is not None else "default" if event.ok else "yellow"
    mark = "[bold red]✗[/] " if event.injected is not None else ""
    injected = " injected" if event.injected is not None else ""
    return (
        f"{mark}{escape(event.source)} → {escape(event.target)}  {escape(_method(event))}"
        f"  [{style}]{escape(ended(event))}{injected}[/]\n[dim]{escape(_place(event))}[/]"
    )


def _method(call: Observation) -> str:
    arguments = call.arguments
    if len(arguments) > _WIDEST:
        half = _WIDEST // 2
        arguments = f"{arguments[: half - 1]}…{arguments[-half:]}"
    if call.timeout is not None:
        arguments += f", timeout={call.timeout:g}"
    return f"{call.library}.{call.method}({arguments})"


def _place(call: Observation) -> str:
    clocks = f"vclock {_clock(call.clock)}  origin {_clock(call.origin)}"
    return f"{clocks}  index {call.index.hex()[:12]}{_site(call)}"


def _site(seen: Observation) -> str:
    return "" if seen.site == UNKNOWN_SITE else f"  at {seen.site}"


def _clock(clock: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{name}: {count}" for name, count in sorted(clock.items())) + "}"
