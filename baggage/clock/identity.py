"""Id trees: which part of [0, 1) a branch owns, and how that part is divided and reunited.

Belongs here: values of `Id` and everything that needs no event tree. Does not: heights (`event`),
bytes (`codec`).

Source: Almeida, Baquero, Fonte, "Interval Tree Clocks: A Logical Clock for Dynamic Systems",
OPODIS 2008, section 5.

Every function returns normal trees and takes normal trees: never `(0, 0)` or `(1, 1)`, at any
level. They recurse once per level, so a caller keeps trees within `codec.MAX_DEPTH` (decoders
do; only splitting deepens an id) and has that many Python frames to spare, and 20 more. All are
pure, and safe in any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

Id: TypeAlias = "int | tuple[Id, Id]"
"""0 owns nothing, 1 the whole interval, a pair what its halves own in the left and right half."""

Point: TypeAlias = str
"""A dyadic point of [0, 1): its binary digits without trailing zeros; "" is 0.0, "01" is 0.25."""

NONE: Final[Id] = 0
SEED: Final[Id] = 1
_LEVELS: Final = 4


def split_id(identity: Id) -> tuple[Id, Id]:
    """Divide an id in two disjoint ones that sum up to it; nothing is divided into nothing.

    A part is one level deeper than the id where the id is a single interval, otherwise no deeper.
    A caller that keeps ids encodable doesn't split one that is `MAX_DEPTH` deep.
    """
    if isinstance(identity, int):
        return (NONE, NONE) if identity == NONE else ((SEED, NONE), (NONE, SEED))
    left, right = identity
    if left == NONE:
        first, second = split_id(right)
        return (NONE, first), (NONE, second)
    if right == NONE:
        first, second = split_id(left)
        return (first, NONE), (second, NONE)
    return (left, NONE), (NONE, right)


def split_id_n(identity: Id, parts: int) -> tuple[Id, ...]:
    """Divide an id in `parts` disjoint ones that sum up to it, from left to right.

    The division is balanced: it deepens an id by at most ceil(log2(parts)), where repeated
    `split_id` of what is left would deepen it by `parts - 1`. Raise `ValueError` for no parts.
    """
    if parts < 1:
        raise ValueError(f"an id is divided into at least one part, not {parts!r}")
    if parts == 1:
        return (identity,)
    first, second = split_id(identity)
    return split_id_n(first, (parts + 1) // 2) + split_id_n(second, parts // 2)


def spare_id(identity: Id) -> tuple[Id, Id]:
    """Divide an id in what is kept and a small part to be given away; they sum up to it.

    For who gives away one part after the other and can't tell how many there will be. The first
    part of the whole is a half of it. From then on an interval, once it is all that is left, is
    divided in sixteen, fifteen of which can be given away: so it deepens by 4 then, where
    `split_id` would deepen it by 15. Parts are given from right to left. Nothing is divided into
    nothing.
    """
    return _spare(identity, 0, last=True) if identity != NONE else (NONE, NONE)


def _spare(identity: Id, depth: int, *, last: bool) -> tuple[Id, Id]:
    """Divide a part of an id that is `depth` deep in it; `last` says that nothing else is owned."""
    if isinstance(identity, int):
        # Parts are as deep as one of 1, 5, 9, … : that of an interval is on the next such level.
        return _cut((1 - depth) % _LEVELS or (_LEVELS if last else 0))
    left, right = identity
    if right == NONE:
        kept, given = _spare(left, depth + 1, last=last)
        return (NONE if kept == NONE else (kept, NONE)), (given, NONE)
    kept, given = _spare(right, depth + 1, last=last and left == NONE)
    return (NONE if left == NONE and kept == NONE else (left, kept)), (NONE, given)


def _cut(times: int) -> tuple[Id, Id]:
    """Halve the whole so many times; return all but the rightmost part, and that part."""
    if not times:
        return NONE, SEED
    kept, given = _cut(times - 1)
    return (SEED, kept), (NONE, given)


def sum_id(one: Id, other: Id) -> Id:
    """Return the id that owns what either owns.

    The paper leaves overlapping ids undefined. Here they are united, because a program must go on
    after somebody's mistake; ask `overlaps` first to report it.
    """
    if one is other or other == NONE:
        return one
    if one == NONE:
        return other
    if isinstance(one, int) or isinstance(other, int):
        return SEED
    left, right = sum_id(one[0], other[0]), sum_id(one[1], other[1])
    return SEED if left == SEED and right == SEED else (left, right)


def less_id(one: Id, other: Id) -> Id:
    """Return the id that owns what `one` does and `other` doesn't."""
    if one == NONE or other == NONE:
        return one
    if isinstance(other, int) or one is other:
        return NONE
    left, right = (SEED, SEED) if isinstance(one, int) else one
    first, second = less_id(left, other[0]), less_id(right, other[1])
    return NONE if first == NONE and second == NONE else (first, second)


def overlaps(one: Id, other: Id) -> bool:
    """Tell whether some point is owned by both, which no correct use of split and join causes."""
    if one == NONE or other == NONE:
        return False
    if isinstance(one, int) or isinstance(other, int):
        return True
    return overlaps(one[0], other[0]) or overlaps(one[1], other[1])


def owns(identity: Id, point: Point) -> bool:
    """Tell whether the id owns the point: a walk down one path, without recursion."""
    for bit in point:
        if isinstance(identity, int):
            break
        identity = identity[bit == "1"]
    while not isinstance(identity, int):
        identity = identity[0]
    return identity == SEED


def id_depth(identity: Id) -> int:
    """Return how many times [0, 1) was halved to get the smallest owned interval; 0 for 0 and 1."""
    if isinstance(identity, int):
        return 0
    return 1 + max(id_depth(identity[0]), id_depth(identity[1]))


def id_mass(identity: Id) -> Fraction:
    """Return how much of [0, 1) is owned, exactly; over all live branches of a root this is 1."""
    from fractions import Fraction  # here: only an audit needs it, and it imports `decimal`

    depth = id_depth(identity)
    return Fraction(_owned_cells(identity, depth), 1 << depth)


def _owned_cells(identity: Id, depth: int) -> int:
    """Count the owned intervals among the 2**depth equal ones that [0, 1) consists of."""
    if isinstance(identity, int):
        return identity << depth
    return _owned_cells(identity[0], depth - 1) + _owned_cells(identity[1], depth - 1)
