"""What every propagation format reads and writes.

Holds what comes out of headers, and the making of it from ids in hex. The formats themselves each
have a module; which of them is asked, and in which order, is in `every`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple, Protocol

from metaapps.tracing.span import SPAN_BYTES, TRACE_BYTES, Position

HALF: Final = "0" * 16
"""The upper half of a trace's id that has but 16 digits."""

ZEROS: Final = frozenset({HALF, 2 * HALF})


class Decision(Enum):
    """What a caller decided on recording; that it sent nothing at all is a fifth state."""

    DEFER = "defer"
    """The caller has ids, and leaves the decision to whom it calls."""

    DENY = "deny"
    ACCEPT = "accept"

    DEBUG = "debug"
    """Keep this trace, whatever anybody samples."""

    # Members are alone of their kind; Enum would hash their names, for every request.
    __hash__ = object.__hash__


class Extracted(NamedTuple):
    """What a caller's headers say.

    `position` is the span of the caller, with its parent where the format tells it; it is None for
    a decision without ids, and unsampled where the decision is deferred. `state` is a `tracestate`
    to be passed on as it is. With `shares` the server's span may have the id of the caller's.
    """

    position: Position | None
    decision: Decision
    state: str = ""
    shares: bool = False


class Format(Protocol):
    """One way to write a position into headers. Has no state, so that any thread may use it."""

    name: str

    def extract(self, headers: Mapping[str, str]) -> Extracted | None:
        """Return what `headers` say, None for nothing or what the specification refuses.

        Their names are in lower case; of a header that came several times all values are shown,
        joined by ",". Never raises.
        """

    def write(self, position: Position, state: str) -> Mapping[str, str]:
        """Return the headers that tell a callee of `position`, by lower-case name.

        `state` is the `tracestate` that came with the trace.
        """


class Heads(NamedTuple):
    """The first bytes of positions of one decision: without a parent, and with one."""

    decision: Decision
    alone: bytes
    below: bytes


def heads(decision: Decision, *, random: bool = False) -> Heads:
    """Prepare to place spans; `random` says that trace ids were drawn at random."""
    root = Position.root(
        bytes(TRACE_BYTES),
        bytes(SPAN_BYTES),
        sampled=decision in {Decision.ACCEPT, Decision.DEBUG},
        debug=decision is Decision.DEBUG,
        random=random,
    )
    return Heads(decision, root.raw[:1], root.below(bytes(SPAN_BYTES)).raw[:1])


def place(heads: Heads, trace: str, span: str, parent: str | None = None) -> Position | None:
    """Return a position of ids in hex, None where the trace or the span is all zeros.

    All must be digits in lower case: 16 or 32 of `trace`, which is padded on the left, 16 of the
    others. A `parent` of zeros is none.
    """
    if trace in ZEROS or span in ZEROS:
        return None
    if len(trace) == 2 * SPAN_BYTES:
        trace = HALF + trace
    if parent is None or parent in ZEROS:
        return Position(heads.alone + bytes.fromhex(trace + span))
    return Position(heads.below + bytes.fromhex(trace + span + parent))
