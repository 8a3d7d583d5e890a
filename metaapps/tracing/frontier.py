"""What a span waited for: the causal edges that a tree of parents can't show.

Each branch of execution carries the spans that ended in it, or in what it joined, and that no later
one waited for: its frontier. That is one key of type LAST: an ending span supersedes all that its
branch knows of, and what others end meanwhile stays beside it. The rules of split and join do the
rest, in threads, tasks, queues and across processes. Here belongs what is noted of it at both ends
of a span, and how that is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from baggage.clock import Event
from baggage.context import Branch
from baggage.values import Baggage, Direction, Key, Type, Value
from baggage.values.known import Known
from metaapps.tracing.span import NO_TAGS, SPAN_BYTES, TRACE_BYTES, Position

DONE: Final = Key("tracing.done", type=Type.LAST, priority=200)
"""The frontier: addresses of spans that ended; after `_BEGAN`, of one that began."""

KNOWN: Final = Key("tracing.known", direction=Direction.DOWN, priority=200)
"""What had ended before the current span began: it need not be said again of those within it."""

AFTER: Final = "causal.after"
JOINED: Final = "causal.joined"
SEEN: Final = "causal.seen"
DOT: Final = "causal.dot"
CUT: Final = "causal.cut"

MAX_REFERENCES: Final = 64
MAX_ROOTS: Final = 16
MAX_EVENT: Final = 200
"""Characters of an event tree."""

_BEGAN: Final = b"^"
_ADDRESS: Final = TRACE_BYTES + SPAN_BYTES
_SIZES: Final = frozenset({_ADDRESS, _ADDRESS + len(_BEGAN)})
# So many branches ended and nothing came after them yet: from here on they'd fill the headers.
_WIDE: Final = 8

Frontier = tuple[Value, ...]
NOTHING: Final[Frontier] = ()


class Waited:
    """What one span waited for; a `span.Causes`. Noted at its beginning, completed at its end.

    `before` is the frontier as the span began, `known` what of that its parent's beginning implies.
    It holds on to what the branch knew, and says it when it is asked for its tags.
    """

    __slots__ = ("answered", "before", "ended", "joined", "known", "position", "seen")

    def __init__(self, position: Position, carried: Baggage) -> None:
        """Note what had ended in a branch that carries this."""
        self.position: Final = position
        self.before: Frontier = carried.siblings(DONE)
        self.known: Value | None = None
        if self.before:
            self.known = down(carried, KNOWN)
        self.seen: Final = carried.history.known
        self.joined: Frontier = NOTHING
        self.ended: Known | None = None
        self.answered = False

    def tags(self) -> Mapping[str, str]:
        """Return what was waited for as tags, and the names of those that were cut."""
        after, joined = self._after(), self._joined()
        if self.ended is None and not (after or joined) and self.seen.empty:
            return NO_TAGS
        tags: dict[str, str] = {}
        cut = []
        for name, references in ((AFTER, after), (JOINED, joined)):
            if references:
                tags[name] = ",".join(references[:MAX_REFERENCES])
            if len(references) > MAX_REFERENCES:
                cut.append(name)
        if not self.seen.empty:
            tags[SEEN], whole = _stamp(self.seen.seen)
            if not whole:
                cut.append(SEEN)
        dot = None if self.ended is None else _dot(self.ended, self.position.address)
        if dot is not None:
            tags[DOT] = dot
        if cut:
            tags[CUT] = ",".join(name.removeprefix("causal.") for name in cut)
        return tags

    def _after(self) -> list[str]:
        if not self.before:
            return []
        known = _addresses(self.known)
        parent = _BEGAN + self.position.raw[1 : 1 + TRACE_BYTES] + self.position.raw[_ADDRESS + 1 :]
        return self._references(each for each in self.before if each not in known | {parent})

    def _joined(self) -> list[str]:
        references = self._references(each for each in self.joined if each not in self.before)
        if self.answered:
            references.append(self.position.span_id)
        return references

    def _references(self, ended: Iterable[Value]) -> list[str]:
        """Return references to these: ids, with that of the trace where it's another."""
        trace, address = self.position.trace, self.position.address
        references = []
        for each in ended:
            # What arrives comes from strangers.
            if not isinstance(each, bytes) or len(each) not in _SIZES or address in each:
                continue
            began = "^" if len(each) > _ADDRESS else ""
            where, span = each[-_ADDRESS:-SPAN_BYTES], each[-SPAN_BYTES:]
            other = "" if where == trace else f"{where.hex()}-"
            references.append(f"{began}{other}{span.hex()}")
        return references


def began(position: Position, running: Branch | None) -> Waited | None:
    """Note what a span waited for that begins in a branch, now. None where nothing is carried."""
    if running is None:
        return None
    waited = Waited(position, running.baggage)
    if len(waited.before) > _WIDE:
        # All of that is behind this beginning, for whoever comes after it.
        running.pack(DONE, _BEGAN + position.address)
    return waited


def ended(waited: Waited, running: Branch, *, tell: bool = True) -> None:
    """Note that a span ends in a branch: what comes after it there waited for it.

    Without `tell` nothing can come after it that doesn't know: then it is left out, where nothing
    else is to be superseded.
    """
    carried = running.baggage
    joined = carried.siblings(DONE)
    if not (tell or joined):
        return
    waited.joined = joined
    running.pack(DONE, waited.position.address)
    waited.ended = running.baggage.history.known


def forget(running: Branch) -> None:
    """Drop the frontier: the trace is over that it was of."""
    if running.baggage.siblings(DONE):
        running.update(lambda carried: carried.remove(DONE))


def down(carried: Baggage, key: Key) -> Value | None:
    """Return the value of a `down` key, None without one."""
    values = carried.unpack(key)
    return values[0] if values else None


def behind(frontier: Frontier) -> bytes:
    """Return the value of `KNOWN` that says: all these had ended."""
    return b"".join(each for each in frontier if isinstance(each, bytes) and len(each) == _ADDRESS)


def _addresses(known: Value | None) -> frozenset[bytes]:
    if not isinstance(known, bytes):
        return frozenset()
    return frozenset(known[at : at + _ADDRESS] for at in range(0, len(known), _ADDRESS))


def _stamp(seen: Mapping[int, Event]) -> tuple[str, bool]:
    """Return what was seen of each root as text, and whether that is all."""
    whole = len(seen) <= MAX_ROOTS
    told = []
    for root, event in sorted(seen.items())[:MAX_ROOTS]:
        text = _written(event)
        if len(text) > MAX_EVENT:
            whole = False
        else:
            told.append(f"{root:016x}:{text}")
    return ",".join(told), whole


def _written(event: Event) -> str:
    return str(event) if isinstance(event, int) else str(event).replace(" ", "")


def _dot(known: Known, address: bytes) -> str | None:
    """Return the dot under which the end of a span was packed."""
    for dot, contribution in known.entries.get(DONE.name, {}).items():
        if contribution.value == address:
            return f"{dot.root:016x}:{dot.point}:{dot.height}"
    return None
