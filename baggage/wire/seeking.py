"""What a message says under one key, sought by hand: the other entries are stepped over.

Belongs here: the forms in which `writing` writes blocks with a plain height, and their entries.
Whatever differs from these is left to `messages`, which reads everything. It takes bytes that
protocol buffers have read, so that lengths and text are right.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Final, TypeAlias

from baggage.wire.messages import DEFAULT_PRIORITY, MAX_PRIORITY, WireValue
from baggage.wire.numbers import LONG, number

Sought: TypeAlias = tuple[int, int, WireValue, int, int]
"""A root, the height of a dot at the point 0.0, and the value there with its type and priority."""

Entry: TypeAlias = tuple[bytes, int, WireValue, int, int]
"""A key, and the height of a dot at the point 0.0 with value, type and priority."""

Scanned: TypeAlias = tuple[int, int, list[Entry]]
"""A root, the height of its block, and the entries there."""

_BLOCK, _OVER, _ROOT, _FLAT, _ENTRY = 0x0A, 0x12, 0x09, 0x10, 0x2A
_BESIDE: Final = frozenset({0x12, 0x1A, 0x22, 0x2A, 0x32})
"""The tags of all other fields of a message: each is written with its length."""

_KEY, _RAW, _HEIGHT, _TYPE, _PRIORITY = 0x0A, 0x12, 0x18, 0x28, 0x30
_TEXT, _INTEGER, _REAL, _TRUTH = 0x42, 0x48, 0x51, 0x58
_NUMBERS: Final = 1 << 63
_TYPES: Final = 1 << 31
"""From here on not every number means what it says."""

_UNREAD: Final = (b"", 0, b"", 0, 0)
_fixed: Final = Struct("<Q").unpack_from
_double: Final = Struct("<d").unpack_from


def seek(body: bytes, name: str) -> list[Sought] | None:
    """Return what all blocks say under a key, in their order; None for what is not read by hand.

    All that it returns is sensible in itself. Only entries in which the key's bytes occur are
    looked at, and the blocks around them.
    """
    sought: list[Sought] = []
    try:
        key = name.encode()
        after, hit = 0, body.find(key)
        while hit >= 0:
            tag, size, start = body[after], body[after + 1], after + 2
            if size >= LONG:
                size, start = number(body, after + 1)
            after = start + size
            if tag != _BLOCK and tag not in _BESIDE:
                return None
            if hit < after:
                if tag == _BLOCK and not _seek_block(body, start, after, key, sought):
                    return None
                hit = body.find(key, after)
    except (IndexError, ValueError, error):
        return None
    return sought


def scan(body: bytes) -> list[Scanned] | None:
    """Return what all blocks say, in their order; None for what is not read by hand.

    Each entry is sensible in itself; that its block covers it remains to be seen.
    """
    scanned: list[Scanned] = []
    after, last = 0, len(body)
    try:
        while after < last:
            tag = body[after]
            size, start = number(body, after + 1)
            after = start + size
            if tag == _BLOCK:
                flat, first = _head(body, start, after)
                entries = _scan_entries(body, first, after) if flat else None
                if entries is None:
                    return None
                scanned.append((_fixed(body, start + 1)[0], flat, entries))
            elif tag not in _BESIDE or tag == _OVER:
                return None
    except (IndexError, ValueError, error):
        return None
    return scanned


def _scan_entries(body: bytes, after: int, end: int) -> list[Entry] | None:
    entries = []
    while after < end:
        if body[after] != _ENTRY:
            return None
        size, start = body[after + 1], after + 2
        if size >= LONG:
            size, start = number(body, after + 1)
        after = start + size
        entry = _entry(body, start, after)
        if not entry[1]:
            return None
        entries.append(entry)
    return entries


def _head(body: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the height of a block, and where its entries begin; none if not read by hand."""
    if end - at < 11 or body[at] != _ROOT or body[at + 9] != _FLAT:
        return 0, end
    flat, after = body[at + 10], at + 11
    if flat >= LONG:
        flat, after = number(body, at + 10)
    return (flat, after) if flat < _NUMBERS else (0, end)


def _seek_block(body: bytes, at: int, end: int, key: bytes, sought: list[Sought]) -> bool:
    """Find a key in a block; False for one that is not read by hand."""
    flat, after = _head(body, at, end)
    if not flat:
        return False
    hit = body.find(key, after, end)
    while after < end:
        if body[after] != _ENTRY:
            return False
        size, start = body[after + 1], after + 2
        if size >= LONG:
            size, start = number(body, after + 1)
        after = start + size
        if 0 <= hit < after:
            name, height, value, type, priority = _entry(body, start, after)
            if not 0 < height <= flat:
                return False
            if name == key:
                sought.append((_fixed(body, at + 1)[0], height, value, type, priority))
            hit = body.find(key, after, end)
    return True


def _entry(body: bytes, at: int, end: int) -> Entry:
    """Return key, height, value, type and priority; no height for what is not read by hand."""
    start, size = at + 2, body[at + 1]
    if body[at] != _KEY or not 0 < size < LONG:
        return _UNREAD
    at = start + size
    key, tag = body[start:at], body[at]
    if tag == _HEIGHT and body[at + 2] == _TEXT and body[at + 1] < LONG > body[at + 3]:
        start = at + 4  # A text of no other type or priority than usual.
        if start + body[at + 3] == end:
            return key, body[at + 1], body[start:end].decode(), 0, DEFAULT_PRIORITY
    raw, height, type, priority = None, 0, 0, DEFAULT_PRIORITY
    if tag == _RAW:
        size, start = number(body, at + 1)
        at = start + size
        raw = body[start:at]
        tag = body[at] if at < end else 0
    if tag == _HEIGHT:
        height, at = number(body, at + 1)
        tag = body[at] if at < end else 0
    if tag == _TYPE:
        type, at = number(body, at + 1)
        tag = body[at] if at < end else 0
    if tag == _PRIORITY:
        written, at = number(body, at + 1)
        priority += written >> 1 ^ -(written & 1)
    value, at = (raw, at) if at == end else _value(body, at)
    if value is None or at != end or type >= _TYPES or not 0 <= priority <= MAX_PRIORITY:
        return _UNREAD
    return key, height, value, type, priority


def _value(body: bytes, at: int) -> tuple[WireValue | None, int]:
    """Return a value that stands at the end of an entry, and where it ends; None for no such."""
    tag = body[at]
    if tag == _TEXT:
        size, start = number(body, at + 1)
        at = start + size
        return body[start:at].decode(), at
    if tag == _INTEGER:
        written, at = number(body, at + 1)
        return (written >> 1 ^ -(written & 1) if written < _NUMBERS else None), at
    if tag == _REAL:
        return _double(body, at + 1)[0], at + 9
    return (body[at + 1] == 1 if tag == _TRUTH and body[at + 1] < 2 else None), at + 2
