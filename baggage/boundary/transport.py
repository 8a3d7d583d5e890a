"""Baggage on carriers: the `baggage` header, both ways.

What arrives comes from strangers: garbage is dropped with one log line, and the request goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from baggage.boundary.adapter import Carrier
from baggage.boundary.homing import NOTHING
from baggage.clock import ClockError
from baggage.values import (
    EMPTY,
    Baggage,
    BaggageError,
    Value,
    dropped,
    fit,
    in_full,
    receive,
)
from baggage.wire import (
    NAME,
    SAFE_HEADER,
    WireError,
    armour,
    compose,
    members,
    room_for,
    sealed,
    split_members,
    unarmour,
)

# How a header begins that has no member but ours.
_OURS: Final = compose("", ())
# Where there is nothing to say, a service's name is the only field; it alone begins so.
_SIGNED: Final = compose(armour(sealed(b"", "?")), ())[:-3]
_SHORT: Final = 128
_log = logging.getLogger("baggage.boundary")


def read(carrier: Carrier | None, *, lent: bool = False) -> Baggage:
    """Return the baggage that came with a message, with its foreign members; EMPTY without any.

    With `lent`, ids that came along are in it.
    """
    header = None if carrier is None else carrier.get(NAME)
    return read_header(header, lent=lent) if header else EMPTY


def read_header(header: str, *, lent: bool = False) -> Baggage:
    """Return the baggage in the value of a `baggage` header; garbage is dropped and logged.

    Nobody sends more than fits a safe header, so more than that isn't read. `lent` as in `receive`.
    """
    size = len(header)
    if size <= _SHORT and header.startswith(_SIGNED):
        signed = _signed(header)
        if signed is not None:
            return signed
    if size <= SAFE_HEADER and header.startswith(_OURS):
        try:
            return receive(unarmour(header[len(_OURS) :]), lent=lent)
        except (BaggageError, WireError):
            pass  # There are others beside ours, or it's garbage.
    ours, foreign, lost = members(header)
    received, refused = EMPTY, f"{lost} members that no header may have" if lost else None
    if ours is not None:
        try:
            if len(ours) > SAFE_HEADER:
                raise WireError(f"a member of {len(ours)} bytes; at most {SAFE_HEADER} are read")
            received = receive(unarmour(ours), lent=lent)
        except (BaggageError, WireError) as error:
            refused = str(error)
    if refused is not None:
        dropped(refused, size)
    return received.within(foreign) if foreign else received


def write(
    carrier: Carrier, baggage: Baggage, *, origin: str, budget: int
) -> Mapping[str, tuple[Value, ...]]:
    """Set the header, within `budget` bytes; return the `home` values that found no room.

    Foreign members that the message has already, from the application or another tool, stay; those
    that came with our baggage go along only where it has none. A carrier whose messages are bounded
    in all says by `room` how many bytes it has left for the value.
    """
    present = carrier.get(NAME)
    foreign = split_members(present)[1] if present else baggage.foreign
    room: int = getattr(carrier, "room", SAFE_HEADER)
    if not foreign:
        header = _in_full(baggage, origin)
        if header is not None:
            size = len(header)
            if size <= budget and size <= room and size <= SAFE_HEADER:
                if header:
                    carrier.set(NAME, header)
                return NOTHING
    room -= sum([len(member) + 1 for member in foreign])
    fitted = fit(baggage, room_for(foreign, min(budget, room)), origin)
    if fitted.dropped:  # `home` values are not: they go to their owners.
        dropped = list(fitted.dropped)
        _log.warning("baggage over budget", extra={"dropped": dropped, "budget": budget})
    if fitted.blob or foreign:
        carrier.set(NAME, compose(armour(fitted.blob) if fitted.blob else None, foreign))
    return fitted.home


def lend(carrier: Carrier, baggage: Baggage, *, origin: str, budget: int) -> bool:
    """Do as `write`, with the ids of `baggage`; False where not all of it fits, and nothing is set.

    Whoever has taken it may write with them.
    """
    present = carrier.get(NAME)
    foreign = split_members(present)[1] if present else baggage.foreign
    room: int = getattr(carrier, "room", SAFE_HEADER) - sum([len(each) + 1 for each in foreign])
    blob = in_full(baggage, room_for(foreign, min(budget, room)), origin, lending=True)
    if blob is None:
        return False
    carrier.set(NAME, compose(armour(blob), foreign))
    return True


def _in_full(baggage: Baggage, origin: str) -> str | None:
    """Return the header that says it all; "" where there is nothing to say, None if it can't."""
    try:
        body = baggage.body(sealed=bool(origin))
    except ClockError:  # a stamp beyond the wire's limits
        return None
    if body:
        return _OURS + armour(sealed(body, origin))
    return _signature(origin) if origin else ""


def sign(carrier: Carrier, *, origin: str, budget: int) -> None:
    """Set the header of who has nothing to say but a name: the same as to `write` no baggage."""
    header = _signature(origin)
    room = min(budget, SAFE_HEADER, getattr(carrier, "room", budget))
    if carrier.get(NAME) or len(header) > room:
        write(carrier, EMPTY, origin=origin, budget=budget)
    elif origin:
        carrier.set(NAME, header)


@lru_cache(maxsize=256)
def _signature(origin: str) -> str:
    """Return the header of who has nothing to say but a name: most responses have this one."""
    return compose(armour(sealed(b"", origin)), ())


@lru_cache(maxsize=256)
def _signed(header: str) -> Baggage | None:
    """Return the baggage in a header if there is but a name in it, None otherwise."""
    ours, foreign = split_members(header)
    try:
        received = EMPTY if ours is None or foreign else receive(unarmour(ours))
    except (BaggageError, WireError):
        return None
    return received if received.bare and received.origin else None


def write_header(baggage: Baggage, *, origin: str = "", budget: int = SAFE_HEADER) -> str:
    """Return the value of a `baggage` header, for a child process's environment or a command.

    It is "" where there is nothing to say.
    """
    fitted = fit(baggage.departing(), room_for(baggage.foreign, budget), origin)
    return compose(armour(fitted.blob) if fitted.blob else None, baggage.foreign)
