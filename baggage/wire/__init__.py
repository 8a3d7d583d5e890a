"""The bytes of baggage: protocol buffers, and the headers that carry them."""

from baggage.wire.header import (
    NAME,
    SAFE_HEADER,
    armour,
    compose,
    room_for,
    split_members,
    unarmour,
)
from baggage.wire.messages import (
    DEFAULT_PRIORITY,
    MAX_BYTES,
    MAX_NAME,
    MAX_PRIORITY,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireError,
    decode,
    encode,
    sealed,
    size_of,
    unsealed,
)

__all__ = [
    "DEFAULT_PRIORITY",
    "MAX_BYTES",
    "MAX_NAME",
    "MAX_PRIORITY",
    "NAME",
    "SAFE_HEADER",
    "WireBaggage",
    "WireBlock",
    "WireEntry",
    "WireError",
    "armour",
    "compose",
    "decode",
    "encode",
    "room_for",
    "sealed",
    "size_of",
    "split_members",
    "unarmour",
    "unsealed",
]
