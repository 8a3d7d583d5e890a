"""Spans, and the position that travels in the baggage.

Plain values, and the bytes of a position. How spans are written for others is in `export`; when
they begin and end is in `tracer` and `app`; what they waited for is in `frontier`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from baggage.boundary import Kind
from baggage.values import Direction, Key, Type

SPAN: Final = Key("tracing.span", type=Type.LAST, direction=Direction.DOWN, priority=50)
"""Where a branch of execution stands: the bytes of one `Position`."""

STATE: Final = Key("tracing.state", direction=Direction.DOWN, priority=150)
"""What other tracers say of the trace: W3C's `tracestate`, to be passed on."""

TRACE_BYTES: Final = 16
SPAN_BYTES: Final = 8
ERROR: Final = "error"

_VERSION: Final = 0x20
_SAMPLED: Final = 0x01
_HAS_PARENT: Final = 0x02
_SENT: Final = 0x04
_DEBUG: Final = 0x08
_RANDOM: Final = 0x10
_FLAGS: Final = 0x1F
_INHERITED: Final = _VERSION | _SAMPLED | _DEBUG | _RANDOM
_SPAN_AT: Final = 1 + TRACE_BYTES
_PARENT_AT: Final = _SPAN_AT + SPAN_BYTES
_END: Final = _PARENT_AT + SPAN_BYTES
_NO_TRACE: Final = bytes(TRACE_BYTES)
_NO_SPAN: Final = bytes(SPAN_BYTES)
# The first byte of a child, by that of its parent.
_CHILD: Final = tuple(bytes(((head & _INHERITED) | _HAS_PARENT,)) for head in range(256))


class Position:
    """The span that a branch of execution is in. Immutable; equal to any other of the same `raw`.

    `raw` has 25 bytes, or 33 with a parent: version and flags, trace, span, parent. Ids in hex have
    lower-case digits, 32 of a trace and 16 of a span; none is all zeros. Made at every crossing, so
    it keeps but the bytes, and tells the rest when asked.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        """Stand at `raw`, which must be what `Position.raw` was, or was checked by `decode`."""
        self.raw: Final = raw

    @classmethod
    def root(
        cls,
        trace: bytes,
        span: bytes,
        *,
        sampled: bool = True,
        debug: bool = False,
        random: bool = False,
    ) -> Position:
        """Begin a trace. `trace` has 16 bytes, `span` has 8.

        `debug` asks everyone to keep the trace, and implies `sampled`. `random` says that the lower
        7 bytes of the trace's id were drawn at random (W3C Trace Context, level 2).
        """
        head = _VERSION | (_SAMPLED if sampled or debug else 0)
        head |= (_DEBUG if debug else 0) | (_RANDOM if random else 0)
        return cls(bytes((head,)) + trace + span)

    @classmethod
    def of(
        cls,
        trace_id: str,
        span_id: str,
        parent_id: str | None = None,
        *,
        sampled: bool = True,
        debug: bool = False,
        random: bool = False,
    ) -> Position:
        """Stand at ids in hex, of 32 and 16 digits."""
        root = cls.root(
            bytes.fromhex(trace_id),
            bytes.fromhex(span_id),
            sampled=sampled,
            debug=debug,
            random=random,
        )
        return root if parent_id is None else root.below(bytes.fromhex(parent_id))

    @classmethod
    def decode(cls, value: object) -> Position | None:
        """Return the position whose `raw` this is, None for anything else whatever."""
        if not isinstance(value, bytes) or len(value) not in {_PARENT_AT, _END}:
            return None
        head = value[0]
        if head & ~_FLAGS != _VERSION or bool(head & _HAS_PARENT) != (len(value) == _END):
            return None
        if head & _DEBUG and not head & _SAMPLED:
            return None
        span, parent = value[_SPAN_AT:_PARENT_AT], value[_PARENT_AT:]
        if value[1:_SPAN_AT] == _NO_TRACE or _NO_SPAN in {span, parent}:
            return None
        return cls(value)

    def child(self, span: bytes) -> Position:
        """Return the position of a span that begins inside this one. `span` has 8 bytes."""
        raw = self.raw
        return Position(_CHILD[raw[0]] + raw[1:_SPAN_AT] + span + raw[_SPAN_AT:_PARENT_AT])

    def below(self, parent: bytes) -> Position:
        """Return the same position below this parent. `parent` has 8 bytes."""
        raw = self.raw
        return Position(bytes((raw[0] | _HAS_PARENT,)) + raw[1:_PARENT_AT] + parent)

    def sending(self) -> Position:
        """Return this position on its way from a call to the server that answers it."""
        return Position(bytes((self.raw[0] | _SENT,)) + self.raw[1:])

    def standing(self) -> Position:
        """Return this position as it is where its span runs."""
        return Position(bytes((self.raw[0] & ~_SENT,)) + self.raw[1:])

    def kept(self, *, sampled: bool) -> Position:
        """Return this position in a trace of which it was decided whether it is sampled."""
        head = self.raw[0] & ~(_SAMPLED | _DEBUG) | (_SAMPLED if sampled else 0)
        return Position(bytes((head,)) + self.raw[1:])

    @property
    def trace(self) -> bytes:
        """The trace's 16 bytes."""
        return self.raw[1:_SPAN_AT]

    @property
    def span(self) -> bytes:
        """The span's 8 bytes."""
        return self.raw[_SPAN_AT:_PARENT_AT]

    @property
    def address(self) -> bytes:
        """The bytes of trace and span: what tells this span from all others."""
        return self.raw[1:_PARENT_AT]

    @property
    def trace_id(self) -> str:
        """The trace's id: 32 digits."""
        return self.raw[1:_SPAN_AT].hex()

    @property
    def span_id(self) -> str:
        """The span's id: 16 digits."""
        return self.raw[_SPAN_AT:_PARENT_AT].hex()

    @property
    def parent_id(self) -> str | None:
        """The parent's id: 16 digits, None for a root."""
        return self.raw[_PARENT_AT:].hex() or None

    @property
    def sampled(self) -> bool:
        """Whether spans of this trace are reported; those of others are but numbered."""
        return bool(self.raw[0] & _SAMPLED)

    @property
    def debug(self) -> bool:
        """Whether somebody asked everyone to keep this trace, whatever they sample."""
        return bool(self.raw[0] & _DEBUG)

    @property
    def random(self) -> bool:
        """Whether the trace's id is known to have been drawn at random."""
        return bool(self.raw[0] & _RANDOM)

    @property
    def sent(self) -> bool:
        """Whether this is on its way to a server, which may share the call's span id."""
        return bool(self.raw[0] & _SENT)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Position) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        flags = [name for name in ("sampled", "debug", "random", "sent") if getattr(self, name)]
        below = f" below {self.parent_id}" if self.parent_id else ""
        return f"<Position {self.trace_id}/{self.span_id}{below} {' '.join(flags)}>"


class Peer(NamedTuple):
    """One side of a crossing: a service's name, and its address as far as that is known."""

    service: str = ""
    host: str = ""
    port: int = 0


class Annotation(NamedTuple):
    """Something that happened during a span; `timestamp` in µs since 1970."""

    timestamp: int
    value: str


def whole(number: float) -> int:
    """Return a time that an application says, as an integer; 0, as if unsaid, for what is none."""
    try:
        return int(number)
    except Exception:  # noqa: BLE001 - an application's own value must not fail it
        return 0


class Causes(Protocol):
    """What a span waited for. It says so when the span is written, which may be in a thread."""

    def tags(self) -> Mapping[str, str]:
        """Return tags of names that begin with "causal."; see `frontier`."""


NOBODY: Final = Peer()
NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})


class Span(NamedTuple):
    """One side's view of one crossing, or of some work within a service, after it ended.

    `timestamp` is in µs since 1970 and `duration` in µs; 0 means that it is not known (a crossing
    whose end nobody saw has no duration). `error` is an exception's name and message, or a status.
    A `shared` span is the server's half of a span that the client began under the same id.

    Whoever holds one must not change its `tags`, which are the maker's own mapping: they are not
    copied, because spans are made all the time.
    """

    position: Position
    kind: Kind | None = None
    name: str = ""
    timestamp: int = 0
    duration: int = 0
    local: Peer = NOBODY
    remote: Peer = NOBODY
    tags: Mapping[str, str] = NO_TAGS
    annotations: tuple[Annotation, ...] = ()
    error: str | None = None
    shared: bool = False
    causes: Causes | None = None

    def labels(self) -> dict[str, str]:
        """Return all that is written as tags: `tags`, what it waited for, and the error."""
        labels = dict(self.tags)
        if self.causes is not None:
            labels |= self.causes.tags()
        if self.error is not None:
            labels[ERROR] = self.error
        return labels
