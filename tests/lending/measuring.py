"""What stamps cost in a message: the bytes that are there for no other reason than to merge."""

from __future__ import annotations

from dataclasses import dataclass

from baggage.wire import decode, split_members, unarmour
from baggage.wire.writing import encode, size_of


@dataclass(frozen=True, slots=True)
class Cost:
    """The sizes of one message, in bytes, without the name of who sent it.

    `stamps` is all that roots, event trees, heights, points and ids take: what is left is as long
    as the same entries would be without any of these. `told` is what keys and values are in
    themselves, without tags and lengths.
    """

    entries: int
    size: int
    stamps: int
    told: int

    @property
    def per_entry(self) -> float:
        """What stamps take for each entry."""
        return self.stamps / self.entries

    @property
    def beside(self) -> float:
        """What is neither key nor value, for each entry."""
        return (self.size - self.told) / self.entries


def cost(blob: bytes) -> Cost:
    """Return what a message costs."""
    message = decode(blob)._replace(origin="")
    entries = [entry for block in message.blocks for entry in block.entries]
    bare = sum(size_of(entry._replace(height=0, point="")) for entry in entries)
    told = sum(len(entry.key.encode()) + _length(entry.value) for entry in entries)
    size = len(encode(message))
    return Cost(len(entries), size, size - bare, told)


def cost_of(header: str) -> Cost:
    """Return what our member of a header costs."""
    ours, _ = split_members(header)
    return cost(unarmour(ours or ""))


def _length(value: object) -> int:
    if isinstance(value, int):
        return max(1, -(-(value.bit_length() + 1) // 7))
    return len(value.encode() if isinstance(value, str) else bytes(str(value), "ascii"))
