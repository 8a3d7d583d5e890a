"""Faults by hand, without a search: from rules to the one execution in which all of them act.

Pure: running a plan is handed in. What a rule says is in `catalogue.rule`; showing what came of it
is the command line's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from metaapps.filibuster.catalogue import Entry, Rule, RuleError
from metaapps.filibuster.catalogue.wording import worded
from metaapps.filibuster.deliveries import callee, is_message
from metaapps.filibuster.explore import Fate, completeness, planned_fault
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.tree import Tree, build

MOST_RUNS: Final = 50
_MOST_NAMES: Final = 12


def settle(run: Callable[[Plan], Execution], rules: Sequence[Rule]) -> Iterator[Execution]:
    """Run until no call is reached any more that a rule fits; yield each execution.

    The first one is without faults, and the only one if it fails. The last one is that in which all
    rules act at all calls that they fit: what is planned there is what they make of its calls, and
    of those of which nothing is heard any more, such as those of a service that never answers.
    Raises RuleError if that isn't reached in `MOST_RUNS`, or if a rule fits no call there.
    """
    plan = FAULT_FREE
    for _ in range(MOST_RUNS):
        execution = run(plan)
        yield execution
        if not plan.faults and not execution.passed:
            return
        tree = build(execution.observations)
        lost = tuple(lost_by(execution, tree))
        wanted = Plan((*planned_by(rules, tree), *lost))
        if wanted.key == plan.key:
            if not lost:
                _check(rules, tree)
            return
        plan = wanted
    raise RuleError(
        f"no end after {MOST_RUNS} runs: each one reached calls that none before it had made, as "
        "retries without end do; say how many shall fail, as in 'bar→baz: status 503 first 3'"
    )


def planned_by(rules: Sequence[Rule], tree: Tree) -> Iterator[PlannedFault]:
    """Yield what rules make of the calls of an execution; of several rules the first one counts."""
    for seen in _befallen(tree):
        for rule in rules:
            if _fits(rule, seen, tree):
                yield planned_fault(seen, rule.fault)
                break


def unhit(execution: Execution, tree: Tree) -> tuple[PlannedFault, ...]:
    """Return the planned faults that are known not to have happened."""
    known = {*execution.fired, *(each.index for each in lost_by(execution, tree))}
    return tuple(each for each in execution.plan.faults if each.index not in known)


def lost_by(execution: Execution, tree: Tree) -> Iterator[PlannedFault]:
    """Yield the planned faults of whose calls nothing was heard, though they may be made."""
    fates = completeness(execution.plan, execution, tree)
    seen = {each.index for each in execution.observations}
    for planned, fate in zip(execution.plan.faults, fates, strict=True):
        if fate in (Fate.LOST, Fate.UNKNOWN) and planned.index not in seen:
            yield planned


def name_of(seen: Observation) -> str:
    """Return what to call a call in a rule."""
    return f"{seen.source}→{callee(seen)} {seen.operation}".strip()


def _befallen(tree: Tree) -> Iterator[Observation]:
    """Yield what faults can befall: calls, but for the functional test's own, and messages."""
    for seen in tree.preorder:
        if not seen.by_test and (seen.role is Role.CALL or is_message(seen)):
            yield seen


def _fits(rule: Rule, seen: Observation, tree: Tree) -> bool:
    entry = Entry.of(rule)
    if not (entry.fits(seen) and entry.in_time(seen, tree)):
        return False
    if rule.attempts is None:
        return True
    return seen.index not in tree.ambiguous and _attempt(seen, tree) <= rule.attempts


def _attempt(call: Observation, tree: Tree) -> int:
    """Return which call of its kind this is, for the call or test that it was made for.

    Its occurrence tells that within one branch only; each attempt may have a task of its own.
    """
    known = {seen.index: seen for seen in tree.preorder}

    def place(seen: Observation) -> tuple[object, ...]:
        above = seen.parent
        while (branch := known.get(above)) is not None and branch.role is Role.BRANCH:
            above = branch.parent
        return above, seen.source, callee(seen), seen.operation, seen.site

    alike = [seen.index for seen in _befallen(tree) if place(seen) == place(call)]
    return alike.index(call.index) + 1


def _check(rules: Sequence[Rule], tree: Tree) -> None:
    """Raise RuleError for a rule that fits no call, or whose calls others fail already."""
    for at, rule in enumerate(rules):
        fitting = [seen for seen in _befallen(tree) if _fits(rule, seen, tree)]
        if not fitting:
            raise RuleError(f"{str(rule)!r} {_why_not(rule, tree)}")
        if all(any(_fits(other, seen, tree) for other in rules[:at]) for seen in fitting):
            raise RuleError(f"{str(rule)!r} fits only calls that another fault befalls already")


def _why_not(rule: Rule, tree: Tree) -> str:
    there = [*_befallen(tree)]
    if not there:
        return "fits no call, since no service was seen to call another"
    named = [seen for seen in there if rule.calls.match(seen)]
    entry = Entry.of(rule)
    if any(entry.fits(seen) for seen in named):
        if rule.after is not None:
            return f"fits no call that came after a successful {rule.after}"
        return "fits only calls that are made at once and can't be told apart: leave 'first' out"
    if named:
        libraries = _told({seen.library: None for seen in named})
        return f"fits no call: {worded(rule.fault)} is no fault of {libraries}"
    if any(rule.calls.match(seen) for seen in tree.calls):
        return f"fits only the functional test's own calls, which never fail; {_others(there, '')}"
    return f"fits no call; {_others(there, str(rule.calls))}"


def _others(there: Iterable[Observation], wanted: str) -> str:
    names = {name_of(seen): None for seen in there}
    near = get_close_matches(wanted, [name.partition(" ")[0] for name in names], 1, 0.7)
    meant = f"did you mean {near[0]!r}? " if near and near[0] != wanted else ""
    return f"{meant}There are: {_told(names)}"


def _told(names: Iterable[str]) -> str:
    names = [*names]
    more = len(names) - _MOST_NAMES
    return ", ".join([*names[:_MOST_NAMES], *([f"and {more} more"] if more > 0 else [])])
