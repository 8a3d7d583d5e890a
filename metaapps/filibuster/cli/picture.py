"""How one execution looks: its faults, its verdict, and its calls as a tree.

Pure text and trees of rich; nothing here writes to a terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from rich.markup import escape
from rich.tree import Tree as Picture

from baggage.boundary import UNKNOWN_SITE, Fault, FaultKind
from metaapps.filibuster.deliveries import callee, is_delivery, is_message
from metaapps.filibuster.index import ROOT, TEST
from metaapps.filibuster.latency import simulated
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.status import shown_fault
from metaapps.filibuster.tree import Tree, build, describe_within, ended

_WIDEST: Final = 100
"""Arguments are shown in so many characters."""


def headline(execution: Execution, title: str, remaining: int | None = None) -> str:
    """Return an execution in one line of markup."""
    aside = f"{execution.seconds * 1000:.0f} ms"
    if any(seen.delayed for seen in execution.observations):
        aside += f", simulated {simulated(build(execution.observations)):g} s"
    if remaining is not None:
        aside += f", {remaining} remaining"
    return f"[bold]{title}[/]  {faults_of(execution)}  {verdict_of(execution)}  [dim]{aside}[/]"


def picture(execution: Execution, headline: str) -> Picture:
    """Return an execution with all its calls."""
    tree = build(execution.observations)
    drawn = Picture(headline, guide_style="dim")
    _grow(drawn, tree, ROOT)
    return drawn


def verdict_of(execution: Execution) -> str:
    """Return a verdict in markup."""
    return "[green]passed[/]" if execution.passed else "[bold red]FAILED[/]"


def faults_of(execution: Execution) -> str:
    """Return a plan with what its faults turned out to be, in markup."""
    if not execution.plan.faults:
        return "no faults"
    calls = {seen.index: seen for seen in execution.observations if seen.injected is not None}
    missing = "unknown: a service ended" if execution.deaths else "not hit"
    return _told_apart(
        execution.plan,
        [_fault(each, calls.get(each.index), missing, execution) for each in execution.plan.faults],
    )


def labels_of(plan: Plan) -> str:
    """Return a plan as it was made, in markup; what its faults turned out to be isn't known."""
    said = [each.label or each.index.hex() for each in plan.faults]
    return _told_apart(plan, said) or "no faults"


def _told_apart(plan: Plan, said: Sequence[str]) -> str:
    """Return what is said of a plan's faults, in markup; of two that read alike also the index."""
    alike = Counter(said)
    pairs = zip(plan.faults, said, strict=True)
    parts = (f"{t} (index {p.index.hex()[:12]})" if alike[t] > 1 else t for p, t in pairs)
    return escape(" + ".join(parts))


def _fault(
    planned: PlannedFault, call: Observation | None, missing: str, execution: Execution
) -> str:
    """Return a planned fault by what it came to; `missing` says what is known where it isn't."""
    if call is None or call.injected is None:
        return f"{planned.label or planned.index.hex()} ({missing})"
    return f"{describe_within(call, execution.observations)}: {_came(call, call.injected)}"


def _came(seen: Observation, fault: Fault) -> str:
    """Return what a fault came to: its name, unless the way in which the call ended says it all."""
    if is_message(seen):
        return str(fault)
    if fault.late or fault.edit is not None or fault.kind is FaultKind.DELAY:
        return f"{shown_fault(seen.library, fault)}, {ended(seen)}"
    return ended(seen)


def _grow(picture: Picture, tree: Tree, parent: bytes) -> None:
    for event in tree.within(parent):
        if not _is_idle(event, tree):
            _grow(picture.add(_text(event)), tree, event.index)


def _is_idle(event: Observation, tree: Tree) -> bool:
    """Say whether this is a branch of the test, or of what runs it, in which nothing happened."""
    idle = event.role is Role.BRANCH and event.source == TEST
    return idle and not any(tree.within(event.index))


def _text(event: Observation) -> str:
    if is_message(event):
        return _message(event)
    if is_delivery(event):
        again = f", delivery {event.occurrence}" if event.occurrence > 1 else ""
        return f"[dim]taken by {escape(event.operation)}{again}[/]"
    if event.role is Role.BRANCH:
        return f"[dim]branch {event.occurrence}{escape(_site(event))}[/]"
    if event.role is Role.ASK:
        about = f" on {event.target}" if event.target else ""
        return f"[dim]asked: was a fault injected{escape(about)}? {'yes' if event.ok else 'no'}[/]"
    style = "red" if event.injected is not None else "default" if event.ok else "yellow"
    mark = "[bold red]✗[/] " if event.injected is not None else ""
    injected = " injected" if event.injected is not None else ""
    if event.delayed:
        injected += f" after {event.delayed:g} simulated s"
    return (
        f"{mark}{escape(event.source)} → {escape(event.target)}  {escape(_method(event))}"
        f"  [{style}]{escape(ended(event))}{injected}[/]\n[dim]{escape(_place(event))}[/]"
    )


def _message(event: Observation) -> str:
    called = f"{event.source} → {callee(event)} {event.operation}"
    place = f"[dim]message {event.occurrence}{escape(_site(event))}[/]"
    if event.injected is None:
        return f"{escape(called)}  {place}"
    return f"[bold red]✗[/] {escape(called)}  [red]{event.injected} injected[/]  {place}"


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
