"""Brief messages, read by hand: a few values that go down, and a name. Most calls bring no more.

Belongs here: the one form in which `writing` writes such a message. Whatever differs from that in
any byte is left to `messages`, which reads everything.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from baggage.wire.messages import DEFAULT_PRIORITY, MAX_PRIORITY, WireValue

Carried: TypeAlias = tuple[WireValue, int]
"""A value that goes down, and the priority of its key."""

_DOWN, _ORIGIN, _KEY, _RAW, _PRIORITY = 0x1A, 0x2A, 0x0A, 0x12, 0x30
_LONG: Final = 0x80
"""From here on a length or a number takes several bytes."""


def brief(blob: bytes) -> tuple[dict[str, Carried], str] | None:
    """Return what goes down, and the origin, of a brief message; None for any other bytes.

    Written again, it has the same bytes.
    """
    down: dict[str, Carried] = {}
    last = ""
    at, end = 0, len(blob)
    try:
        while at < end:
            tag, size = blob[at], blob[at + 1]
            at += 2
            after = at + size
            if size >= _LONG or after > end:
                return None
            if tag != _DOWN:
                last_one = tag == _ORIGIN and size and after == end
                return (down, blob[at:].decode()) if last_one else None
            read = _entry(blob, at, after)
            if read is None or read[0] <= last:
                return None
            last, carried = read
            down[last] = carried
            at = after
    except (IndexError, UnicodeDecodeError):
        return None
    return down, ""


def _entry(blob: bytes, at: int, end: int) -> tuple[str, Carried] | None:
    """Return a key and its bytes; None for any other entry."""
    size = blob[at + 1]
    value_at = at + 4 + size
    if blob[at] != _KEY or blob[value_at - 2] != _RAW or size >= _LONG:
        return None
    key = blob[at + 2 : value_at - 2].decode()
    size = blob[value_at - 1]
    after = value_at + size
    if after == end and size < _LONG:
        return key, (blob[value_at:after], DEFAULT_PRIORITY)
    if after > end - 2 or size >= _LONG or blob[after] != _PRIORITY:
        return None
    priority = _priority(blob[after + 1 : end])
    return None if priority is None else (key, (blob[value_at:after], priority))


def _priority(written: bytes) -> int | None:
    """Return a priority that is not the default one; None for what isn't written so."""
    last = len(written) - 1
    if written[last] >= _LONG or (last and not written[last]):
        return None
    number = 0
    for place, byte in enumerate(written):
        if (byte < _LONG) != (place == last):
            return None
        number |= (byte & 0x7F) << 7 * place
    priority = DEFAULT_PRIORITY + (number >> 1 ^ -(number & 1))
    return priority if number and 0 <= priority <= MAX_PRIORITY else None
