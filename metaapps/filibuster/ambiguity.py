"""Which calls and branches can't be told apart, and are therefore never failed.

A service marks what several workers made at once within one branch; whoever made it first could not
know. So what one of a kind is marked for holds for all of that kind. The same goes for indices that
begin alike, of which no plan could mean one alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from metaapps.filibuster.index import PREFIX_SIZE, BranchFrame, CallFrame
from metaapps.filibuster.observation import Observation, Role


def ambiguous_groups(events: Iterable[Observation]) -> Iterator[Sequence[Observation]]:
    """Yield what can't be told apart, each group in the order of `events`."""
    named = [event for event in events if event.role is not Role.ASK]
    # Most executions have none: then nothing is compared.
    marked = {(event.parent, _kind(event)) for event in named if event.ambiguous}
    within = {parent for parent, _ in marked}
    alike: dict[tuple[bytes, object], list[Observation]] = {kind: [] for kind in marked}
    begin_alike: dict[bytes, list[Observation]] = defaultdict(list)
    for event in named:
        begin_alike[event.index[:PREFIX_SIZE]].append(event)
        if event.parent in within and (kind := (event.parent, _kind(event))) in marked:
            alike[kind].append(event)
    yield from sorted(alike.values(), key=lambda group: named.index(group[0]))
    yield from (group for group in begin_alike.values() if len(group) > 1)


def _kind(event: Observation) -> CallFrame | BranchFrame:
    """Return the frame of an event without its number."""
    frame = event.frame
    if isinstance(frame, BranchFrame):
        return replace(frame, number=0)
    return replace(frame, occurrence=0)
