"""Baggage as plain tuples, from protocol buffers.

The only module that uses protobuf, which it imports at first use. It bounds what it reads and
checks shapes; clocks stay bytes here, and what entries mean is for `baggage.values`. Writing is in
`writing`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from baggage.wire.numbers import number, prefixed

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
_DOWN, _HOME, _ORIGIN, _LENT = 0x1A, 0x22, 0x2A, 0x32  # tags
_LONG_DOWN, _LONG_HOME, _LONG_LENT = 0x9A, 0xA2, 0xB2
"""How the same begin in more bytes than they take, which nobody writes, but everybody reads."""
_LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}
"""How a field is written, behind its tag: with its length, or in so many bytes."""

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


class WireLoan(NamedTuple):
    """An id that is lent, as bytes."""

    root: int
    id: bytes


class WireBaggage(NamedTuple):
    """One message."""

    blocks: tuple[WireBlock, ...] = ()
    over: tuple[int, str] | None = None
    down: tuple[WireEntry, ...] = ()
    home: tuple[WireEntry, ...] = ()
    origin: str = ""
    lent: tuple[WireLoan, ...] = ()


@cache
def _schema() -> tuple[Callable[[bytes], Any], type[Exception]]:
    """Return what parses messages, and what that raises."""
    from google.protobuf.message import DecodeError

    from baggage.wire.baggage_pb2 import Baggage

    return Baggage.FromString, DecodeError


def decode(blob: bytes) -> WireBaggage:
    """Return the message in `blob`. Raises WireError, and nothing else, in linear time."""
    unread = Unread(blob)
    blocks, over = unread.history()
    return WireBaggage(blocks, over, unread.down(), unread.home(), unread.origin, unread.lent())


class Unread:
    """A message that protocol buffers can read, whose fields are looked at when they are asked for.

    So it is a message of this schema, of valid text, within `MAX_BYTES`; that its entries can be
    is known once they were read. `origin` is the service that wrote it; `body` is the message as
    it came without that, and without what is lent. Immutable, and safe in any thread.
    """

    __slots__ = ("_message", "body", "has_home", "origin")

    def __init__(self, blob: bytes) -> None:
        """Take the message in `blob`. Raises WireError, and nothing else, in linear time."""
        if len(blob) > MAX_BYTES:
            raise WireError(f"baggage of {len(blob)} bytes; at most {MAX_BYTES} are read")
        read, malformed = _schema()
        try:
            self._message = message = read(blob)
        except (malformed, ValueError) as error:  # text that isn't UTF-8 is either
            raise WireError("not a baggage message") from error
        self.origin: str = message.origin
        # Most messages have no byte that is the tag of such a field, which is quicker to tell.
        self.has_home = (_HOME in blob or _LONG_HOME in blob) and bool(message.home)
        if (_LENT in blob or _LONG_LENT in blob) and message.lent:
            self.body = self._without("lent", "origin")
        else:
            signed = signature(self.origin)
            self.body = body = blob.removesuffix(signed)
            # The end of a value may look the same, where the origin stands before it.
            if body is not blob and blob.find(signed[3:]) != len(body) + 3:
                self.body = body if _ends_field(blob, len(body)) else blob

    @property
    def has_down(self) -> bool:
        """Whether anything in it goes down."""
        return (_DOWN in self.body or _LONG_DOWN in self.body) and bool(self._message.down)

    def history(self) -> tuple[tuple[WireBlock, ...], tuple[int, str] | None]:
        """Return the blocks and the marker. Raises WireError."""
        message = self._message
        blocks = tuple([_read_block(block) for block in message.blocks])
        return blocks, min(map(_read_marker, message.over), default=None)

    def down(self) -> tuple[WireEntry, ...]:
        """Return what goes down. Raises WireError."""
        return tuple([_read_entry(entry) for entry in self._message.down])

    def home(self) -> tuple[WireEntry, ...]:
        """Return what goes home. Raises WireError."""
        return tuple([_read_entry(entry) for entry in self._message.home])

    def lent(self) -> tuple[WireLoan, ...]:
        """Return the ids that are lent with it."""
        return tuple([WireLoan(loan.root, loan.id) for loan in self._message.lent])

    def alone(self) -> bytes:
        """Return the message without what goes down or home or is lent, and without its origin."""
        return self._without("down", "home", "origin", "lent")

    def later(self) -> bytes:
        """Return the fields that only a later version of the schema knows."""
        return self._without(*self._message.DESCRIPTOR.fields_by_name)

    def _without(self, *fields: str) -> bytes:
        rest = type(self._message)()
        rest.CopyFrom(self._message)
        for field in fields:
            rest.ClearField(field)
        bare: bytes = rest.SerializeToString()
        return bare


@lru_cache(maxsize=1024)
def signature(origin: str) -> bytes:
    """Return how a message names its origin, at its end; nothing for none."""
    return bytes([_ORIGIN]) + prefixed(origin.encode()) if origin else b""


def _ends_field(blob: bytes, place: int) -> bool:
    """Say whether a field of a message ends at a place; False if that is hard to tell."""
    at = 0
    try:
        while at < place:
            tag, at = number(blob, at)
            form = tag & 7
            if form == _LENGTH:
                size, at = number(blob, at)
                at += size
            elif form == 0:
                at = number(blob, at)[1]
            else:
                at += _FIXED[form]
    except (IndexError, KeyError):
        return False
    return at == place


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
