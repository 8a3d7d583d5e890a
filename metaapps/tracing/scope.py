"""Making a span the current one of a block: its position stands in the baggage meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from baggage.context import Branch, branch, enter, leave
from baggage.values import EMPTY, Baggage, Key, Value
from metaapps.tracing.frontier import DONE, KNOWN, Waited, behind, down, forget
from metaapps.tracing.span import SPAN

if TYPE_CHECKING:
    from contextvars import Token

    from metaapps.tracing.handle import Handle, Placed

_OURS: Final = frozenset({SPAN.name, KNOWN.name, DONE.name})


class Scope:
    """A block in which a span is the current one. Use it once; see `Handle.scope`."""

    __slots__ = (
        *("_before", "_branch", "_handle", "_idle", "_known", "_token", "_told", "_waited"),
        *("around", "here"),
    )

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
            self._before: Value | None = None
            self._known: Value | None = None
            self.here = running = Branch(EMPTY.with_down({SPAN: raw}))
            self._token: Token[Branch | None] | None = enter(running)
            self._idle = False
        else:
            self.here = running
            self._before = down(running.baggage, SPAN)
            if self._before == raw:
                return handle
            self._known = down(running.baggage, KNOWN)
            self._token = None
            self._idle = running.idle
            changes: dict[Key, Value] = {SPAN: raw}
            waited = self._waited
            implied = behind(waited.before) if waited is not None and waited.before else b""
            if implied or self._known:  # by the beginning of this span; not of that around it
                changes[KNOWN] = implied
            self._told = len(changes) > 1
            running.update(lambda carried: carried.with_down(changes))
        self._branch = running
        handle.lives(current=True)
        return handle

    def __exit__(self, *_: object) -> None:
        """Make the span current again that was it before."""
        running, self._branch = self._branch, None
        handle = self._handle
        if running is None or handle is None:
            return
        handle.lives(current=False)
        if self._before is not None:
            changes: dict[Key, Value] = {SPAN: self._before}
            if self._told:
                changes[KNOWN] = b"" if self._known is None else self._known
            running.update(lambda carried: carried.with_down(changes))
            return
        forget(running)
        if self._token is not None and _OURS.issuperset(running.baggage.keys()):
            leave(self._token)  # nobody else has any use for that branch
        else:
            running.update(_without if not self._idle else _idle)


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
    return carried.remove(SPAN).remove(KNOWN)


def _idle(carried: Baggage) -> Baggage:
    """Return what is left; nothing at all, not even stamps, so that an idle worker is idle again.

    Else it would take no message's context: see `Branch.idle`.
    """
    left = _without(carried)
    return left if left.keys() or left.foreign or left.history.over is not None else EMPTY
