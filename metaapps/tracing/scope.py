"""Making a span the current one of a block: its position stands in the baggage meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from baggage.context import Branch, branch, enter, leave
from baggage.values import EMPTY, Baggage, Key, Value
from metaapps.tracing.dots import DONE
from metaapps.tracing.frontier import KNOWN, Waited, behind, down, forget
from metaapps.tracing.span import SPAN, STATE, TRACE_BYTES

if TYPE_CHECKING:
    from contextvars import Token

    from metaapps.tracing.handle import Handle, Placed

_OURS: Final = frozenset({SPAN.name, KNOWN.name, STATE.name, DONE.name})
_NOTE: Final = "tracing.scope"
_TRACE: Final = slice(1, 1 + TRACE_BYTES)


class Scope:
    """A block in which a span is the current one. Use it once; see `Handle.scope`."""

    __slots__ = ("_back", "_branch", "_handle", "_outer", "_token", "_waited", "around", "here")

    def __init__(self, handle: Placed | None, waited: Waited | None) -> None:
        """Prepare; without a handle nothing changes."""
        self._handle = handle
        self._waited = waited
        self._branch: Branch | None = None
        self.around: Scope | None = None
        """The one that was entered before, of the same span."""
        self.here: Branch | None = None
        """The branch in which it was entered."""

    def __enter__(self) -> Handle | None:
        """Make it the current span."""
        handle = self._handle
        if handle is None:
            return None
        raw = handle.place.raw
        running = branch()
        if running is None:
            self._back: dict[Key, Value] = {}
            running = Branch(EMPTY.lowered(self._changes(EMPTY, handle)))
            self._token: Token[Branch | None] | None = enter(running)
            self.here = running
        else:
            self.here = running
            before = down(running.baggage, SPAN)
            if before == raw:
                return handle
            self._back = {} if before is None else {SPAN: before}
            self._token = None
            changes = self._changes(running.baggage, handle)
            running.update(lambda carried: carried.lowered(changes))
        self._branch = running
        self._outer: Scope | None = running.notes.get(_NOTE)
        running.notes[_NOTE] = self
        handle.lives(current=True)
        return handle

    def __exit__(self, *_: object) -> None:
        """Make the span current again that was it before."""
        running, self._branch = self._branch, None
        handle = self._handle
        if running is None or handle is None:
            return
        handle.lives(current=False)
        if not self._innermost(running):
            return
        if back := self._back:
            running.update(lambda carried: carried.lowered(back))
            return
        forget(running)
        if self._token is not None and _OURS.issuperset(running.baggage.keys()):
            leave(self._token)  # nobody else has any use for that branch
        else:
            running.update(_without)

    def _innermost(self, running: Branch) -> bool:
        """Note that the block is over. If there are open ones in it, they go back further, instead.

        So it is where a generator holds a block open and is closed within another one.
        """
        notes = running.notes
        inner: Scope | None = notes.get(_NOTE)
        if inner is self:
            notes[_NOTE] = self._outer
            return True
        while inner is not None and inner._outer is not self:
            inner = inner._outer
        if inner is None:
            return True
        inner._outer, inner._token = self._outer, self._token
        inner._back = {**inner._back, **self._back} if self._back else {}
        return False

    def _changes(self, carried: Baggage, handle: Placed) -> dict[Key, Value]:
        """Return what is carried in the block; note what was instead, if a span is current."""
        raw, back, waited = handle.place.raw, self._back, self._waited
        changes: dict[Key, Value] = {SPAN: raw}
        implied = behind(waited.before) if waited is not None and waited.before else b""
        known = down(carried, KNOWN)
        if implied or known:  # by the beginning of this span; not of that around it
            changes[KNOWN] = implied
            if back:
                back[KNOWN] = known or b""
        around = back.get(SPAN)
        if handle.state is None and isinstance(around, bytes) and around[_TRACE] == raw[_TRACE]:
            return changes
        state = down(carried, STATE)
        if handle.state or state:
            changes[STATE] = handle.state or ""
            if back:
                back[STATE] = state or ""
        return changes


def innermost(entered: Scope) -> tuple[Scope, Scope | None]:
    """Return what was entered last in this branch, of blocks of one span; and the others' last.

    Other threads or tasks may be in blocks of the same span, and leave theirs at any time.
    """
    here, inner, scope = branch(), None, entered
    while scope.here is not here and scope.around is not None:
        inner, scope = scope, scope.around
    if inner is None:
        return scope, scope.around
    inner.around = scope.around
    return scope, entered


def _without(carried: Baggage) -> Baggage:
    return carried.remove(SPAN).remove(KNOWN).remove(STATE)
