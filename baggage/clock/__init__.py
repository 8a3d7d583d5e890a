"""Interval tree clocks: who owns which part of [0, 1), and what has been seen of each part."""

from baggage.clock.codec import (
    MAX_DEPTH,
    MAX_HEIGHT,
    MAX_NODES,
    decode_event,
    decode_id,
    encode_event,
    encode_id,
    stamp_bits,
)
from baggage.clock.dot import new_dot
from baggage.clock.errors import ClockError
from baggage.clock.event import (
    ZERO,
    Event,
    covered,
    event_depth,
    event_nodes,
    grow_event,
    height,
    join_event,
    leq,
)
from baggage.clock.identity import (
    NONE,
    SEED,
    Id,
    Point,
    id_depth,
    id_mass,
    overlaps,
    owns,
    split_id,
    split_id_n,
    sum_id,
)
from baggage.clock.stamp import Stamp

__all__ = [
    "MAX_DEPTH",
    "MAX_HEIGHT",
    "MAX_NODES",
    "NONE",
    "SEED",
    "ZERO",
    "ClockError",
    "Event",
    "Id",
    "Point",
    "Stamp",
    "covered",
    "decode_event",
    "decode_id",
    "encode_event",
    "encode_id",
    "event_depth",
    "event_nodes",
    "grow_event",
    "height",
    "id_depth",
    "id_mass",
    "join_event",
    "leq",
    "new_dot",
    "overlaps",
    "owns",
    "split_id",
    "split_id_n",
    "stamp_bits",
    "sum_id",
]
