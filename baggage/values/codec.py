"""Baggage values as bytes.

Belongs here: what is written of each part. Does not: reading (`came`), and what to leave out for
lack of room (`budget`).
"""

from __future__ import annotations

from collections import defaultdict

from baggage.clock import Event, encode_event, encode_id
from baggage.values.came import Came
from baggage.values.known import NOTHING as NOTHING_KNOWN
from baggage.values.known import Ids, Known, Layer
from baggage.values.oneway import Down, Home
from baggage.wire import (
    WireBlock,
    WireEntry,
    WireLoan,
    block,
    content,
    descending,
    homeward,
    lending,
    written,
)


def untouched(came: Came, known: Known) -> bytes | None:
    """Return the message that came, with a block behind it of what was packed on top.

    None where it can't go on as it is, because of what is known now or turned out meanwhile.
    """
    if came.dropped:
        return None
    if known is came:
        return came.body
    if isinstance(known, Layer) and known.base is came:
        return came.body + _layer_form(known)
    return None


def body_of(known: Known, down: Down, home: Home) -> bytes:
    """Return a message without origin; raise `ClockError` if a stamp is beyond the wire's limits.

    Equal baggage that was made here has equal bytes.
    """
    body = b"" if known is NOTHING_KNOWN else form_of(known)
    if down:
        body += descending(sorted(down.items()))
    return body + homeward(home_entries(home)) if home else body


def form_of(known: Known) -> bytes:
    """Return the bytes of what merges by causal history, which are kept; raise `ClockError`."""
    if isinstance(known, Layer):
        return form_of(known.base) + _layer_form(known)
    came = known if isinstance(known, Came) else None
    if came is not None and came.dropped:
        return written(blocks_of(known), known.over)
    form = known.form
    if form is None:
        if came is not None:
            form = came.alone()
        else:
            form = written(blocks_of(known), known.over) + _along(known)
        known.form = form
    return form


def _along(known: Known) -> bytes:
    """Return what a later version wrote into the message that this was made of."""
    came = known.along
    return came.later() if isinstance(came, Came) and not came.dropped else b""


def _layer_form(layer: Layer) -> bytes:
    """Return the bytes of what was packed on top."""
    form = layer.form
    if form is None:
        entries = [
            content(key, value, height, type, priority)
            for key, height, value, type, priority in layer.packed
        ]
        layer.form = form = block(layer.root, layer.height, entries)
    return form


def blocks_of(known: Known) -> tuple[WireBlock, ...]:
    """Return what the wire says of each root; raise `ClockError` beyond the wire's limits."""
    by_root: dict[int, list[WireEntry]] = defaultdict(list)
    for name, visible in sorted(known.entries.items()):
        for dot in sorted(visible):
            value, type, priority = visible[dot]
            by_root[dot.root].append(WireEntry(name, value, dot.height, dot.point, type, priority))
    return tuple(
        WireBlock(root, _tree(event), tuple(by_root[root]))
        for root, event in sorted(known.seen.items())
    )


def down_entries(down: Down) -> tuple[WireEntry, ...]:
    """Return what the wire says of `down` keys."""
    if not down:
        return ()
    return tuple(
        [WireEntry(name, value, priority=prior) for name, (value, prior) in sorted(down.items())]
    )


def home_entries(home: Home) -> tuple[WireEntry, ...]:
    """Return what the wire says of `home` keys."""
    if not home:
        return ()
    return tuple(
        WireEntry(name, value, priority=gathered.priority)
        for name, gathered in sorted(home.items())
        for _, value in sorted(gathered.by_digest.items())
    )


def lending_of(own: Ids) -> bytes:
    """Return the part of a message that lends ids; raise `ClockError` beyond the wire's limits."""
    return lending([WireLoan(root, encode_id(identity)) for root, identity in sorted(own.items())])


def _tree(event: Event) -> int | bytes:
    return event if isinstance(event, int) else encode_event(event)
