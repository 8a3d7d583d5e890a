"""The tree of one execution: what happened within what, and in which order.

Built from flat observations, which may come in any order, doubled or with gaps. What can't be
placed with certainty becomes a finding: it is never guessed. Judging executions is elsewhere.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from metaapps.filibuster.ambiguity import ambiguous_groups
from metaapps.filibuster.deliveries import callee, is_delivery, is_message
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import ROOT, Frame
from metaapps.filibuster.observation import EVENTS, Observation, Role
from metaapps.filibuster.status import shown_status

Path = tuple[int, ...]
"""The positions from the functional test down to an event; as tuples sort, it began before."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One execution's events below the functional test, whose index is `index.ROOT`.

    `events` maps an enclosing index to its events by position. `preorder` holds all of them, an
    event before what happened within it. `flaws` maps an enclosing index to the first position
    from which its events aren't known for certain. `ambiguous` are the events whose index says
    nothing, and all below them: what is planned there may befall another one. `whole` is False if
    something can't be placed.
    """

    events: Mapping[bytes, tuple[Observation, ...]]
    paths: Mapping[bytes, Path]
    preorder: tuple[Observation, ...]
    flaws: Mapping[bytes, int]
    findings: tuple[Finding, ...]
    ambiguous: frozenset[bytes] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether every observation has its place under the functional test."""
        return all(f.kind is not FindingKind.ORPHANED for f in self.findings)

    @property
    def calls(self) -> Iterator[Observation]:
        """The calls in the order in which they began."""
        return (event for event in self.preorder if event.role is Role.CALL)

    def frames(self) -> Mapping[bytes, tuple[Frame, ...]]:
        """Return the frames of each call's and branch's index, outermost first."""
        frames: dict[bytes, tuple[Frame, ...]] = {}
        for event in self.preorder:
            if event.role is not Role.ASK:
                frames[event.index] = (*frames.get(event.parent, ()), event.frame)
        return frames

    def within(self, index: bytes) -> tuple[Observation, ...]:
        """Return the events directly within an enclosing call, a branch or the test."""
        return self.events.get(index, ())


def canonical_key(path: Path) -> tuple[float, ...]:
    """Return what sorts a call by position, but after all the calls that were made within it."""
    return (*path, math.inf)


def describe(call: Observation) -> str:
    """Return one call or message for people, as in "foo → bar GET /bar/baz"."""
    parts = [f"{call.source or 'test'} →", callee(call), call.operation]
    if call.occurrence > 1:
        parts.append(f"#{call.occurrence}")
    return " ".join(part for part in parts if part)


def describe_within(call: Observation, observations: Collection[Observation]) -> str:
    """Return the same with what tells it from others of an execution that are described alike."""
    told = describe(call)
    named = (o for o in observations if o.role is Role.CALL or is_message(o))
    alike = {o.index: o for o in named if describe(o) == told}
    if len(alike) < 2:
        return told
    order = [o.index for o in build(observations).preorder if o.index in alike]
    if call.index not in order:
        return told
    place = f"{_ordinal(order.index(call.index) + 1)} of {len(order)}"
    same = len({o.site for o in alike.values()}) == 1
    return f"{told} ({place})" if same else f"{told} ({place}, at {call.site})"


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def ended(call: Observation) -> str:
    """Return for people how a call ended, as in "grpc.RpcError UNAVAILABLE" or "503"."""
    status = "" if call.status is None else shown_status(call.library, call.status)
    return " ".join(filter(None, (call.raised, status))) or "answered"


def build(observations: Iterable[Observation]) -> Tree:
    """Build the tree; equal observations count once, and those of no event not at all."""
    distinct = _distinct(seen for seen in observations if seen.role in EVENTS)
    counts = Counter(o.index for o in distinct)
    doubled = [o for o in distinct if counts[o.index] > 1 or o.index == ROOT]
    certain = [o for o in distinct if counts[o.index] == 1 and o.index != ROOT]
    events = _by_parent(certain)
    paths: dict[bytes, Path] = {}
    preorder = tuple(_descend(events, ROOT, paths))
    flaws, gaps = _flaws(events, _by_parent(doubled), {ROOT, *paths})
    lost = _lost(certain, {o.index for o in doubled}, events, paths)
    groups = tuple(ambiguous_groups(preorder))
    for group in groups:
        parent, position = group[0].parent, min(o.position for o in group)
        flaws[parent] = min(position, flaws.get(parent, position))
    findings = (
        *(_finding(FindingKind.DUPLICATED, group) for group in _groups(doubled)),
        *gaps,
        *(_finding(FindingKind.ORPHANED, [o]) for o in lost),
        *(_ambiguity(group) for group in groups),
    )
    ambiguous: set[bytes] = set()
    for member in (o for group in groups for o in group):
        _reach(events, member.index, ambiguous)
    return Tree(events, paths, preorder, flaws, findings, frozenset(ambiguous))


def _distinct(observations: Iterable[Observation]) -> list[Observation]:
    """Return observations without repetitions, in an order that doesn't depend on their arrival."""
    known: dict[bytes, list[Observation]] = defaultdict(list)
    for observation in observations:
        if observation not in known[observation.index]:
            known[observation.index].append(observation)
    return [o for index in sorted(known) for o in known[index]]


def _by_parent(observations: Iterable[Observation]) -> dict[bytes, tuple[Observation, ...]]:
    events: dict[bytes, list[Observation]] = defaultdict(list)
    for observation in observations:
        events[observation.parent].append(observation)
    return {
        parent: tuple(sorted(inner, key=lambda o: (o.position, o.index)))
        for parent, inner in events.items()
    }


def _descend(
    events: Mapping[bytes, tuple[Observation, ...]], start: bytes, paths: dict[bytes, Path]
) -> Iterator[Observation]:
    """Yield what lies below `start` in preorder, and note the path of each event."""
    waiting: list[tuple[Path, Observation]]
    waiting = [((o.position,), o) for o in reversed(events.get(start, ()))]
    while waiting:
        path, event = waiting.pop()
        paths[event.index] = path
        yield event
        inner = reversed(events.get(event.index, ()))
        waiting.extend(((*path, o.position), o) for o in inner)


def _flaws(
    certain: Mapping[bytes, Sequence[Observation]],
    doubled: Mapping[bytes, Sequence[Observation]],
    placed: set[bytes],
) -> tuple[dict[bytes, int], list[Finding]]:
    """Return where the events of each enclosing index stop being certain, and why."""
    flaws: dict[bytes, int] = {}
    findings: list[Finding] = []
    for parent in sorted(placed & (certain.keys() | doubled.keys())):
        positions = {o.position for o in doubled.get(parent, ())}
        if positions:
            flaws[parent] = min(positions)
        found = [o.position for o in certain.get(parent, ())]
        amiss = _first_amiss(found, positions)
        if amiss is not None:
            flaws[parent] = min(amiss, flaws.get(parent, amiss))
            text = f"the event at position {amiss} of {parent.hex()[:8]} is missing or not the only"
            findings.append(Finding(FindingKind.INCOMPLETE, parent, text))
    return flaws, findings


def _first_amiss(positions: Sequence[int], taken: set[int]) -> int | None:
    """Return the first place that is empty or held twice; `taken` are held by doubled events."""
    counts = Counter(positions)
    last = max((*counts, *taken), default=-1)
    for position in range(min(last + 1, len(positions) + len(taken) + 1)):
        if position not in taken and counts[position] != 1:
            return position
    return None


def _lost(
    certain: Sequence[Observation],
    doubled: set[bytes],
    events: Mapping[bytes, tuple[Observation, ...]],
    placed: Iterable[bytes],
) -> Iterator[Observation]:
    """Yield the topmost observations that aren't below the test, nor below a doubled one."""
    reached = set(placed)
    for index in sorted(doubled):
        _reach(events, index, reached)
    known = {o.index for o in certain}
    # Heads first: what is left after them and theirs encloses itself.
    for head in sorted(certain, key=lambda o: (o.parent in known, o.index)):
        if head.index not in reached:
            yield head
            _reach(events, head.index, reached)


def _reach(
    events: Mapping[bytes, tuple[Observation, ...]], start: bytes, reached: set[bytes]
) -> None:
    """Add `start` and all that lies below it."""
    waiting = [start]
    while waiting:
        index = waiting.pop()
        if index not in reached:
            reached.add(index)
            waiting.extend(o.index for o in events.get(index, ()))


def _groups(doubled: Sequence[Observation]) -> Iterator[Sequence[Observation]]:
    groups = defaultdict(list)
    for observation in doubled:
        groups[observation.index].append(observation)
    return iter(groups.values())


def _ambiguity(group: Sequence[Observation]) -> Finding:
    """Return what is told of events that can't be told apart."""
    first = group[0]
    if is_delivery(first):
        text = (
            f"several deliveries of one message, taken by {first.operation}, can't be told apart: "
            "what is done in them is not failed; let the broker count, or one process take them"
        )
        return Finding(FindingKind.AMBIGUOUS, first.index, text)
    if first.role is Role.CALL:
        told = f"{len(group)} calls {describe(replace(first, occurrence=1))}"
    else:
        told = f"{len(group)} branches that {first.source} starts"
    text = (
        f"{told} at {first.site} are made by several workers at once in one branch, and can't be "
        "told apart: not failed; let each worker be a task, or a thread that isn't handed a context"
    )
    return Finding(FindingKind.AMBIGUOUS, first.index, text)


def _finding(kind: FindingKind, group: Sequence[Observation]) -> Finding:
    first = group[0]
    name = describe(first) if first.role is Role.CALL else f"a {first.role.value}"
    if kind is FindingKind.DUPLICATED:
        text = f"{len(group)} different observations have the index of {name}: neither is used"
    else:
        text = f"{name} was made within {first.parent.hex()[:8]}, which nothing tells of"
    return Finding(kind, first.index, text)
