"""Baggage values to and from the wire's tuples. What to leave out for lack of room is `budget`'s."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from baggage.clock import ClockError, Event, decode_event, encode_event, join_event
from baggage.values.baggage import Baggage, Carried, Gathered, check_value, digest_of
from baggage.values.errors import BaggageError
from baggage.values.history import Contributions, Dot, History, Marker
from baggage.values.keys import Key, Type, Value
from baggage.wire import WireBaggage, WireBlock, WireEntry, WireError, decode

def read(blob: bytes) -> Baggage:
    """Return the baggage in `blob`; BaggageError, and nothing else, for what is none."""
    try:
        return replace(_from_wire(decode(blob)), received=bytes(blob))
    except (WireError, ClockError) as error:
        raise BaggageError(f"can't read baggage: {error}") from error


def to_wire(baggage: Baggage, origin: str) -> WireBaggage:
    history = baggage.history
    by_root: dict[int, list[WireEntry]] = defaultdict(list)
    for name in sorted(history.entries):
        entry = history.entries[name]
        for dot in sorted(entry.by_dot):
            by_root[dot.root].append(
                WireEntry(
                    name, entry.by_dot[dot], dot.height, dot.point, entry.type, entry.priority
                )
            )
    blocks = tuple(
        WireBlock(root, _tree(history.seen[root]), tuple(by_root[root]))
        for root in sorted(history.seen)
    )
    down = tuple(
        WireEntry(name, carried.value, priority=carried.priority)
        for name, carried in sorted(baggage.down.items())
    )
    home = tuple(
        WireEntry(name, value, priority=gathered.priority)
        for name, gathered in sorted(baggage.home.items())
        for _, value in sorted(gathered.by_digest.items())
    )
    over = None if history.over is None else (history.over.priority, history.over.key)
    return WireBaggage(blocks, over, down, home, origin)


def _tree(event: Event) -> int | bytes:
    return event if isinstance(event, int) else encode_event(event)


def _from_wire(wire: WireBaggage) -> Baggage:
    seen: dict[int, Event] = {}
    for block in wire.blocks:
        tree = block.tree if isinstance(block.tree, int) else decode_event(block.tree)
        seen[block.root] = join_event(seen[block.root], tree) if block.root in seen else tree
    over = None if wire.over is None else Marker(*wire.over)
    history = History(seen, {}, dict(_contributions(wire)), over)
    down = {}
    for entry in wire.down:
        down[_checked(entry).key] = Carried(entry.value, entry.priority)
    home: dict[str, Gathered] = {}
    for entry in wire.home:
        held = home.get(_checked(entry).key)
        values = dict(held.by_digest) if held else {}
        values[digest_of(entry.value)] = entry.value
        home[entry.key] = Gathered(values, entry.priority)
    return Baggage(history, down, home, wire.origin)


def _contributions(wire: WireBaggage) -> Iterator[tuple[str, Contributions]]:
    by_key: dict[str, dict[Dot, Value]] = defaultdict(dict)
    described: dict[str, tuple[int, int]] = {}
    for block in wire.blocks:
        for entry in block.entries:
            by_key[_checked(entry).key][Dot(entry.height, block.root, entry.point)] = entry.value
            described[entry.key] = entry.type, entry.priority
    for name, by_dot in by_key.items():
        number, priority = described[name]
        # A type that this version doesn't know is carried, and shown, as a bag.
        yield name, Contributions(Type(number) if number in _TYPES else Type.BAG, priority, by_dot)


_TYPES: Final = frozenset(int(type) for type in Type)


def _checked(entry: WireEntry) -> WireEntry:
    try:
        Key(entry.key, priority=entry.priority)
    except ValueError as error:
        raise WireError(str(error)) from error
    return entry
