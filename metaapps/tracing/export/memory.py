"""Spans kept in memory, for tests.

What tests say about them is in `testing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from metaapps.tracing.export.reporter import Tally
from metaapps.tracing.export.worker import QUEUE_FULL
from metaapps.tracing.span import Span

CAPACITY: Final = 100_000


class Memory:
    """Keeps spans as they are reported. Safe in any thread, in signal handlers and finalizers.

    Of more than about `capacity` spans the first ones are kept, and the others are counted.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity: Final = capacity
        self._spans: list[Span] = []
        self._overflown: Final = Tally()

    @property
    def spans(self) -> tuple[Span, ...]:
        """What was reported by now, in order."""
        return tuple(self._spans)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many spans were not kept, by cause."""
        over = self._overflown.value()
        return {QUEUE_FULL: over} if over else {}

    def report(self, span: Span) -> None:
        """Keep a span that ended."""
        if len(self._spans) < self._capacity:
            self._spans.append(span)
        else:
            self._overflown.add()

    def clear(self) -> None:
        """Forget the spans, and go on."""
        self._spans.clear()

    def flush(self, timeout: float = 0.0) -> bool:
        """Do nothing: what was reported is there."""
        return True

    def close(self, timeout: float = 0.0) -> bool:
        """Do nothing: what was reported stays there."""
        return True
