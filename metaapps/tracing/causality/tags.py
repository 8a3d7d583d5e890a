"""The tags that say what a span waited for, read strictly: one that isn't well formed says nothing.

Belongs here: their text. What it means for other spans is in `graph`; who writes it is `frontier`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from baggage.clock import MAX_DEPTH, MAX_HEIGHT, MAX_NODES, Event, Point
from baggage.clock.event import node
from metaapps.tracing.frontier import DOT, SEEN

_REFERENCE: Final = re.compile(r"(\^?)(?:([0-9a-f]{32})-)?([0-9a-f]{16})")
_DOT: Final = re.compile(r"([0-9a-f]{16}):([01]{0,64}):([0-9]{1,19})")
_ROOT: Final = re.compile(r"([0-9a-f]{16}):")
_HEIGHT: Final = re.compile(r"[0-9]{1,19}")
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16

Address = tuple[str, str]
"""The ids of a trace and of a span in it: 32 and 16 digits."""


class Reference(NamedTuple):
    """The end of another span, or its beginning."""

    address: Address
    began: bool = False


class Dot(NamedTuple):
    """The name of a span's end: what was raised then, of which root."""

    root: str
    point: Point
    height: int


class _Malformed(ValueError):
    """The text is no stamp."""


def references(text: str, trace_id: str) -> Iterator[Reference]:
    """Yield what the tag of a span in this trace refers to; whatever is no reference is skipped."""
    for part in text.split(","):
        match = _REFERENCE.fullmatch(part)
        if match is None:
            continue
        began, other, span_id = match.groups()
        if span_id != _NO_SPAN and other != _NO_TRACE:
            yield Reference((other or trace_id, span_id), bool(began))


def dot(labels: Mapping[str, str]) -> Dot | None:
    """Return the name of the end of a span that has these tags; None if there is none."""
    match = _DOT.fullmatch(labels.get(DOT, ""))
    if match is None or match[2].endswith("0") or not 0 < int(match[3]) <= MAX_HEIGHT:
        return None
    return Dot(match[1], match[2], int(match[3]))


def seen(labels: Mapping[str, str]) -> Mapping[str, Event]:
    """Return what was known as a span with these tags began, as far as that is said."""
    try:
        return _Reader(labels.get(SEEN, "")).roots()
    except _Malformed:
        return {}


class _Reader:
    """Takes a stamp from the front of a text: linear in its length, and no deeper than a clock."""

    __slots__ = ("_at", "_nodes", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._nodes = 0

    def roots(self) -> dict[str, Event]:
        found: dict[str, Event] = {}
        while True:
            root = self._match(_ROOT)[1]
            if root in found:
                raise _Malformed(root)
            self._nodes = 0
            found[root] = self._event(0)
            if self._at == len(self._text):
                return found
            self._expect(",")

    def _event(self, depth: int) -> Event:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise _Malformed("too large a tree")
        if not self._text.startswith("(", self._at):
            return self._height()
        self._at += 1
        low = self._height()
        self._expect(",")
        left = self._event(depth + 1)
        self._expect(",")
        event = node(left, self._event(depth + 1))
        self._expect(")")
        if isinstance(event, int) or event[0] != low:
            raise _Malformed("a node that is none, or not as low as it says")
        return event

    def _height(self) -> int:
        height = int(self._match(_HEIGHT)[0])
        if height > MAX_HEIGHT:
            raise _Malformed(f"{height} is too high")
        return height

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _Malformed(f"{self._text[self._at :]!r:.40}")
        self._at = match.end()
        return match

    def _expect(self, sign: str) -> None:
        if not self._text.startswith(sign, self._at):
            raise _Malformed(f"no {sign!r} at {self._at}")
        self._at += 1
