"""What a message says, part by part; a part that services refuse is named, and the others stay.

Belongs here: the parts, and their form in JSON. Does not: reading any bytes itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from baggage.cli.notation import Tree, event_tree, id_tree, type_name, typed
from baggage.cli.source import Refusal
from baggage.clock import NONE, ZERO, ClockError, Event, Id, stamp_bits
from baggage.values import EMPTY, Baggage, BaggageError, Value
from baggage.values.came import lent_by
from baggage.values.history import type_of
from baggage.values.known import Dot, Ids, Marker
from baggage.values.merging import shown
from baggage.wire import Unread, WireEntry, WireError, size_of

T = TypeVar("T")
_WHOLE: Final = "the message"


@dataclass(frozen=True, slots=True)
class Root:
    """What a message says of one universe; the id is NONE where none is lent."""

    root: int
    events: Event
    id: Id

    @property
    def stamp(self) -> tuple[Tree, Tree]:
        """The stamp of whoever gets this."""
        return id_tree(self.id), event_tree(self.events)

    @property
    def bits(self) -> int:
        """How many bits the paper's encoding of the stamp has."""
        return stamp_bits(self.id, self.events)


@dataclass(frozen=True, slots=True)
class Entry:
    """One value under a key, with the bytes that it takes; a dot is that of a `both` key."""

    key: str
    value: Value
    direction: str
    priority: int
    size: int
    type: int = 0
    dot: Dot | None = None

    def to_json(self) -> dict[str, object]:
        """Return all of it."""
        dot = self.dot
        return {
            "key": self.key,
            "value": typed(self.value),
            "direction": self.direction,
            "type": None if dot is None else type_name(self.type),
            "priority": self.priority,
            "bytes": self.size,
            "dot": None
            if dot is None
            else {"root": f"{dot.root:016x}", "point": dot.point, "height": str(dot.height)},
        }


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message. `shows` is what a reader gets under each name, `refused` why parts are missing."""

    origin: str
    roots: tuple[Root, ...]
    entries: tuple[Entry, ...]
    over: Marker | None
    shows: dict[str, tuple[Value, ...]]
    refused: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return all of it, in the notation of the golden vectors."""
        over = self.over
        roots = [(each, *each.stamp) for each in self.roots]
        return {
            "origin": self.origin,
            "roots": [
                {"root": f"{each.root:016x}", "id": id, "events": events, "bits": each.bits}
                for each, id, events in roots
            ],
            "entries": [entry.to_json() for entry in self.entries],
            "shows": {name: [*map(typed, values)] for name, values in self.shows.items()},
            "over": None if over is None else {"priority": over.priority, "key": over.key},
            "refused": list(self.refused),
        }


def decode_message(blob: bytes) -> Decoded:
    """Return what is in the bytes of a message; raise `Refusal` if they are none."""
    try:
        unread = Unread(blob)
    except WireError as error:
        raise Refusal(f"no service reads this: {error}") from error
    refused: list[str] = []

    def part(name: str, read: Callable[[], T], nothing: T) -> T:
        try:
            return read()
        except (BaggageError, WireError, ClockError) as error:
            reason = str(error).removeprefix("can't read baggage: ")
            refused.append(f"{name}: {reason}".encode("ascii", "backslashreplace").decode())
            return nothing

    def taken() -> Ids:
        ids = lent_by(unread)
        if ids and unknown:
            raise WireError("ids that are worth nothing without what merges")
        return ids

    merging = part("what merges", lambda: Baggage.deserialize(unread.alone()), EMPTY)
    unknown = bool(refused)
    nothing: tuple[WireEntry, ...] = ()
    no_ids: Ids = {}
    down = part("what goes down", unread.down, nothing)
    home = part("what goes home", unread.home, nothing)
    lent = part("what is lent", taken, no_ids)
    seen = merging.history.seen
    roots = (Root(root, seen.get(root, ZERO), lent.get(root, NONE)) for root in {**seen, **lent})
    entries = sorted(merging.history.entries.items())
    shows = {name: shown(type_of(entry), merging.siblings(name)) for name, entry in entries}
    return Decoded(
        unread.origin,
        tuple(sorted(roots, key=lambda each: each.root)),
        (*_merging(merging), *_one_way(down, "down"), *_one_way(home, "home")),
        merging.history.over,
        shows,
        tuple(refused),
    )


def _merging(carried: Baggage) -> tuple[Entry, ...]:
    found = []
    for name, visible in sorted(carried.history.entries.items()):
        for dot in sorted(visible):
            value, type, priority = visible[dot]
            wire = WireEntry(name, value, dot.height, dot.point, type, priority)
            found.append(Entry(name, value, "both", priority, size_of(wire), type, dot))
    return tuple(found)


def _one_way(entries: tuple[WireEntry, ...], direction: str) -> tuple[Entry, ...]:
    return tuple(
        Entry(each.key, each.value, direction, each.priority, size_of(each)) for each in entries
    )
