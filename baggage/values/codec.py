"""Baggage values to and from bytes.

Belongs here: what the parts of a message mean, which of them can't be, and reading them no sooner
than they are asked for. Does not: what to leave out for lack of room (`budget`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from baggage.clock import (
    MAX_HEIGHT,
    NONE,
    ClockError,
    Event,
    Id,
    covered,
    decode_event,
    decode_id,
    encode_event,
    encode_id,
    join_event,
)
from baggage.values.errors import BaggageError
from baggage.values.garbage import dropped
from baggage.values.keys import Value
from baggage.values.known import NOTHING as NOTHING_KNOWN
from baggage.values.known import (
    Contribution,
    Dot,
    Entries,
    Ids,
    Known,
    Layer,
    Marker,
    Roots,
)
from baggage.values.oneway import Down, Gathered, Home, digest_of
from baggage.wire import (
    MAX_PRIORITY,
    Unread,
    WireBlock,
    WireEntry,
    WireError,
    WireLoan,
    block,
    descending,
    entry,
    homeward,
    lending,
    unsealed,
    written,
)

T = TypeVar("T")
_NOTHING_KNOWN: Final[tuple[Roots, Entries, Marker | None]] = ({}, {}, None)


class Came:
    """A message from elsewhere, of which each part is read when it's first asked for.

    `body` is the message without its `origin`, as it came. What then turns out to be none is
    dropped, with one line in the log for the whole message. Safe in any thread.
    """

    __slots__ = ("_dropped", "_unread", "body", "origin")

    def __init__(self, blob: bytes) -> None:
        """Take a message; raise BaggageError if it isn't one, whatever it says."""
        try:
            self._unread = unread = Unread(blob)
        except WireError as error:
            raise BaggageError(f"can't read baggage: {error}") from error
        self._dropped: list[bool] = []
        self.origin = unread.origin
        self.body = unread.returned() if unread.has_lent else unsealed(blob, self.origin)

    def read(self) -> tuple[Known, Down, Home]:
        """Read all of it now; raise BaggageError if any part can't be."""
        try:
            known = Known(*_known(self._unread))
            known.source = self
            return known, _down(self._unread), _home(self._unread)
        except (WireError, ClockError) as error:
            raise BaggageError(f"can't read baggage: {error}") from error

    def known(self) -> Known:
        """Return what merges by causal history, to be found out when it's asked for."""
        if self._unread.has_history:
            return Known.by(self)
        known = Known({}, {})
        known.source = self
        return known

    def find(self) -> tuple[Roots, Entries, Marker | None]:
        """Return what merges by causal history; nothing if that can't be."""
        return self._read(_known, _NOTHING_KNOWN)

    def mentions(self, key: str) -> bool:
        """Say whether anything may be under a key, whichever way it travels."""
        return key.encode(errors="surrogatepass") in self.body

    def down(self) -> Down:
        """Return what goes down; nothing if that can't be."""
        return self._read(_down, {})

    def home(self) -> Home:
        """Return what goes home; nothing if that can't be."""
        return self._read(_home, {}) if self._unread.has_home else {}

    def lent(self) -> Ids:
        """Return the ids that were lent with it; none if any can't be."""
        return self._read(_lent, {}) if self._unread.has_lent else {}

    @property
    def has_home(self) -> bool:
        """Whether anything in it goes home."""
        return self._unread.has_home

    @property
    def dropped(self) -> bool:
        """Whether a part of it turned out to be none: then it isn't passed on either."""
        return bool(self._dropped)

    def alone(self) -> bytes:
        """Return the bytes of what merges by causal history."""
        return self._unread.alone()

    def later(self) -> bytes:
        """Return the bytes of what only a later version understands."""
        return self._unread.later()

    def _read(self, read: Callable[[Unread], T], nothing: T) -> T:
        try:
            return read(self._unread)
        except (WireError, ClockError) as error:
            self._dropped.append(True)
            if len(self._dropped) == 1:
                dropped(error, len(self.body))
            return nothing


def untouched(base: Known, known: Known) -> bytes | None:
    """Return the message that `base` came in, with a block behind it of what was packed on top.

    None where it can't go on as it is, because of what is known now or turned out meanwhile.
    """
    came = base.source
    if not isinstance(came, Came) or came.dropped:
        return None
    if known is base:
        return came.body
    layer = known.layer
    if layer is None or layer.base is not base:
        return None
    return came.body + _layer_form(layer)


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
    source = known.source
    if isinstance(source, Layer):
        return form_of(source.base) + _layer_form(source)
    if isinstance(source, Came) and source.dropped:
        return written(blocks_of(known), known.over)
    form = known.form
    if form is None:
        if isinstance(source, Came):
            form = source.alone()
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
            entry(WireEntry(key, value, height, "", type, priority))
            for key, height, (value, type, priority) in layer.packed
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


def _known(unread: Unread) -> tuple[Roots, Entries, Marker | None]:
    blocks, over = unread.history()
    seen = _seen(blocks)
    return seen, _entries(blocks, seen), None if over is None else Marker(*over)


def _down(unread: Unread) -> Down:
    return {each.key: (each.value, each.priority) for each in unread.down()}


def _home(unread: Unread) -> Home:
    values: dict[str, dict[bytes, Value]] = defaultdict(dict)
    priorities: dict[str, int] = {}
    for each in unread.home():
        values[each.key][digest_of(each.value)] = each.value
        priorities[each.key] = min(each.priority, priorities.get(each.key, MAX_PRIORITY))
    return {name: Gathered(by_digest, priorities[name]) for name, by_digest in values.items()}


def _lent(unread: Unread) -> Ids:
    ids: dict[int, Id] = {}
    for root, encoded in unread.lent():
        identity = decode_id(encoded)
        if root in ids or identity == NONE:
            raise WireError("an id that is lent twice, or owns nothing")
        ids[root] = identity
    return ids


def _seen(blocks: Iterable[WireBlock]) -> Roots:
    trees: dict[int, list[Event]] = defaultdict(list)
    for root, tree, _ in blocks:
        trees[root].append(_event(tree))
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


def _entries(blocks: Iterable[WireBlock], seen: Roots) -> Entries:
    entries: dict[str, dict[Dot, Contribution]] = {}
    for root, _, packed in blocks:
        event = seen[root]
        for key, value, height, point, type, priority in packed:
            # Else it would survive its own removal, or get in the way of a dot still to come.
            if not height or not covered(event, point, height):
                raise WireError(f"a value under {key!r} that was never packed")
            contribution = Contribution(value, type, priority)
            entries.setdefault(key, {})[Dot(height, root, point)] = contribution
    return entries
