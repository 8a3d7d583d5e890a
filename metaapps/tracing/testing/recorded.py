"""Spans in memory that tests ask for by name, and of which they say how they must stand."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, Literal, NoReturn, TypeAlias

from baggage.boundary import CallSite, Kind
from baggage.boundary.site import call_site
from metaapps.tracing.causality import Causality, Order
from metaapps.tracing.export.memory import Memory
from metaapps.tracing.handle import Handle
from metaapps.tracing.span import Span
from metaapps.tracing.testing.tree import drawn

Which: TypeAlias = "Span | str"
"""A span, or the name of one."""

_PAUSE: Final = 0.002


class Recorded(Memory):
    """Spans as they were reported, in the order of their end. Safe in any thread.

    `report` and `started` are for a tracer. What says how spans stand to each other returns True,
    or raises AssertionError with all spans as a tree; spans may be given by name if there is one of
    that name. Questions are about what was reported by then: where other threads have yet to
    finish, `wait` before.
    """

    def __init__(self) -> None:
        super().__init__()
        self._started: Final[list[tuple[Handle, CallSite]]] = []

    def started(self, handle: Handle) -> None:
        """Note a span that begins, and where in the application."""
        self._started.append((handle, call_site()))

    @property
    def unfinished(self) -> tuple[Handle, ...]:
        """The spans that began and haven't ended by now."""
        return tuple(handle for handle, _ in self._started if not handle.finished)

    def place(self, handle: Handle) -> CallSite | None:
        """Return where in the application a span was started."""
        return next((site for each, site in self._started if each is handle), None)

    def wait(self, timeout: float = 5.0) -> bool:
        """Wait until all spans that began have ended; False if it takes longer, in seconds."""
        deadline = time.monotonic() + timeout
        while self.unfinished:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    @property
    def causality(self) -> Causality:
        """What depended on what among the spans so far."""
        return Causality.of(self.spans)

    def by_name(self, name: str, kind: Kind | None = None) -> tuple[Span, ...]:
        """Return the spans of a name; of one kind, if `kind` says which."""
        named = (span for span in self.spans if span.name == name)
        return tuple(span for span in named if kind is None or span.kind is kind)

    def one(self, name: str, kind: Kind | None = None) -> Span:
        """Return the only span of a name, and of a kind if that is given."""
        found = self.by_name(name, kind)
        if len(found) != 1:
            what = f"{name!r}" if kind is None else f"{name!r} of kind {kind.value}"
            self._fail(f"there are {len(found) or 'no'} spans {what}, not one", found)
        return found[0]

    def siblings_of(self, which: Which) -> tuple[Span, ...]:
        """Return the other spans that began in the same one, in the order of their beginning."""
        return self.causality.siblings(self._span(which))

    def siblings(self, *those: Which) -> Literal[True]:
        """Say that these began in the same span."""
        first, *others = self._all(those)
        beside = self.causality.siblings(first)
        if not all(any(other is each for each in beside) for other in others):
            self._fail("these are no siblings", (first, *others))
        return True

    def child_of(self, child: Which, parent: Which) -> Literal[True]:
        """Say that one span has the other one as its parent."""
        below, above = self._all((child, parent))
        ours, theirs = below.position, above.position
        if (ours.trace_id, ours.parent_id) != (theirs.trace_id, theirs.span_id):
            self._fail(f"{below.name!r} is no child of {above.name!r}", (below, above))
        return True

    def shared_span(self, client: Which, server: Which) -> Literal[True]:
        """Say that these are the two halves of one span."""
        call, answer = self._all((client, server))
        wrong = {
            "they have different ids": call.position.address != answer.position.address,
            "they have different parents": call.position.parent_id != answer.position.parent_id,
            f"{call.name!r} is no client's": call.kind is not Kind.CLIENT or call.shared,
            f"{answer.name!r} is no server's": answer.kind is not Kind.SERVER,
            f"{answer.name!r} doesn't say that it's shared": not answer.shared,
        }
        for reason, holds in wrong.items():
            if holds:
                self._fail(f"this is no shared span: {reason}", (call, answer))
        return True

    def happened_before(self, one: Which, other: Which) -> Literal[True]:
        """Say that one span had ended before another one began, and that one could know."""
        return self._ordered(one, other, Order.BEFORE)

    def concurrent(self, one: Which, other: Which) -> Literal[True]:
        """Say that neither of two spans waited for the end of the other."""
        return self._ordered(one, other, Order.CONCURRENT)

    def waited_for(self, which: Which, *those: Which) -> Literal[True]:
        """Say what a span directly waited for before it began: exactly those, in any order."""
        span, *expected = self._all((which, *those))
        found = self.causality.after(span)
        if {id(each) for each in found} != {id(each) for each in expected}:
            names = ", ".join(repr(each.name) for each in found) or "nothing"
            self._fail(f"{span.name!r} waited for {names}", (span, *expected))
        return True

    def no_errors(self) -> Literal[True]:
        """Say that no span has an error."""
        failed = [span for span in self.spans if span.error is not None]
        if failed:
            self._fail(f"{len(failed)} of {len(self.spans)} spans have errors", failed)
        return True

    def one_trace(self) -> Literal[True]:
        """Say that all spans are of one trace, and that there are any."""
        count = len({span.position.trace for span in self.spans})
        if count != 1:
            self._fail(f"there are {count or 'no'} traces, not one")
        return True

    def _ordered(self, one: Which, other: Which, expected: Order) -> Literal[True]:
        first, second = self._all((one, other))
        found = self.causality.order(first, second)
        if found is not expected:
            said = {
                Order.BEFORE: f"{first.name!r} happened before {second.name!r}",
                Order.AFTER: f"{second.name!r} happened before {first.name!r}",
                Order.CONCURRENT: f"{first.name!r} and {second.name!r} are concurrent",
            }
            self._fail(f"{said[found]}; expected: {expected.value}", (first, second))
        return True

    def _all(self, those: Iterable[Which]) -> list[Span]:
        return [self._span(which) for which in those]

    def _span(self, which: Which) -> Span:
        return self.one(which) if isinstance(which, str) else which

    def _fail(self, message: str, marked: Iterable[Span] = ()) -> NoReturn:
        raise AssertionError(f"{message}\n{drawn(self.spans, tuple(marked))}")
