"""Baggage as plain tuples, to and from protocol buffers.

The only module that uses protobuf, which it imports at first use. It bounds what it reads and
checks shapes; clocks stay bytes here, and what entries mean is for `baggage.values`.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, Final, NamedTuple

MAX_BYTES: Final = 64 * 1024
MAX_ENTRIES: Final = 4096
MAX_ROOTS: Final = 256
MAX_POINT_BYTES: Final = 9
DEFAULT_PRIORITY: Final = 100

WireValue = bytes | str | int | float | bool


class WireError(ValueError):
    """Bytes that are not baggage, or more of it than anyone should read."""


class WireEntry(NamedTuple):
    """One value under a key; `height` and `point` are its dot, of entries in a block."""

    key: str
    value: WireValue
    height: int = 0
    point: str = ""
    type: int = 0
    priority: int = DEFAULT_PRIORITY


class WireBlock(NamedTuple):
    """What is known of one root: an event tree as a number or as bytes, and entries."""

    root: int
    tree: int | bytes
    entries: tuple[WireEntry, ...] = ()
    own: bytes = b""


class WireBaggage(NamedTuple):
    """One message."""

    blocks: tuple[WireBlock, ...] = ()
    over: tuple[int, str] | None = None
    down: tuple[WireEntry, ...] = ()
    home: tuple[WireEntry, ...] = ()
    origin: str = ""


@cache
def _schema() -> ModuleType:
    from baggage.wire import baggage_pb2

    return baggage_pb2


def encode(baggage: WireBaggage) -> bytes:
    """Return the bytes of a message; equal messages have equal bytes."""
    message = _schema().Baggage(origin=baggage.origin)
    for block in baggage.blocks:
        _write_block(message.blocks.add(), block)
    if baggage.over is not None:
        message.over.priority, message.over.key = baggage.over
    for entry in baggage.down:
        _write_entry(message.down.add(), entry)
    for entry in baggage.home:
        _write_entry(message.home.add(), entry)
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def decode(blob: bytes) -> WireBaggage:
    """Return the message in `blob`. Raises WireError, and nothing else, in linear time."""
    if len(blob) > MAX_BYTES:
        raise WireError(f"baggage of {len(blob)} bytes; at most {MAX_BYTES} are read")
    message = _schema().Baggage()
    try:
        message.ParseFromString(blob)
    except Exception as error:  # protobuf's DecodeError, or UnicodeDecodeError, by implementation
        raise WireError("not a baggage message") from error
    entries = sum(len(block.entries) for block in message.blocks)
    if len(message.blocks) > MAX_ROOTS or entries > MAX_ENTRIES:
        raise WireError(f"baggage of {len(message.blocks)} roots and {entries} entries")
    if len(message.down) + len(message.home) > MAX_ENTRIES:
        raise WireError(f"baggage of more than {MAX_ENTRIES} entries")
    over = (message.over.priority, message.over.key) if message.HasField("over") else None
    return WireBaggage(
        tuple(_read_block(block) for block in message.blocks),
        over,
        tuple(_read_entry(entry) for entry in message.down),
        tuple(_read_entry(entry) for entry in message.home),
        message.origin,
    )


def _write_block(message: Any, block: WireBlock) -> None:
    message.root = block.root
    if isinstance(block.tree, int):
        message.flat = block.tree
    else:
        message.tree = block.tree
    message.own = block.own
    for entry in block.entries:
        _write_entry(message.entries.add(), entry)


def _read_block(message: Any) -> WireBlock:
    if message.tree and message.flat:
        raise WireError("a block with two event trees")
    tree = message.tree or message.flat
    entries = tuple(_read_entry(entry) for entry in message.entries)
    return WireBlock(message.root, tree, entries, message.own)


def _write_entry(message: Any, entry: WireEntry) -> None:
    message.key = entry.key
    setattr(message, _FIELDS[type(entry.value)], entry.value)
    message.height = entry.height
    if entry.point:
        bits = int("1" + entry.point, 2)
        message.point = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
    message.type = entry.type
    message.priority = entry.priority - DEFAULT_PRIORITY


_FIELDS: Final[dict[type, str]] = {
    bytes: "raw",
    str: "text",
    int: "integer",
    float: "real",
    bool: "truth",
}


def _read_entry(message: Any) -> WireEntry:
    field = message.WhichOneof("value")
    if field is None:
        raise WireError(f"no value under {message.key!r}")
    return WireEntry(
        message.key,
        getattr(message, field),
        message.height,
        _read_point(message.point),
        message.type,
        message.priority + DEFAULT_PRIORITY,
    )


def _read_point(encoded: bytes) -> str:
    if not encoded:
        return ""
    if len(encoded) > MAX_POINT_BYTES:
        raise WireError("a point beyond the depth of any clock")
    path = bin(int.from_bytes(encoded, "big"))[3:]
    if not path.endswith("1") or encoded[0] == 0:
        raise WireError("a point that is not in its shortest form")
    return path
