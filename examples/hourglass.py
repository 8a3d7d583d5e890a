"""What can be built on baggage: a dozen tools, each a key or two, on one request of two branches.

A request forks: `here` goes on, `there` is a callee, a task or a message. Both write, and join.
Run it with `python -m examples.hourglass`; the table in docs/semantics.md has one row for each.
"""

from __future__ import annotations

from dataclasses import dataclass

import baggage
from baggage import Bag, Count, Key, Last, Map, Max, Min, Set, Sum, Value, attached, key

Writes = tuple[tuple[Key, Value], ...]

DEBUG = key("hourglass.debug", direction="home")
SPAN = key("hourglass.span", direction="down")
WAITED = key("hourglass.waited", type=Last)
SERVICES = key("hourglass.services", type=Set)
CLOCK = key("hourglass.clock", type=Map, of=Max)
TOTAL, CALLS = key("hourglass.total", type=Sum), key("hourglass.calls", type=Count)
SLOWEST = key("hourglass.slowest", type=Max)
SOURCES = key("hourglass.sources", type=Bag)
ROWS = key("hourglass.rows", type=Map, of=Sum)
TENANT = key("hourglass.tenant", direction="down")
BYTES = key("hourglass.bytes", type=Sum)
DEADLINE = key("hourglass.deadline", type=Min)
VERSION = key("hourglass.version", direction="down")
EPOCH = key("hourglass.epoch", type=Max)
TAINTS = key("hourglass.taints", type=Set)
SECRETS = key("hourglass.secrets", type=Set)
WRITTEN = key("hourglass.written", type=Map, of=Max)
PLAN = key("hourglass.plan", direction="down")


@dataclass(frozen=True)
class Box:
    """A box of the hourglass: what is packed before the fork, and what each branch packs then.

    `taken` is what the branch over there takes away: it is gone after the join, and no sooner.
    """

    name: str
    keys: tuple[Key, ...]
    before: Writes = ()
    here: Writes = ()
    there: Writes = ()
    taken: Writes = ()


def box(name: str, *keys: Key, **writes: Writes) -> Box:
    return Box(name, keys, **writes)


BOXES = (
    box("debugging", DEBUG, here=((DEBUG, "cache miss"),), there=((DEBUG, "slow disk"),)),
    box("tracing", SPAN, before=((SPAN, "a1"),)),
    box("dependency tracking", SERVICES, before=((SERVICES, "shop"),), there=((SERVICES, "tax"),)),
    box(
        "predecessors",
        WAITED,
        before=((WAITED, "e1"),),
        here=((WAITED, "e2"),),
        there=((WAITED, "e3"),),
    ),
    box(
        "vector clocks",
        CLOCK,
        before=((CLOCK["shop"], 1),),
        here=((CLOCK["shop"], 2),),
        there=((CLOCK["tax"], 1),),
    ),
    box(
        "anomaly detection",
        SLOWEST,
        TOTAL,
        CALLS,
        here=((SLOWEST, 3.5), (TOTAL, 3.5), (CALLS, 1)),
        there=((SLOWEST, 80.0), (TOTAL, 80.0), (CALLS, 1)),
    ),
    box("provenance", SOURCES, before=((SOURCES, "orders"),), there=((SOURCES, "rates"),)),
    box("monitoring", ROWS, here=((ROWS["shop"], 3),), there=((ROWS["shop"], 4),)),
    box(
        "accounting",
        TENANT,
        BYTES,
        before=((TENANT, "acme"),),
        here=((BYTES, 512),),
        there=((BYTES, 1024),),
    ),
    box("quality of service", DEADLINE, before=((DEADLINE, 900),), there=((DEADLINE, 250),)),
    box("consistent updates", VERSION, before=((VERSION, 7),)),
    box("consistent snapshots", EPOCH, before=((EPOCH, 4),), there=((EPOCH, 5),)),
    box("taint tracking", TAINTS, there=((TAINTS, "user input"),)),
    box(
        "information flow control",
        SECRETS,
        before=((SECRETS, "salary"), (SECRETS, "address")),
        taken=((SECRETS, "salary"),),
    ),
    box(
        "session guarantees",
        WRITTEN,
        here=((WRITTEN["cart"], 3),),
        there=((WRITTEN["cart"], 2),),
    ),
    box(
        "fault injection", PLAN, DEBUG, before=((PLAN, "fail call 2"),), there=((DEBUG, "failed"),)
    ),
)


def carried(box: Box) -> dict[str, tuple[Value, ...]]:
    """Let a request go through a box; return what is read at its end, by key."""
    with attached(baggage.Baggage()):
        pack(box.before)
        _, there = baggage.split()
        with attached(there):
            pack(box.there)
            for where, value in box.taken:
                baggage.remove(where, value)
        pack(box.here)
        baggage.join(there)
        return {each.name: read(each) for each in box.keys}


def pack(writes: Writes) -> None:
    for where, value in writes:
        baggage.pack(where, value)


def read(key: Key) -> tuple[Value, ...]:
    """Return what is under a key; of predecessors all that are concurrent, of a map its fields."""
    if key.type is Last:
        return baggage.current().siblings(key)
    if key.type is Map:
        return tuple(f"{field}={values[0]!r}" for field, values in baggage.fields(key).items())
    return baggage.unpack(key)


def main() -> None:
    """Print what each box carries."""
    for box in BOXES:
        found = (f"{name[len('hourglass.') :]} {values}" for name, values in carried(box).items())
        print(f"{box.name:25}", *found)


if __name__ == "__main__":
    main()
