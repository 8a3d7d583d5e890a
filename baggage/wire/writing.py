"""Messages written by hand: the bytes that protocol buffers would write, at a fraction of the cost.

Belongs here: tags and lengths. Does not: reading, which has to expect anything (`messages`). Fields
stand in the order of their numbers; see `proto/baggage.proto` for these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import Final

from baggage.wire.brief import Carried
from baggage.wire.messages import (
    DEFAULT_PRIORITY,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireLoan,
    WireValue,
    signature,
)
from baggage.wire.numbers import LONG, SHORT, prefixed, varint

# Tags: the field's number, and how it's written: as a varint, in eight bytes, or with its length.
_BLOCK, _OVER, _DOWN, _HOME = b"\x0a", b"\x12", b"\x1a", b"\x22"
_LENT, _ID = b"\x32", b"\x12"
_ROOT, _FLAT, _TREE, _ENTRY = b"\x09", b"\x10", b"\x1a", b"\x2a"
_KEY, _RAW, _HEIGHT, _POINT, _TYPE, _PRIORITY = b"\x0a", b"\x12", b"\x18", b"\x22", b"\x28", b"\x30"
_TEXT, _INTEGER, _REAL, _TRUE, _FALSE = b"\x42", b"\x48", b"\x51", b"\x58\x01", b"\x58\x00"
_MARKER_PRIORITY, _MARKER_KEY = b"\x08", b"\x12"

_BRIEF: Final = 64
"""Values of so many bytes have frames that are kept, in all lengths."""

_HEIGHTS: Final = (b"", *[_HEIGHT + height for height in SHORT[1:]])
_fixed: Final = Struct("<Q").pack
_heads: Final = Struct("<BBBQBBBB").pack
_HEADS: Final = 13
"""How many of these bytes are in the block: root, height, and the tag and length of an entry."""

_double: Final = Struct("<d").pack


def encode(baggage: WireBaggage) -> bytes:
    """Return the bytes of a message; equal messages have equal bytes."""
    parts = [written(baggage.blocks, baggage.over), downward(baggage.down), homeward(baggage.home)]
    return sealed(b"".join([*parts, lending(baggage.lent)]), baggage.origin)


def written(blocks: Iterable[WireBlock], over: tuple[int, str] | None) -> bytes:
    """Return the part of a message that merges by causal history."""
    parts = [block(root, tree, [*map(entry, entries)]) for root, tree, entries in blocks]
    if over is not None:
        priority, key = over
        marker = _MARKER_PRIORITY + varint(priority) if priority else b""
        marker += _MARKER_KEY + prefixed(key.encode()) if key else b""
        parts.append(_OVER + prefixed(marker))
    return b"".join(parts)


def block(root: int, tree: int | bytes, entries: Sequence[bytes]) -> bytes:
    """Return a block of entries that are written already."""
    if len(entries) == 1 and type(tree) is int and root and 0 < tree < LONG:
        size = len(entries[0])  # The usual one, of what was packed here.
        if size + _HEADS < LONG:
            heads = _heads(0x0A, size + _HEADS, 0x09, root, 0x10, tree, 0x2A, size)
            return heads + entries[0]
    # A field that is set to its default value takes no room: no event tree has the bytes b"".
    if isinstance(tree, bytes):
        head = (_ROOT + _fixed(root) if root else b"") + _TREE + prefixed(tree)
    else:
        head = (_ROOT + _fixed(root) if root else b"") + (_FLAT + varint(tree) if tree else b"")
    parts, size = [_BLOCK, b"", head], len(head)
    for each in entries:
        length = len(each)
        written = SHORT[length] if length < LONG else varint(length)
        parts += _ENTRY, written, each
        size += 1 + len(written) + length
    parts[1] = SHORT[size] if size < LONG else varint(size)
    return b"".join(parts)


def downward(entries: Iterable[WireEntry]) -> bytes:
    """Return the part of a message that goes down."""
    return b"".join([_DOWN + prefixed(entry(each)) for each in entries])


def descending(carried: Iterable[tuple[str, Carried]]) -> bytes:
    """Return the same for values by key, in their order; short bytes are written at once."""
    parts: list[bytes] = []
    for key, (value, priority) in carried:
        if type(value) is bytes and len(value) <= _BRIEF:
            before, after = _frame(key, len(value), priority)
            parts += before, value, after
        else:
            parts.append(_DOWN + prefixed(entry(WireEntry(key, value, priority=priority))))
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _frame(key: str, size: int, priority: int) -> tuple[bytes, bytes]:
    """Return what stands around so many bytes that go down."""
    whole = _DOWN + prefixed(entry(WireEntry(key, bytes(size), priority=priority)))
    after = _placed(priority)
    return whole[: len(whole) - len(after) - size], after


def homeward(entries: Iterable[WireEntry]) -> bytes:
    """Return the part of a message that goes home."""
    return b"".join([_HOME + prefixed(entry(each)) for each in entries])


def lending(loans: Iterable[WireLoan]) -> bytes:
    """Return the part of a message that lends ids."""
    written = [_ROOT + _fixed(root) + _ID + prefixed(id) for root, id in loans]
    return b"".join([_LENT + prefixed(loan) for loan in written])


def entry(each: WireEntry) -> bytes:
    """Return an entry without its tag and length, which stand before it in any message."""
    key, value, height, point, type, priority = each
    if point:
        bits = int("1" + point, 2)
        place = _POINT + prefixed(bits.to_bytes((bits.bit_length() + 7) // 8, "big"))
        return content(key, value, height, type, priority, place)
    return content(key, value, height, type, priority)


def content(
    key: str, value: WireValue, height: int, kind: int, priority: int, place: bytes = b""
) -> bytes:
    """Return the same of these fields; `kind` is its type, `place` what is written of a point."""
    if kind or place or priority != DEFAULT_PRIORITY or height >= LONG:
        middle = _HEIGHT + varint(height) if height else b""
        middle += place + (_TYPE + varint(kind) if kind else b"") + _placed(priority)
    else:
        middle = _HEIGHTS[height]
    if type(value) is str:
        text = value.encode()
        size = len(text)
        length = SHORT[size] if size < LONG else varint(size)
        return _named(key) + middle + _TEXT + length + text
    if type(value) is bytes:
        return _named(key) + _RAW + prefixed(value) + middle
    return _named(key) + middle + _number(value)


def _number(value: WireValue) -> bytes:
    """Return a value that is neither text nor bytes, as it is written."""
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int):
        return _INTEGER + varint(_zigzag(value))
    return _REAL + _double(value)


def size_of(each: WireEntry) -> int:
    """Return how many bytes an entry adds to a message, or to the inside of a block."""
    return len(_ENTRY) + len(prefixed(entry(each)))


def sealed(body: bytes, origin: str) -> bytes:
    """Return a message with another origin, without reading it: the last one counts."""
    return body + signature(origin) if origin else body


@lru_cache(maxsize=1024)
def _placed(priority: int) -> bytes:
    if priority == DEFAULT_PRIORITY:
        return b""
    return _PRIORITY + varint(_zigzag(priority - DEFAULT_PRIORITY))


@lru_cache(maxsize=1024)
def _named(key: str) -> bytes:
    return _KEY + prefixed(key.encode()) if key else b""


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
