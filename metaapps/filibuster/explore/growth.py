"""Growth: which calls of an execution may fail next, besides those that failed in it.

A plan grows by the calls that its execution reaches and that did not begin before its last failed
call. In program order that is a matter of position. Branches run at the same time as what follows
their start: of such calls nobody knows which began first, and the rules are these.

* A call that certainly began before a failed one is out: the plan with both grows the other way.
* So is a call that stands before the newest failed one and is reached without it too, though it may
  have begun later: the plan with both grows the other way as well. One that is reached only since
  the newest one failed began after it, wherever it stands.
* What is left may still have begun before a failed call, and keep it from being made when it fails:
  then there is no such plan. Smaller plans show it; how, says `possible`.

Every plan whose faults can all happen is known by these rules, whatever the order of its calls:
take the order that is least by position among those that lead to it, and each of its faults follows
the one before by a rule. (Two neighbours that no rule allows could be exchanged, for a lesser one.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from metaapps.filibuster.deliveries import is_message
from metaapps.filibuster.explore.frontier import Candidate, Loose
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.tree import Path, Tree


@dataclass(frozen=True, slots=True)
class Reached:
    """A call that may fail next, and the failed ones of which nobody knows if it began later."""

    call: Observation
    loose: Loose = ()


class Timing:
    """What is certain about the order in which the events of one execution began."""

    def __init__(self, tree: Tree) -> None:
        """Look for what goes on while something else does."""
        self._paths = tree.paths
        self._open: dict[bytes, int] = {ROOT: -1}
        self.concurrent = False
        for event in tree.preorder:
            open_at = self._open[event.parent]
            if _left_running(event) and tree.within(event.index):
                open_at = len(tree.paths[event.index]) - 1
                self.concurrent = True
            self._open[event.index] = open_at

    def before(self, earlier: Observation, later: Path) -> bool:
        """Say whether an event certainly began before the one at a path."""
        path = self._paths[earlier.index]
        for depth, (one, other) in enumerate(zip(path, later, strict=False)):
            if one != other:
                return one < other and self._open[earlier.parent] < depth
        return len(path) < len(later)


def _left_running(event: Observation) -> bool:
    """Say whether what is within an event may go on while its parent does."""
    # What took simulated seconds only ended before anybody gave it up.
    by_itself = event.raised is not None and event.injected is None and not event.delayed
    return by_itself or event.role is Role.BRANCH


def can_fail(event: Observation) -> bool:
    """Say whether an event is one that a fault can befall: a service's call, or a message."""
    return (event.role is Role.CALL or is_message(event)) and not event.by_test


def reached(candidate: Candidate, tree: Tree, timing: Timing) -> Iterator[Reached]:
    """Yield the calls that may fail next, in the order in which they stand.

    The candidate's faults are those that did happen in the execution of this tree.
    """
    calls = (
        event
        for event in tree.preorder
        if can_fail(event) and event.injected is None and event.index not in tree.ambiguous
    )
    if timing.concurrent:
        yield from _reached_among_branches(calls, candidate, tree, timing)
        return
    faults = candidate.plan.faults
    last = max((tree.paths[each.index] for each in faults if each.index in tree.paths), default=())
    yield from (Reached(call) for call in calls if tree.paths[call.index] > last)


def _reached_among_branches(
    calls: Iterator[Observation], candidate: Candidate, tree: Tree, timing: Timing
) -> Iterator[Reached]:
    by_index = {event.index: event for event in tree.preorder if event.injected is not None}
    failed = [by_index[each.index] for each in candidate.plan.faults if each.index in by_index]
    paths = tree.paths
    newest = max((paths[each.index] for each in failed[-candidate.newest :]), default=())
    attempts = {each.index for each in candidate.plan.faults if each.optional}
    for call in calls:
        path = paths[call.index]
        if any(timing.before(call, paths[each.index]) for each in failed):
            continue
        if path > newest or call.index not in candidate.known:
            loose = (each for each in failed if not timing.before(each, path))
            yield Reached(call, tuple(e.index for e in loose if e.index not in attempts))


def happened(candidate: Candidate, fired: frozenset[bytes]) -> Candidate:
    """Return the part of a plan that really happened: only that can have more faults after it."""
    faults, keys = candidate.plan.faults, candidate.keys
    if len(fired) >= len(faults) and all(each.index in fired for each in faults):
        return candidate
    kept = [(each, key) for each, key in zip(faults, keys, strict=True) if each.index in fired]
    newest = sum(each.index in fired for each in faults[len(faults) - candidate.newest :])
    plan = replace(candidate.plan, faults=tuple(each for each, _ in kept))
    return replace(candidate, plan=plan, keys=tuple(key for _, key in kept), newest=newest)
