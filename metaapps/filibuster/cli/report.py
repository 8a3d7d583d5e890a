"""What a run shows: every execution with its calls, what was pruned and why, and the end.

The only module that writes to the terminal. Colours and boxes are for terminals alone; a pipe gets
plain lines of any width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree as Picture

from metaapps.filibuster.explore import Done, Event, Pruned, Ran, StopReason
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.tree import Tree, build, describe

_PIPE_WIDTH = 10_000


def make_console(*, stderr: bool = False) -> Console:
    """Return the console to write to."""
    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return (
        console
        if console.is_terminal
        else Console(
            stderr=stderr, highlight=False, soft_wrap=True, width=_PIPE_WIDTH, no_color=True
        )
    )


class Report:
    """Shows events as they come."""

    def __init__(self, console: Console) -> None:
        """Write to a console."""
        self._console = console

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Ran):
            self._ran(event)
        elif isinstance(event, Pruned):
            self._pruned(event)

    def execution(self, execution: Execution, title: str) -> None:
        """Show one execution: its faults, calls and verdict."""
        tree = build(execution.observations)
        verdict = "[green]passed[/]" if execution.passed else "[bold red]FAILED[/]"
        seconds = f"{execution.seconds * 1000:.0f} ms"
        heading = f"[bold]{title}[/]  {_faults(execution)}  {verdict}  [dim]{seconds}[/]"
        picture = Picture(heading, guide_style="dim")
        _grow(picture, tree, bytes(16))
        self._console.print(picture)
        if execution.failure is not None:
            self._console.print(f"  [red]{escape(execution.failure.summary)}[/]")
            for line in execution.failure.details.rstrip().splitlines():
                self._console.print(f"  [dim]│[/] {escape(line)}")

    def line(self, text: str) -> None:
        """Show one line of markup."""
        self._console.print(text)

    def counterexample(self, path: Path) -> None:
        """Say where a counterexample was written."""
        self._console.print(f"  counterexample: {escape(str(path))}")

    def done(self, done: Done, failures: list[Execution], seconds: float) -> None:
        """Show the totals, and every failure again in a line."""
        self._console.print()
        each = seconds / done.ran * 1000 if done.ran else 0.0
        self._console.print(
            f"[bold]{done.ran + done.pruned} executions[/]: {done.ran} ran, {done.pruned} pruned, "
            f"{done.remaining} remaining; {seconds:.2f} s, {each:.0f} ms each"
        )
        if done.stopped_because is not StopReason.COMPLETE:
            self._console.print(f"stopped because: {done.stopped_because.value}")
        for execution in failures:
            summary = execution.failure.summary if execution.failure is not None else ""
            self._console.print(f"[red]failed:[/] {_faults(execution)}: {escape(summary)}")

    def _ran(self, event: Ran) -> None:
        self.execution(event.execution, f"Execution {event.number}")
        for finding in event.findings:
            self._console.print(f"  [yellow]{finding.kind.value}[/]: {escape(finding.text)}")
        self._console.print(f"  [dim]{event.remaining} remaining[/]")

    def _pruned(self, event: Pruned) -> None:
        numbers = ", ".join(map(str, event.predicted_by))
        self._console.print(
            f"[bold]Pruned[/]  {escape(_labels(event.plan))}  "
            f"[dim]predicted by executions {numbers}; {event.remaining} remaining[/]"
        )


def _labels(plan: Plan) -> str:
    return " + ".join(planned.label or planned.index.hex() for planned in plan.faults)


def _faults(execution: Execution) -> str:
    """Return a plan with what its faults turned out to be."""
    if not execution.plan.faults:
        return "no faults"
    calls = {seen.index: seen for seen in execution.observations if seen.injected is not None}
    said = [_fault(planned, calls.get(planned.index)) for planned in execution.plan.faults]
    return escape(" + ".join(said))


def _fault(planned: PlannedFault, call: Observation | None) -> str:
    return f"{planned.label} (not hit)" if call is None else f"{describe(call)}: {_outcome(call)}"


def _grow(picture: Picture, tree: Tree, parent: bytes) -> None:
    for event in tree.within(parent):
        _grow(picture.add(_text(event)), tree, event.index)


def _text(event: Observation) -> str:
    if event.role is Role.BRANCH:
        return f"[dim]branch {event.occurrence}[/]"
    if event.role is Role.ASK:
        about = f" on {event.target}" if event.target else ""
        return f"[dim]asked: was a fault injected{escape(about)}? {'yes' if event.ok else 'no'}[/]"
    style = "red" if event.injected is not None else "default" if event.ok else "yellow"
    mark = "[bold red]✗ injected[/] " if event.injected is not None else ""
    method = f"{event.library}.{event.method}({event.arguments})"
    return (
        f"{mark}{escape(event.source)} → {escape(event.target)}  {escape(method)}"
        f"  [{style}]{escape(_outcome(event))}[/]\n[dim]{escape(_place(event))}[/]"
    )


def _outcome(call: Observation) -> str:
    return call.raised or (str(call.status) if call.status is not None else "answered")


def _place(call: Observation) -> str:
    parts = [
        f"vclock {_clock(call.clock)}",
        f"origin {_clock(call.origin)}",
        f"index {call.index.hex()[:12]}",
        f"at {call.site}",
    ]
    return "  ".join(parts)


def _clock(clock: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{name}: {count}" for name, count in sorted(clock.items())) + "}"
