"""Numbers as protocol buffers write them: in groups of seven bits, the least first.

Belongs here: such numbers, and the lengths that stand before bytes. Does not: what they count.
"""

from __future__ import annotations

from typing import Final

LONG: Final = 128
"""From here on a number takes several bytes."""

SHORT: Final = tuple(bytes([number]) for number in range(LONG))
"""How smaller ones are written."""

_LAST_SHIFT: Final = 56


def varint(number: int) -> bytes:
    """Return how a number is written."""
    if number < LONG:
        return SHORT[number]
    groups = bytearray()
    while number >= LONG:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def prefixed(content: bytes) -> bytes:
    """Return bytes behind their length."""
    length = len(content)
    return (SHORT[length] if length < LONG else varint(length)) + content


def number(content: bytes, at: int) -> tuple[int, int]:
    """Return the number that is written from a place on, and where it ends.

    Raise IndexError where the bytes end within it, and for one of more than 63 bits, of which
    protocol buffers may leave out some.
    """
    byte = content[at]
    at += 1
    if byte < LONG:
        return byte, at
    value, shift = byte - LONG, 7
    while (byte := content[at]) >= LONG:
        value |= byte - LONG << shift
        shift += 7
        at += 1
    if shift > _LAST_SHIFT:
        raise IndexError("a number of more than 63 bits")
    return value | byte << shift, at + 1
