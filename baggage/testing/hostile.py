"""Headers that nobody of ours has written."""

from __future__ import annotations

from typing import Final

GARBAGE: Final = (
    "causal=",
    "causal=!!!!",
    "causal=AAAA",
    "causal=" + "A" * 6000,
    "causal=_____w",
    ",,,=;causal",
    "causal=CgYIABAAGAA;causal=x,causal=CgYI",
)
"""Values of the `baggage` header that nobody of ours has written."""
