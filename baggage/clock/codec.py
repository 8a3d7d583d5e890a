"""The paper's bit encoding of ids and event trees, packed into bytes, and its bounded decoders.

Belongs here: bits, their limits, and normal form. Does not: where in a message they stand
(`baggage.wire`).

Source: Almeida, Baquero, Fonte, "Interval Tree Clocks: A Logical Clock for Dynamic Systems",
OPODIS 2008, section 6. With `x:n` for n bits of x, most significant first:

    id 0, 1         0:2 0:1 | 0:2 1:1
    (0, r) (l, 0)   1:2 r   | 2:2 l
    (l, r)          3:2 l r
    leaf n          1:1 number(n, 2)
    (0, 0, r)       0:1 0:2 r
    (0, l, 0)       0:1 1:2 l
    (0, l, r)       0:1 2:2 l r
    (n, 0, r)       0:1 3:2 0:1 0:1 leaf(n) r
    (n, l, 0)       0:1 3:2 0:1 1:1 leaf(n) l
    (n, l, r)       0:1 3:2 1:1 leaf(n) l r
    number(n, b)    0:1 n:b if n < 2**b, else 1:1 number(n - 2**b, b + 1)

Heights here are relative to the node above, as in the paper. The last byte is filled with zeros.
A tree has one encoding, and decoders accept no other bytes: whatever they accept encodes to the
same bytes again.

All functions are pure and safe in any thread. They recurse once per level and no deeper than
`MAX_DEPTH`, so a caller has that many Python frames to spare, and 20 more.
"""

from __future__ import annotations

from typing import Final

from baggage.clock.errors import ClockError
from baggage.clock.event import Event, highest, lowest, node
from baggage.clock.identity import NONE, SEED, Id

MAX_DEPTH: Final = 64
"""The deepest tree that is encoded or decoded: how often [0, 1) may be halved."""

MAX_NODES: Final = 4096
"""The most nodes and leaves of a tree that is encoded or decoded."""

MAX_HEIGHT: Final = 2**63 - 1
"""The greatest absolute height that is encoded or decoded."""

# The code of the greatest height has 1:1, 61 ones, 0:1 and 63 bits; a node's, four bits more.
_MAX_BYTES: Final = (MAX_NODES * 130 + 7) // 8
_LONGEST_RUN: Final = 62


def encode_id(identity: Id) -> bytes:
    """Return the bytes of an id; raise `ClockError` if it is beyond the limits."""
    return _pack(_id_bits(identity))


def encode_event(event: Event) -> bytes:
    """Return the bytes of an event tree; raise `ClockError` if it is beyond the limits."""
    return _pack(_event_bits(event))


def stamp_bits(identity: Id, event: Event) -> int:
    """Return how many bits the paper's encoding of a stamp has, without padding.

    Raise `ClockError` if a tree is beyond the limits.
    """
    return len(_id_bits(identity)) + len(_event_bits(event))


def decode_id(encoded: bytes) -> Id:
    """Return the id that has these bytes; raise `ClockError` if there is none within the limits.

    No other error, whatever the bytes, in time linear in their number.
    """
    reader = _Reader(encoded)
    identity = _read_id(reader, 0)
    reader.finish()
    return identity


def decode_event(encoded: bytes) -> Event:
    """Return the event tree that has these bytes; raise `ClockError` as `decode_id` does."""
    reader = _Reader(encoded)
    event = _read_event(reader, 0, 0)
    reader.finish()
    return event


class _Bounded:
    """Counts the inner nodes of one tree, and refuses what is beyond the limits."""

    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner = 0

    def enter(self, depth: int) -> None:
        """Count an inner node that has `depth` nodes above it."""
        if depth >= MAX_DEPTH:
            raise ClockError(f"a tree is deeper than {MAX_DEPTH}")
        self._inner += 1
        if 2 * self._inner + 1 > MAX_NODES:
            raise ClockError(f"a tree has more than {MAX_NODES} nodes")


class _Writer(_Bounded):
    """Collects bits as strings of 0 and 1, which Python joins and packs in linear time."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def bits(self) -> str:
        return "".join(self.parts)


class _Reader(_Bounded):
    """Takes bits from the front of some bytes; every method raises `ClockError` at their end."""

    __slots__ = ("_bits", "_position")

    def __init__(self, encoded: bytes) -> None:
        super().__init__()
        if not 0 < len(encoded) <= _MAX_BYTES:
            raise ClockError(f"no tree has {len(encoded)} bytes")
        self._bits = f"{int.from_bytes(encoded, 'big'):0{8 * len(encoded)}b}"
        self._position = 0

    def take(self, width: int) -> int:
        end = self._position + width
        if end > len(self._bits):
            raise ClockError("the bytes end within a tree")
        taken = int(self._bits[self._position : end], 2)
        self._position = end
        return taken

    def height(self, base: int) -> int:
        """Take a number, which is relative to `base`."""
        start = self._position
        zero = self._bits.find("0", start, start + _LONGEST_RUN)
        if zero < 0:
            raise ClockError("a height has no end, or is too large")
        self._position = zero + 1
        width = zero - start + 2
        absolute = base + self.take(width) + (1 << width) - 4
        if absolute > MAX_HEIGHT:
            raise ClockError(f"the height {absolute} is greater than {MAX_HEIGHT}")
        return absolute

    def finish(self) -> None:
        rest = self._bits[self._position :]
        if len(rest) >= 8 or "1" in rest:
            raise ClockError("something follows the tree")


def _pack(bits: str) -> bytes:
    size = (len(bits) + 7) // 8
    return int(bits.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def _id_bits(identity: Id) -> str:
    writer = _Writer()
    _write_id(writer, identity, 0)
    return writer.bits()


def _write_id(writer: _Writer, identity: Id, depth: int) -> None:
    if isinstance(identity, int):
        writer.parts.append("001" if identity else "000")
        return
    writer.enter(depth)
    left, right = identity
    writer.parts.append("01" if left == NONE else "10" if right == NONE else "11")
    if left != NONE:
        _write_id(writer, left, depth + 1)
    if right != NONE:
        _write_id(writer, right, depth + 1)


def _read_id(reader: _Reader, depth: int) -> Id:
    form = reader.take(2)
    if form == 0:
        return reader.take(1)
    reader.enter(depth)
    left = NONE if form == 1 else _read_id(reader, depth + 1)
    right = NONE if form == 2 else _read_id(reader, depth + 1)
    as_form = (left == NONE) == (form == 1) and (right == NONE) == (form == 2)
    if not as_form or (left == SEED and right == SEED):
        raise ClockError("an id is not in normal form")
    return left, right


def _event_bits(event: Event) -> str:
    if highest(event) > MAX_HEIGHT:
        raise ClockError(f"the height {highest(event)} is greater than {MAX_HEIGHT}")
    writer = _Writer()
    _write_event(writer, event, 0, 0)
    return writer.bits()


def _write_event(writer: _Writer, event: Event, base: int, depth: int) -> None:
    if isinstance(event, int):
        writer.parts.append(_leaf(event - base))
        return
    writer.enter(depth)
    low, left, right, _ = event
    if low == base:
        writer.parts.append("000" if left == low else "001" if right == low else "010")
    else:
        form = "01100" if left == low else "01101" if right == low else "0111"
        writer.parts.append(form + _leaf(low - base))
    if left != low:
        _write_event(writer, left, low, depth + 1)
    if right != low:
        _write_event(writer, right, low, depth + 1)


def _leaf(relative: int) -> str:
    """Return the code of a leaf, in closed form.

    The numbers that take b bits are those from 2**b - 4 on, so the b bits are those of the number
    plus 4 after its leading one; and before them stand b - 1 ones, the leaf's own among them.
    """
    digits = f"{relative + 4:b}"[1:]
    return "1" * (len(digits) - 1) + "0" + digits


def _read_event(reader: _Reader, base: int, depth: int) -> Event:
    if reader.take(1):
        return reader.height(base)
    reader.enter(depth)
    form, low = reader.take(2), base
    if form == 3:
        form, low = _read_base(reader, base)
    left = low if form == 0 else _read_event(reader, low, depth + 1)
    right = low if form == 1 else _read_event(reader, low, depth + 1)
    event = node(left, right)
    as_form = (left == low) == (form == 0) and (right == low) == (form == 1)
    if not as_form or lowest(event) != low:
        raise ClockError("an event tree is not in normal form")
    return event


def _read_base(reader: _Reader, base: int) -> tuple[int, int]:
    """Take the rest of a node that has a base: the form that it would have without, its height."""
    form = 2 if reader.take(1) else reader.take(1)
    if not reader.take(1):
        raise ClockError("the base of a node is not a number")
    low = reader.height(base)
    if low == base:
        raise ClockError("an event tree is not in normal form")
    return form, low
