"""Ids of traces and spans, where nobody says which."""

from __future__ import annotations

from baggage.values.pen import new_root


def random_ids(size: int) -> bytes:
    """Return that many random bytes, a multiple of 8; never zeros alone. Safe after a fork."""
    drawn = new_root()
    for _ in range(8, size, 8):
        drawn = drawn << 64 | new_root()
    return drawn.to_bytes(size, "big")
