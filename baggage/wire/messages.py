"""Baggage as plain tuples, to and from protocol buffers.

The only module that uses protobuf, which it imports at first use. It bounds what it reads and
checks shapes; clocks stay bytes here, and what entries mean is for `baggage.values`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

MAX_BYTES: Final = 64 * 1024
"""The longest message that is read. It bounds everything that has no limit of its own here."""

MAX_NAME: Final = 255
"""The longest name of a key, in bytes of UTF-8."""

MAX_PRIORITY: Final = (1 << 16) - 1
DEFAULT_PRIORITY: Final = 100
"""The priority that takes no room in a message."""

# As deep as a clock.
_MAX_POINT: Final = 64
_MAX_UTF8: Final = 4

WireValue: TypeAlias = bytes | str | int | float | bool


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


class WireBaggage(NamedTuple):
    """One message."""

    blocks: tuple[WireBlock, ...] = ()
    over: tuple[int, str] | None = None
    down: tuple[WireEntry, ...] = ()
    home: tuple[WireEntry, ...] = ()
    origin: str = ""


@cache
def _schema() -> tuple[type[Any], type[Exception]]:
    """Return the class of messages, and what parsing them raises."""
    from google.protobuf.message import DecodeError

    from baggage.wire.baggage_pb2 import Baggage

    return Baggage, DecodeError


def encode(baggage: WireBaggage) -> bytes:
    """Return the bytes of a message; equal messages have equal bytes."""
    new, _ = _schema()
    message = new(origin=baggage.origin)
    for block in baggage.blocks:
        _write_block(message.blocks, block)
    if baggage.over is not None:
        priority, key = baggage.over
        message.over.add(priority=priority, key=key)
    for entry in baggage.down:
        _write_entry(message.down, entry)
    for entry in baggage.home:
        _write_entry(message.home, entry)
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def decode(blob: bytes) -> WireBaggage:
    """Return the message in `blob`. Raises WireError, and nothing else, in linear time."""
    if len(blob) > MAX_BYTES:
        raise WireError(f"baggage of {len(blob)} bytes; at most {MAX_BYTES} are read")
    new, malformed = _schema()
    try:
        message = new.FromString(blob)
    except (malformed, ValueError) as error:  # text that isn't UTF-8 is either, by implementation
        raise WireError("not a baggage message") from error
    return WireBaggage(
        tuple([_read_block(block) for block in message.blocks]),
        min(map(_read_marker, message.over), default=None),
        tuple([_read_entry(entry) for entry in message.down]),
        tuple([_read_entry(entry) for entry in message.home]),
        message.origin,
    )


def sealed(body: bytes, origin: str) -> bytes:
    """Return a message with another origin, without reading it: the last one counts."""
    return body + encode(WireBaggage(origin=origin)) if origin else body


def unsealed(blob: bytes, origin: str) -> bytes:
    """Return what `sealed` made `blob` of; `blob` itself if its origin isn't written at its end."""
    return blob.removesuffix(encode(WireBaggage(origin=origin))) if origin else blob


def size_of(entry: WireEntry) -> int:
    """Return how many bytes an entry adds to a message, or to the inside of a block."""
    return len(encode(WireBaggage(down=(entry,))))


def _write_block(blocks: Any, block: WireBlock) -> None:
    # A field that is set to its default value takes no room: no event tree has the bytes b"".
    if isinstance(block.tree, int):
        message = blocks.add(root=block.root, flat=block.tree)
    else:
        message = blocks.add(root=block.root, tree=block.tree)
    for entry in block.entries:
        _write_entry(message.entries, entry)


def _read_block(message: Any) -> WireBlock:
    tree, flat = message.tree, message.flat
    if tree and flat:
        raise WireError("a block with two event trees")
    entries = tuple([_read_entry(entry) for entry in message.entries])
    return WireBlock(message.root, tree or flat, entries)


def _read_marker(message: Any) -> tuple[int, str]:
    priority, key = message.priority, message.key
    if priority > MAX_PRIORITY or _too_long(key):
        raise WireError("a marker where no key can be")
    return priority, key


def _write_entry(entries: Any, entry: WireEntry) -> None:
    message = entries.add(key=entry.key, height=entry.height)
    setattr(message, _FIELDS[type(entry.value)], entry.value)
    if entry.point:
        bits = int("1" + entry.point, 2)
        message.point = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
    if entry.type:
        message.type = entry.type
    if entry.priority != DEFAULT_PRIORITY:
        message.priority = entry.priority - DEFAULT_PRIORITY


_FIELDS: Final[dict[type, str]] = {
    bytes: "raw",
    str: "text",
    int: "integer",
    float: "real",
    bool: "truth",
}


def _read_entry(message: Any) -> WireEntry:
    key, field = message.key, message.WhichOneof("value")
    if not key or _too_long(key):
        raise WireError(f"a key's name takes 1 to {MAX_NAME} bytes, not {key!r:.80}")
    if field is None:
        raise WireError(f"no value under {key!r}")
    priority = message.priority + DEFAULT_PRIORITY
    if not 0 <= priority <= MAX_PRIORITY:
        raise WireError(f"the priority {priority} of {key!r} is not in 0 to {MAX_PRIORITY}")
    point = message.point
    return WireEntry(
        key,
        getattr(message, field),
        message.height,
        _read_point(point) if point else "",
        message.type,
        priority,
    )


def _too_long(name: str) -> bool:
    return len(name) * _MAX_UTF8 > MAX_NAME and len(name.encode()) > MAX_NAME


def _read_point(encoded: bytes) -> str:
    path = f"{int.from_bytes(encoded, 'big'):b}"[1:]
    if len(path) > _MAX_POINT:
        raise WireError("a point beyond the depth of any clock")
    if not path.endswith("1") or encoded[0] == 0:
        raise WireError("a point that is not in its shortest form")
    return path
