"""Brief messages, read by hand: a few values that go down, and a name. Most calls bring no more.

Belongs here: the one form in which `writing` writes such a message. Whatever differs from that in
any byte is left to `messages`, which reads everything.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

from baggage.wire.messages import DEFAULT_PRIORITY, MAX_PRIORITY, WireValue

Carried: TypeAlias = tuple[WireValue, int]
"""A value that goes down, and the priority of its key."""

_DOWN, _ORIGIN, _KEY, _RAW, _PRIORITY = 0x1A, 0x2A, 0x0A, 0x12, b"\x30"
_ANOTHER: Final = bytes([_DOWN])
_LONG: Final = 0x80
"""From here on a length or a number takes several bytes."""


def brief(blob: bytes) -> tuple[dict[str, Carried], str] | None:
    """Return what goes down, and the origin, of a brief message; None for any other, or no bytes.

    Written again, it has the same bytes.
    """
    try:
        tag, after = blob[0], blob[1] + 2
        if tag != _DOWN and tag != _ORIGIN:
            return None
        if tag == _DOWN and blob[after : after + 1] != _ANOTHER:
            # Of a single value, all but the value itself has been read before.
            at = blob[3] + 6
            end = at + blob[at - 1]
            frame = _framing(blob[:at], blob[end:]) if end <= len(blob) else None
            if frame is not None:
                key, priority, origin = frame
                return {key: (blob[at:end], priority)}, origin
        return _several(blob)
    except (IndexError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=1024)
def _framing(head: bytes, tail: bytes) -> tuple[str, int, str] | None:
    """Return key, priority and origin of a message with a single value between these."""
    size = head[-1]
    read = None if size >= _LONG else _several(head + bytes(size) + tail)
    if read is None or len(read[0]) != 1:
        return None
    [(key, (value, priority))] = read[0].items()
    return (key, priority, read[1]) if value == bytes(size) else None


def _several(blob: bytes) -> tuple[dict[str, Carried], str] | None:
    """Return the same of any number of values; raises IndexError or UnicodeDecodeError for some."""
    down: dict[str, Carried] = {}
    last = ""
    at, end = 0, len(blob)
    while at < end:
        tag, size, start = blob[at], blob[at + 1], at + 2
        at = start + size
        if size >= _LONG or at > end:
            return None
        if tag != _DOWN:
            last_one = tag == _ORIGIN and size and at == end
            return (down, blob[start:].decode()) if last_one else None
        key, carried = _entry(blob, start, at)
        if key <= last or carried is None:
            return None
        down[key] = carried
        last = key
    return down, ""


def _entry(blob: bytes, at: int, end: int) -> tuple[str, Carried | None]:
    """Return a key and its bytes; None in place of them for any other entry."""
    value_at = at + 4 + blob[at + 1]
    size = blob[value_at - 1]
    after = value_at + size
    if blob[at] != _KEY or blob[value_at - 2] != _RAW or size >= _LONG:
        return "", None
    key = blob[at + 2 : value_at - 2].decode()
    if after == end:
        return key, (blob[value_at:after], DEFAULT_PRIORITY)
    priority = _priority(blob[after:end])
    return key, (None if priority is None else (blob[value_at:after], priority))


@lru_cache(maxsize=256)
def _priority(written: bytes) -> int | None:
    """Return a priority that is not the default one; None for what isn't written so."""
    tag, numbers = written[:1], written[1:]
    if tag != _PRIORITY or not numbers or numbers[-1] >= _LONG or numbers[1:].endswith(b"\0"):
        return None
    number = 0
    for place, byte in enumerate(numbers):
        if byte < _LONG and place < len(numbers) - 1:
            return None
        number |= (byte & 0x7F) << 7 * place
    priority = DEFAULT_PRIORITY + (number >> 1 ^ -(number & 1))
    return priority if number and 0 <= priority <= MAX_PRIORITY else None
