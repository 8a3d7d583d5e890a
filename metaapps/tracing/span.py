"""Spans, and the position that travels in the baggage.

Plain values, and the bytes of a position. How spans are written for others is in `zipkin`; when
they begin and end is in `app`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple

from baggage.boundary import Kind
from baggage.values import Direction, Key, Type

SPAN: Final = Key("tracing.span", type=Type.LAST, direction=Direction.DOWN, priority=50)
"""Where a branch of execution stands: one encoded `Position`."""

TRACE_BYTES: Final = 16
SPAN_BYTES: Final = 8

_VERSION: Final = 0x10
_SAMPLED: Final = 0x01
_HAS_PARENT: Final = 0x02
_SENT: Final = 0x04
_WITHOUT_PARENT: Final = 1 + TRACE_BYTES + SPAN_BYTES
_WITH_PARENT: Final = _WITHOUT_PARENT + SPAN_BYTES
_NO_TRACE: Final = bytes(TRACE_BYTES)
_NO_SPAN: Final = bytes(SPAN_BYTES)


@dataclass(frozen=True, slots=True)
class Position:
    """The span that a branch of execution is in.

    `trace_id` has 32 lower-case hex digits, `span_id` and `parent_id` have 16; none is all zeros.
    The spans of a trace that is not `sampled` are numbered but not reported. A position is `sent`
    on its way from a call to the server that answers it, which may share the call's span id.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    sampled: bool = True
    sent: bool = False

    @classmethod
    def root(cls, trace: bytes, span: bytes, *, sampled: bool = True) -> Position:
        """Begin a trace. `trace` has 16 bytes, `span` has 8."""
        return cls(trace.hex(), span.hex(), None, sampled)

    def child(self, span: bytes) -> Position:
        """Return the position of a span that begins inside this one. `span` has 8 bytes."""
        return Position(self.trace_id, span.hex(), self.span_id, self.sampled)

    def sending(self) -> Position:
        """Return this position as it is sent to the server that answers."""
        return replace(self, sent=True)

    def standing(self) -> Position:
        """Return this position as it is where its span runs."""
        return replace(self, sent=False)

    def encode(self) -> bytes:
        """Return 25 bytes (33 with a parent): version and flags, trace, span, parent."""
        head = _VERSION | (_SAMPLED if self.sampled else 0) | (_SENT if self.sent else 0)
        ids = self.trace_id + self.span_id
        if self.parent_id is not None:
            head |= _HAS_PARENT
            ids += self.parent_id
        return bytes((head,)) + bytes.fromhex(ids)

    @classmethod
    def decode(cls, value: object) -> Position | None:
        """Return the position that `encode` wrote, None for anything else whatever."""
        if not isinstance(value, bytes) or len(value) not in {_WITHOUT_PARENT, _WITH_PARENT}:
            return None
        flags = value[0] ^ _VERSION
        if flags > _SAMPLED | _HAS_PARENT | _SENT:
            return None
        if bool(flags & _HAS_PARENT) != (len(value) == _WITH_PARENT):
            return None
        trace, span, parent = value[1:17], value[17:25], value[25:]
        if trace == _NO_TRACE or _NO_SPAN in {span, parent}:
            return None
        sampled, sent = bool(flags & _SAMPLED), bool(flags & _SENT)
        return cls(trace.hex(), span.hex(), parent.hex() or None, sampled, sent)


@dataclass(frozen=True, slots=True)
class Peer:
    """One side of a crossing: a service's name, and its address as far as that is known."""

    service: str = ""
    host: str = ""
    port: int = 0


class Annotation(NamedTuple):
    """Something that happened during a span; `timestamp` in µs since 1970."""

    timestamp: int
    value: str


NOBODY: Final = Peer()
NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One side's view of one crossing, after it ended.

    `timestamp` is in µs since 1970 and `duration` in µs; 0 means that it is not known (a crossing
    whose end nobody saw has no duration). `error` names an exception or a status. A `shared` span
    is the server's half of a span that the client began under the same id.
    """

    position: Position
    kind: Kind | None = None
    name: str = ""
    timestamp: int = 0
    duration: int = 0
    local: Peer = NOBODY
    remote: Peer = NOBODY
    tags: Mapping[str, str] = field(default_factory=lambda: NO_TAGS, hash=False)
    annotations: tuple[Annotation, ...] = ()
    error: str | None = None
    shared: bool = False
