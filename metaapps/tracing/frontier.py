"""What a span waited for: the causal edges that a tree of parents can't show.

Each branch of execution carries the spans that ended in it, or in what it joined, and that no later
one waited for: its frontier. That is one key of type LAST: an ending span supersedes all that its
branch knows of, and what others end meanwhile stays beside it. The rules of join do the rest, in
threads, tasks, queues and across processes. Here belongs what is noted of it at both ends of a
span, and how that is written; whose dots these are is in `dots`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from baggage.clock import Event
from baggage.clock.event import halves, lowest
from baggage.context import Branch, branch, enter
from baggage.values import EMPTY, Baggage, Direction, Key, Value
from baggage.values.known import Known, Layer, Roots
from metaapps.tracing.dots import DONE, MAX_ROOTS, cleared, is_ours, superseded
from metaapps.tracing.span import SPAN, SPAN_BYTES, TRACE_BYTES, Position

KNOWN: Final = Key("tracing.known", direction=Direction.DOWN, priority=200)
"""What had ended before the current span began: it need not be said again of those within it."""

AFTER: Final = "causal.after"
JOINED: Final = "causal.joined"
SEEN: Final = "causal.seen"
DOT: Final = "causal.dot"
CUT: Final = "causal.cut"
STREAMED: Final = "causal.streamed"

MAX_REFERENCES: Final = 64
MAX_EVENT: Final = 200
"""Characters of an event tree."""

Frontier = tuple[Value, ...]
NOTHING: Final[Frontier] = ()
UNSEEN: Final = EMPTY.history.known
Stamp = Known | tuple[int, int]
"""What was seen; of one root that is nobody else's its number and height."""
_BEGAN: Final = b"^"
_NOTE: Final = "tracing.frontier"
_WORKS: Final = "tracing.works"
_NO_NOTE: Final = (None, ())
_ADDRESS: Final = TRACE_BYTES + SPAN_BYTES
_SIZES: Final = frozenset({_ADDRESS, _ADDRESS + len(_BEGAN)})
# So many branches ended and nothing came after them yet: from here on they'd fill the headers.
_WIDE: Final = 8


class Waited:
    """What one span waited for; a `span.Causes`. Noted at its beginning, completed at its end.

    `before` is the frontier as the span began, `implied` what of that its parent's beginning
    implies, as `behind` says it. It holds on to what the branch knew, for whoever asks for tags.
    """

    __slots__ = (
        *("answered", "answers", "before", "ended", "implied", "joined", "position", "seen"),
        *("streamed", "whole"),
    )

    def __init__(
        self,
        position: Position,
        before: Frontier = NOTHING,
        seen: Stamp = UNSEEN,
        implied: Value | None = None,
    ) -> None:
        """Note what had ended, and was seen, where a span begins."""
        self.position, self.before, self.seen, self.implied = position, before, seen, implied
        self.joined: Frontier = NOTHING
        self.ended: Stamp | None = None
        self.answered = self.answers = self.streamed = False
        self.whole = True

    def tags(self) -> Mapping[str, str]:
        """Return what was waited for as tags, and the names of those that were cut."""
        tags: dict[str, str] = {}
        cut = []
        for name, references in ((AFTER, self._after()), (JOINED, self._joined())):
            if references:
                tags[name] = ",".join(references[:MAX_REFERENCES])
                if len(references) > MAX_REFERENCES:
                    cut.append(name)
        if self.seen is not UNSEEN:
            stamp, whole = _told(self.seen)
            if stamp:
                tags[SEEN] = stamp
            if not whole:
                cut.append(SEEN)
        dot = None if self.ended is None else _dot(self.ended, self.position.address)
        if dot is not None:
            tags[DOT] = dot
        if self.streamed:
            tags[STREAMED] = "true"
        if cut:
            tags[CUT] = ",".join(name.removeprefix("causal.") for name in cut)
        return tags

    def _after(self) -> list[str]:
        before = self.before
        if self.implied is not None:
            implied = _addresses(self.implied)
            before = tuple(each for each in before if each not in implied)
        return self._references(before) if before else []

    def _joined(self) -> list[str]:
        before = self.before
        joined = [each for each in self.joined if each not in before]
        references = self._references(joined) if joined else []
        if self.answered:
            began = "" if self.whole else "^"
            references.append(f"{began}{self.position.span_id}")
        return references

    def _references(self, ended: Iterable[Value]) -> list[str]:
        """Return references to these: ids, with that of the trace where it's another.

        That the parent began goes without saying.
        """
        raw = self.position.raw
        trace, address = raw[1 : 1 + TRACE_BYTES], raw[1 : 1 + _ADDRESS]
        parent = trace + raw[1 + _ADDRESS :]
        references = []
        for each in ended:
            # What arrives comes from strangers.
            if not isinstance(each, bytes) or len(each) not in _SIZES:
                continue
            where, span = each[-_ADDRESS:-SPAN_BYTES], each[-SPAN_BYTES:].hex()
            if where != trace:
                span = f"{where.hex()}-{span}"
            elif each.endswith(address):
                continue
            if len(each) == _ADDRESS:
                references.append(span)
            elif each[1:] != parent:
                references.append(f"^{span}")
        return references


def began(position: Position, running: Branch | None) -> Waited:
    """Note what a span waited for that begins in a branch, now; None is one outside its trace."""
    if running is None:
        return Waited(position)
    carried = running.baggage
    before = _frontier(running, carried)
    if not before:
        return Waited(position, NOTHING, _stamp(carried))
    waited = Waited(position, before, _stamp(carried), down(carried, KNOWN))
    if len(before) > _WIDE:
        # All of that is behind this beginning, for whoever comes after it.
        begun(position, running)
    return waited


def arrived(
    position: Position, running: Branch, sender: Position | None, *, shared: bool
) -> Waited:
    """Note what came with a request; with a `sender` all of it had ended before that span began.

    Who called knows of this span's end by the answer. Without one nobody knows when it was sent.
    """
    before = running.baggage.siblings(DONE)
    caller = position.span_id if shared else position.parent_id
    if sender is not None and sender.span_id != caller:
        sender = None  # Somebody in between traces by other means, and called.
    implied = None if sender is None else behind(before)
    waited = Waited(position, before, _stamp(running.baggage), implied)
    waited.answers = sender is not None and sender.sent
    return waited


def begun(position: Position, running: Branch) -> None:
    """Note that a span began, for who joins its branch before it ends."""
    _supersede(running, _BEGAN + position.address)


def works(waited: Waited, running: Branch) -> None:
    """Note which span stands for the work on a message in a branch; see `answered`."""
    running.notes[_WORKS] = waited


def answered(running: Branch) -> None:
    """Note that what is known by now of the work on a message is read before its span ends.

    Where nothing ended within that, who reads it knows that it began.
    """
    waited: Waited | None = running.notes.get(_WORKS)
    if waited is not None and _frontier(running, running.baggage) == waited.before:
        begun(waited.position, running)


def ended(waited: Waited, running: Branch) -> None:
    """Note that a span ends in a branch: what comes after it there waited for it."""
    carried = running.baggage
    if _stamp(carried) != waited.seen:
        waited.joined = _frontier(running, carried)
    if waited.answers and len(waited.joined) <= _WIDE:
        return  # The caller has it from the answer; more than that he need not have as well.
    _supersede(running, waited.position.address)
    waited.ended = _stamp(running.baggage)


def forget(running: Branch, before: Known = UNSEEN) -> None:
    """Drop what was learnt of the frontier since so much was known: the trace is over."""
    if running.baggage.history.known is not before:
        running.update(lambda carried: cleared(carried, before))


def unlearn(running: Branch | None, before: Known) -> None:
    """Drop what an answer taught of spans where no span stood, and so much was known before.

    Nothing is left of the trace there: else an idle branch, or none at all, would count as one that
    somebody is behind (see `Branch.idle`), and take no message's context.
    """
    now = running or branch()
    if now is None or down(now.baggage, SPAN) is not None:
        return
    forget(now, before)
    if running is None and now.baggage.empty and now.alone:
        enter(None)


def _supersede(running: Branch, address: bytes) -> None:
    carried = running.update(lambda carried: superseded(carried, running, address))
    running.notes[_NOTE] = (carried.history.known, (address,))


def _frontier(running: Branch, carried: Baggage) -> Frontier:
    """Return the frontier; from the branch's notes, as long as nothing was packed since."""
    known, noted = running.notes.get(_NOTE, _NO_NOTE)
    frontier: Frontier = noted if known is carried.history.known else carried.siblings(DONE)
    return frontier


def down(carried: Baggage, key: Key) -> Value | None:
    """Return the value of a `down` key, None without one."""
    held = carried.down.get(key.name)
    return None if held is None else held[0]


def behind(frontier: Frontier) -> bytes:
    """Return the value of `KNOWN` that says: all these had ended."""
    return b"".join(each for each in frontier if isinstance(each, bytes) and len(each) == _ADDRESS)


def _addresses(known: Value | None) -> Collection[bytes]:
    if not isinstance(known, bytes):
        return ()
    return frozenset(known[at : at + _ADDRESS] for at in range(0, len(known), _ADDRESS))


def _stamp(carried: Baggage) -> Stamp:
    """Return what was seen, in little where that is so: what waits to be written holds on to it."""
    known = carried.history.known
    if isinstance(known, Layer) and known.base is UNSEEN and is_ours(known.root):
        return known.root, known.height
    return known


def _told(stamp: Stamp) -> tuple[str, bool]:
    """Return what was seen of each root as text, and whether that is all."""
    if isinstance(stamp, tuple):
        return f"{stamp[0]:016x}:{stamp[1]}", True
    known: Roots
    if isinstance(stamp, Layer):  # To find out all that is known would cost more than the rest.
        known = {**stamp.base.seen, stamp.root: stamp.height}
    else:
        known = stamp.seen
    seen = {root: event for root, event in known.items() if is_ours(root)}
    whole = len(seen) <= MAX_ROOTS  # else some were let go of by now; see `dots`
    told = []
    for root, event in sorted(seen.items())[:MAX_ROOTS]:
        text = _written(event)
        if len(text) > MAX_EVENT:
            whole = False
        else:
            told.append(f"{root:016x}:{text}")
    return ",".join(told), whole


def _written(event: Event) -> str:
    if isinstance(event, int):
        return str(event)
    left, right = halves(event)
    return f"({lowest(event)},{_written(left)},{_written(right)})"


def _dot(stamp: Stamp, address: bytes) -> str | None:
    """Return the dot under which the end of a span was packed, the last that was."""
    if isinstance(stamp, tuple):
        return f"{stamp[0]:016x}::{stamp[1]}"
    for dot, contribution in stamp.entries.get(DONE.name, {}).items():
        if contribution.value == address:
            return f"{dot.root:016x}:{dot.point}:{dot.height}"
    return None
