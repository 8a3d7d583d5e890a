"""Completeness: what became of each planned fault of an execution, and what to say of it.

Pure: from a plan, and what was seen under it. Whether an execution has been heard of to its end is
the coordinator's to know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import Enum
from typing import Final

from metaapps.filibuster.deliveries import is_delivery, is_message
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.tree import Tree, describe


class Fate(Enum):
    """What became of one planned fault."""

    FIRED = "fired"
    """It was enacted."""
    UNREACHABLE = "unreachable"
    """Its call was not made, and nothing is missing of what was."""
    LOST = "lost"
    """Its call was made, or may have been, and the report of it is missing."""
    REFUSED = "refused"
    """Its call was made, and went through: the fault could not be enacted there."""
    UNKNOWN = "unknown, since a service ended"
    """Nothing tells of its call, but a service ended that can't tell any more what it did."""


def completeness(plan: Plan, execution: Execution, tree: Tree) -> tuple[Fate, ...]:
    """Return the fate of each fault of a plan, in its order; `tree` is the execution's."""
    fired = execution.fired
    seen = {one.index for one in execution.observations}
    enclosing = {one.parent for one in execution.observations}
    gaps = _may_miss_some(execution, tree, enclosing)
    fates: list[Fate] = []
    for planned in plan.faults:
        if planned.index in fired:
            fates.append(Fate.FIRED)
        elif planned.index in seen:
            certain = planned.index in tree.paths and planned.index not in tree.ambiguous
            fates.append(Fate.REFUSED if certain else Fate.LOST)
        elif execution.deaths:
            fates.append(Fate.UNKNOWN)
        else:
            lost = gaps or planned.index in enclosing
            fates.append(Fate.LOST if lost else Fate.UNREACHABLE)
    return tuple(fates)


def _may_miss_some(execution: Execution, tree: Tree, enclosing: Collection[bytes]) -> bool:
    """Say whether an execution may have made calls that nothing tells of."""
    if execution.unfinished or execution.lost:
        return True
    if any(finding.kind in _GAPS for finding in tree.findings):
        return True
    return any(is_unseen(call, enclosing) for call in tree.calls)


_GAPS: Final = frozenset({FindingKind.ORPHANED, FindingKind.INCOMPLETE, FindingKind.DUPLICATED})


def is_unseen(call: Observation, enclosing: Collection[bytes]) -> bool:
    """Say whether a call failed by itself, so that nobody told what its callee did.

    One that was given up after simulated seconds only is heard of to its end.
    """
    by_itself = call.raised is not None and call.injected is None and not call.delayed
    return by_itself and call.index not in enclosing


def unfired(
    plan: Plan, fates: Collection[Fate], explained: Collection[bytes] = ()
) -> Iterator[Finding]:
    """Yield what to say of the faults that did not happen.

    Nothing of further attempts that were not made, nor of calls that were not made where that is
    `explained`: it was not known beforehand which of two faults comes first. Nor of an answer in
    which there was nothing to edit.
    """
    for planned, fate in zip(plan.faults, fates, strict=True):
        if fate is Fate.FIRED or _excused(planned, fate, explained):
            continue
        kind, text = _SAID[fate]
        name = planned.label or planned.index.hex()
        yield Finding(kind, planned.index, f"{name} was planned{text}")


def _excused(planned: PlannedFault, fate: Fate, explained: Collection[bytes]) -> bool:
    if fate is Fate.REFUSED:
        return planned.fault.edit is not None
    excusable = fate in (Fate.UNREACHABLE, Fate.UNKNOWN)
    return excusable and (planned.optional or planned.index in explained)


_SAID: Final = {
    Fate.UNREACHABLE: (
        FindingKind.UNREACHABLE,
        (
            " and did not happen: its call was not made, though it is without this fault: "
            "the application's calls vary"
        ),
    ),
    Fate.LOST: (
        FindingKind.LOST,
        " and did not happen: a part of what services reported is missing",
    ),
    Fate.REFUSED: (
        FindingKind.MISSED,
        (
            " and did not happen: its call went through: the library has no such fault "
            "there, or injection is off"
        ),
    ),
    Fate.UNKNOWN: (
        FindingKind.LOST,
        ", and whether it happened isn't known: a service ended that could tell",
    ),
}


def amiss(execution: Execution, tree: Tree) -> Iterator[Finding]:
    """Yield what an execution could not show; `tree` is the execution's.

    Where a service ended, gaps need no other reason.
    """
    if not execution.deaths:
        yield from tree.findings
        yield from unseen(execution)
        return
    yield from (each for each in tree.findings if each.kind not in _GAPS)
    for death in execution.deaths:
        text = f"what service {death.service!r} did before it ended is known in part only"
        yield Finding(FindingKind.UNSEEN, ROOT, text)


def unseen(execution: Execution) -> Iterator[Finding]:
    """Yield what an execution that all services survived could not show."""
    worked_on = {one.parent for one in execution.unfinished if is_delivery(one)}
    for started in execution.unfinished:
        if started.index in worked_on:
            continue
        text = _unfinished(started, execution)
        yield Finding(FindingKind.UNSEEN, started.index, text)
    if execution.lost:
        text = f"{execution.lost} observations were said to be under way, and did not come in time"
        yield Finding(FindingKind.LOST, ROOT, text)
    within = {one.parent for one in execution.observations}
    for call in execution.observations:
        if is_unseen(call, within):
            text = f"{describe(call)} raised {call.raised} by itself: its callee's part isn't known"
            yield Finding(FindingKind.UNSEEN, call.index, text)


def _unfinished(started: Observation, execution: Execution) -> str:
    """Return for people what did not end."""
    if is_message(started):
        return _not_taken(started, execution)
    if started.role is Role.CALL:
        who = f"what was asked for by {describe(started)}"
    elif started.role is Role.SERVING:
        who = f"what {started.source} answers to {started.operation}"
    elif is_delivery(started):
        known = {one.index: one for one in execution.observations}
        who = f"what {started.source} does with {_message(known.get(started.parent, started))}"
    else:
        who = f"a branch that {started.source} started at {started.site}"
    return f"{who} did not end in time"


def _not_taken(message: Observation, execution: Execution) -> str:
    taken = [one for one in execution.observations if one.parent == message.index]
    if not any(map(is_delivery, taken)):
        return f"{_message(message)} was taken by nobody who is heard of"
    times = "once" if len(taken) == 1 else f"{len(taken)} times"
    by = ", ".join(sorted({one.operation for one in taken}))
    return f"{_message(message)} was taken {times}, by {by}, and is to be taken again"


def _message(message: Observation) -> str:
    return (
        f"the message to {message.operation} ({message.library}) that {message.source} put at "
        + str(message.site)
    )
