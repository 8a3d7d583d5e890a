"""Messages written by hand: the bytes that protocol buffers would write, at a fraction of the cost.

Belongs here: tags and lengths. Does not: reading, which has to expect anything (`messages`). Fields
stand in the order of their numbers; see `proto/baggage.proto` for these.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Final

from baggage.wire.brief import Carried
from baggage.wire.messages import DEFAULT_PRIORITY, WireBaggage, WireBlock, WireEntry, WireLoan

# Tags: the field's number, and how it's written: as a varint, in eight bytes, or with its length.
_BLOCK, _OVER, _DOWN, _HOME = b"\x0a", b"\x12", b"\x1a", b"\x22"
_ORIGIN, _LENT, _ID = b"\x2a", b"\x32", b"\x12"
_ROOT, _FLAT, _TREE, _ENTRY = b"\x09", b"\x10", b"\x1a", b"\x2a"
_KEY, _RAW, _HEIGHT, _POINT, _TYPE, _PRIORITY = b"\x0a", b"\x12", b"\x18", b"\x22", b"\x28", b"\x30"
_TEXT, _INTEGER, _REAL, _TRUE, _FALSE = b"\x42", b"\x48", b"\x51", b"\x58\x01", b"\x58\x00"
_MARKER_PRIORITY, _MARKER_KEY = b"\x08", b"\x12"

_BRIEF: Final = 64
"""Values of so many bytes have frames that are kept, in all lengths."""

_SHORT: Final = tuple(bytes([number]) for number in range(128))
_fixed: Final = Struct("<Q").pack
_double: Final = Struct("<d").pack


def encode(baggage: WireBaggage) -> bytes:
    """Return the bytes of a message; equal messages have equal bytes."""
    parts = [written(baggage.blocks, baggage.over), downward(baggage.down), homeward(baggage.home)]
    return sealed(b"".join([*parts, lending(baggage.lent)]), baggage.origin)


def written(blocks: Iterable[WireBlock], over: tuple[int, str] | None) -> bytes:
    """Return the part of a message that merges by causal history."""
    parts = [block(root, tree, map(entry, entries)) for root, tree, entries in blocks]
    if over is not None:
        priority, key = over
        marker = _MARKER_PRIORITY + _varint(priority) if priority else b""
        parts.append(_OVER + _long(marker + (_MARKER_KEY + _long(key.encode()) if key else b"")))
    return b"".join(parts)


def block(root: int, tree: int | bytes, entries: Iterable[bytes]) -> bytes:
    """Return a block of entries that are written already."""
    # A field that is set to its default value takes no room: no event tree has the bytes b"".
    head = _ROOT + _fixed(root) if root else b""
    if isinstance(tree, bytes):
        head += _TREE + _long(tree)
    elif tree:
        head += _FLAT + _varint(tree)
    return _BLOCK + _long(head + b"".join([_ENTRY + _long(entry) for entry in entries]))


def downward(entries: Iterable[WireEntry]) -> bytes:
    """Return the part of a message that goes down."""
    return b"".join([_DOWN + _long(entry(each)) for each in entries])


def descending(carried: Iterable[tuple[str, Carried]]) -> bytes:
    """Return the same for values by key, in their order; short bytes are written at once."""
    parts: list[bytes] = []
    for key, (value, priority) in carried:
        if type(value) is bytes and len(value) <= _BRIEF:
            before, after = _frame(key, len(value), priority)
            parts += before, value, after
        else:
            parts.append(_DOWN + _long(entry(WireEntry(key, value, priority=priority))))
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _frame(key: str, size: int, priority: int) -> tuple[bytes, bytes]:
    """Return what stands around so many bytes that go down."""
    whole = _DOWN + _long(entry(WireEntry(key, bytes(size), priority=priority)))
    after = _placed(priority)
    return whole[: len(whole) - len(after) - size], after


def homeward(entries: Iterable[WireEntry]) -> bytes:
    """Return the part of a message that goes home."""
    return b"".join([_HOME + _long(entry(each)) for each in entries])


def lending(loans: Iterable[WireLoan]) -> bytes:
    """Return the part of a message that lends ids."""
    return b"".join([_LENT + _long(_ROOT + _fixed(root) + _ID + _long(id)) for root, id in loans])


def entry(each: WireEntry) -> bytes:
    """Return an entry without its tag and length, which stand before it in any message."""
    key, value, height, point, type, priority = each
    before, after = b"", b""
    if isinstance(value, bytes):
        before = _RAW + _long(value)
    elif isinstance(value, str):
        after = _TEXT + _long(value.encode())
    elif isinstance(value, bool):
        after = _TRUE if value else _FALSE
    elif isinstance(value, int):
        after = _INTEGER + _varint(_zigzag(value))
    else:
        after = _REAL + _double(value)
    if height:
        before += _HEIGHT + _varint(height)
    if point:
        bits = int("1" + point, 2)
        before += _POINT + _long(bits.to_bytes((bits.bit_length() + 7) // 8, "big"))
    if type:
        before += _TYPE + _varint(type)
    return _named(key) + before + _placed(priority) + after


def size_of(each: WireEntry) -> int:
    """Return how many bytes an entry adds to a message, or to the inside of a block."""
    return len(_ENTRY) + len(_long(entry(each)))


def sealed(body: bytes, origin: str) -> bytes:
    """Return a message with another origin, without reading it: the last one counts."""
    return body + _signed(origin) if origin else body


def unsealed(blob: bytes, origin: str) -> bytes:
    """Return what `sealed` made `blob` of; `blob` itself if its origin isn't written at its end."""
    return blob.removesuffix(_signed(origin)) if origin else blob


@lru_cache(maxsize=1024)
def _placed(priority: int) -> bytes:
    if priority == DEFAULT_PRIORITY:
        return b""
    return _PRIORITY + _varint(_zigzag(priority - DEFAULT_PRIORITY))


@lru_cache(maxsize=1024)
def _named(key: str) -> bytes:
    return _KEY + _long(key.encode()) if key else b""


@lru_cache(maxsize=1024)
def _signed(origin: str) -> bytes:
    return _ORIGIN + _long(origin.encode())


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _long(content: bytes) -> bytes:
    """Return bytes behind their length."""
    length = len(content)
    return (_SHORT[length] if length < 128 else _varint(length)) + content


def _varint(number: int) -> bytes:
    if number < 128:
        return _SHORT[number]
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)
