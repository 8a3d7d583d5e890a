"""Headers that nobody of ours has written."""

from __future__ import annotations

from typing import Final

from baggage.wire import WireBaggage, WireBlock, WireEntry, armour, encode

_HONEST: Final = encode(WireBaggage((WireBlock(7, 1, (WireEntry("tenant", "acme", 1),)),)))
# Event trees in the paper's bits: a zero node with nothing but a right side, over and over.
_DEEP: Final = WireBaggage(blocks=(WireBlock(7, b"\x00" * 375 + b"\x90"),))
_DEEPEST: Final = WireBaggage(blocks=(WireBlock(7, b"\x00" * 4000 + b"\x90"),))

GARBAGE: Final = (
    "causal=",
    "causal=!!!!",
    "causal=AAAA",
    "causal=" + "A" * 6000,
    "causal=_____w",
    ",,,=;causal",
    "causal=CgYIABAAGAA;causal=x,causal=CgYI",
    "causal=" + armour(_HONEST)[:-4],
    "causal=" + armour(_HONEST + b"\x0a\x7f"),
    "causal=" + armour(_HONEST) + "=",
    "causal=" + armour(_HONEST)[:20] + "é" + armour(_HONEST)[21:],
    "causal=ÿþ\x80, é=ü",
    "causal=" + armour(encode(_DEEP)),
    "causal=" + armour(encode(_DEEPEST)),
    "causal=AAAA," * 600,
    "m=1," * 1900,
    "," * 7000,
    ";" * 7000,
    "causal=" + "\t" * 5000 + "AAAA",
)
"""Values of the `baggage` header that nobody of ours has written; none is too long for a server.

Beyond ASCII they hold what Latin-1 can encode.
"""

REPEATED: Final = ("causal=AAAA", "causal=!!!!", "m=1", "", "ÿ", "causal=")
"""The values of a `baggage` header that comes several times."""
