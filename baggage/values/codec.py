"""Baggage values to and from the wire's tuples.

Belongs here: what the parts of a message mean, and which of them can't be. Does not: what to leave
out for lack of room (`budget`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from baggage.clock import (
    MAX_HEIGHT,
    ClockError,
    Event,
    covered,
    decode_event,
    encode_event,
    join_event,
)
from baggage.values.baggage import EMPTY, Baggage, Carried, Gathered, digest_of
from baggage.values.errors import BaggageError
from baggage.values.history import Contribution, Dot, Entry, History, Marker, Roots
from baggage.values.keys import Value
from baggage.wire import (
    MAX_PRIORITY,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireError,
    decode,
    unsealed,
)


def read(blob: bytes) -> Baggage:
    """Return the baggage in `blob`; BaggageError, and nothing else, for what is none."""
    if not blob:
        return EMPTY
    try:
        wire = decode(blob)
        return _from_wire(wire, unsealed(bytes(blob), wire.origin))
    except (WireError, ClockError) as error:
        raise BaggageError(f"can't read baggage: {error}") from error


def to_wire(baggage: Baggage, origin: str) -> WireBaggage:
    """Return the message of baggage; raise `ClockError` if a stamp is beyond the wire's limits."""
    history = baggage.history
    by_root: dict[int, list[WireEntry]] = defaultdict(list)
    for name, entry in sorted(history.entries.items()):
        for dot in sorted(entry):
            value, type, priority = entry[dot]
            by_root[dot.root].append(WireEntry(name, value, dot.height, dot.point, type, priority))
    blocks = tuple(
        WireBlock(root, _tree(event), tuple(by_root[root]))
        for root, event in sorted(history.seen.items())
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
    return WireBaggage(blocks, history.over, down, home, origin)


def _tree(event: Event) -> int | bytes:
    return event if isinstance(event, int) else encode_event(event)


def _from_wire(wire: WireBaggage, received: bytes) -> Baggage:
    seen = _seen(wire.blocks)
    over = None if wire.over is None else Marker(*wire.over)
    history = History(seen, {}, _entries(wire.blocks, seen), over)
    down = {entry.key: Carried(entry.value, entry.priority) for entry in wire.down}
    return Baggage(history, down, _home(wire.home), wire.origin, received=received)


def _seen(blocks: Iterable[WireBlock]) -> Roots:
    trees: dict[int, list[Event]] = defaultdict(list)
    for block in blocks:
        trees[block.root].append(_event(block.tree))
    return {root: _joined(events) for root, events in trees.items()}


def _event(tree: int | bytes) -> Event:
    if isinstance(tree, bytes):
        return decode_event(tree)
    if tree > MAX_HEIGHT:
        raise ClockError(f"the height {tree} is greater than {MAX_HEIGHT}")
    return tree


def _joined(events: list[Event]) -> Event:
    """Join event trees in pairs: one after the other would cost the square of their number."""
    while len(events) > 1:
        odd = events[len(events) // 2 * 2 :]
        pairs = zip(events[::2], events[1::2], strict=False)
        events = [join_event(one, other) for one, other in pairs] + odd
    return events[0]


def _entries(blocks: Iterable[WireBlock], seen: Roots) -> Mapping[str, Entry]:
    entries: dict[str, dict[Dot, Contribution]] = {}
    for block in blocks:
        event = seen[block.root]
        for key, value, height, point, type, priority in block.entries:
            # Else it would survive its own removal, or get in the way of a dot still to come.
            if not height or not covered(event, point, height):
                raise WireError(f"a value under {key!r} that was never packed")
            contribution = Contribution(value, type, priority)
            entries.setdefault(key, {})[Dot(height, block.root, point)] = contribution
    return entries


def _home(entries: Iterable[WireEntry]) -> Mapping[str, Gathered]:
    values: dict[str, dict[bytes, Value]] = defaultdict(dict)
    priorities: dict[str, int] = {}
    for entry in entries:
        values[entry.key][digest_of(entry.value)] = entry.value
        priorities[entry.key] = min(entry.priority, priorities.get(entry.key, MAX_PRIORITY))
    return {name: Gathered(by_digest, priorities[name]) for name, by_digest in values.items()}
