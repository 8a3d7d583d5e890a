"""The verbs of the talk, on the current baggage."""

from __future__ import annotations

from collections.abc import Mapping

from baggage.context.branch import Branch
from baggage.context.running import current, ensure
from baggage.values import Baggage, Key, Value


def pack(key: Key | str, value: Value) -> None:
    """Add a value under a key of the current baggage; see `Baggage.pack`."""
    ensure().pack(key, value)


def unpack(key: Key | str) -> tuple[Value, ...]:
    """Return the values under a key of the current baggage; () without any."""
    return current().unpack(key)


def fields(key: Key | str) -> Mapping[str, tuple[Value, ...]]:
    """Return the values of each field of a map in the current baggage; see `Baggage.fields`."""
    return current().fields(key)


def set(key: Key | str, value: Value) -> None:
    """Put a value in place of all that is visible under a key; see `Baggage.set`."""
    ensure().update(lambda carried: carried.set(key, value))


def remove(key: Key | str, value: Value | None = None) -> None:
    """Drop what is visible under a key of the current baggage; see `Baggage.remove`."""
    ensure().update(lambda carried: carried.remove(key, value))


def split() -> tuple[Branch, Branch]:
    """Fork the current branch of execution: return it, and a new one that knows the same past.

    Run the other one's work within `attached(theirs)`, in any thread; `join(theirs)` afterwards.
    """
    mine = ensure()
    return mine, mine.split()


def join(other: Branch | Baggage, *, batch: bool = False) -> None:
    """Merge a branch, or baggage that came back, into the current one.

    `batch` declares that it may be another request's: audit mode takes that for a mistake.
    """
    ensure().join(other, batch=batch)


def serialize() -> bytes:
    """Return the current baggage as bytes, to be sent along by hand; empty baggage is b""."""
    return current().departing().serialize()


def deserialize(blob: bytes) -> Baggage:
    """Return the baggage in `blob`, to be attached or joined.

    Raises BaggageError, and nothing else, for bytes that are no baggage.
    """
    return Baggage.deserialize(blob)
