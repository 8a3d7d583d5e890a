"""Tracers for tests: ids and times that count up, and spans in a list."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metaapps.tracing import Handle, Span, Tracer


def counted() -> Callable[[int], bytes]:
    """Return ids 1, 2, …"""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def ticking(start: int, step: int) -> Callable[[], int]:
    times = itertools.count(start, step)
    return lambda: next(times)


@dataclass
class Traced:
    """A tracer that nobody registered. Its clock begins at 1 s, and each look at it takes 1 µs."""

    options: dict[str, Any] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        defaults: dict[str, Any] = {
            "ids": counted(),
            "now": ticking(1_000_000, 1),
            "ticks": ticking(1_000, 5_000),
            "service": "shop",
        }
        self.tracer = Tracer(self.spans.append, **(defaults | self.options))

    def start(self, name: str = "work", **options: Any) -> Handle:
        return self.tracer.start(name, **options)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def named(self, name: str) -> Span:
        """Return the only span of this name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span
