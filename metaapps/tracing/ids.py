"""Ids of traces and spans, where nobody says which."""

from __future__ import annotations

from baggage.values.pen import new_root
from metaapps.tracing.span import SPAN_BYTES


def random_ids(size: int) -> bytes:
    """Return that many random bytes, a multiple of 8; never zeros alone. Safe after a fork."""
    if size == SPAN_BYTES:
        return new_root().to_bytes(SPAN_BYTES, "big")
    return b"".join(new_root().to_bytes(8, "big") for _ in range(size // 8))
