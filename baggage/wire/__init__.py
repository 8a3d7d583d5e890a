"""The bytes of baggage: protocol buffers, and the headers that carry them."""

from baggage.wire.header import (
    NAME,
    armour,
    compose,
    room_for,
    split_members,
    unarmour,
)
from baggage.wire.messages import (
    MAX_BYTES,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireError,
    decode,
    encode,
)

__all__ = [
    "MAX_BYTES",
    "NAME",
    "WireBaggage",
    "WireBlock",
    "WireEntry",
    "WireError",
    "armour",
    "compose",
    "decode",
    "encode",
    "room_for",
    "split_members",
    "unarmour",
]
