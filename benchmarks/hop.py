"""What a service does for baggage that passes through it, without any library around it.

A hop reads the header, makes what it says current, packs one value, writes the header of a request,
and goes back. Ours carries what came as it came; OpenTelemetry's knows no split, no join, and no
bytes. Both take a dictionary of headers, and fill one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measure import Pair, Run

SIZES = (1, 8, 64)
BUDGET = 7680


class Headers(dict[str, str]):
    """Headers of a message, as a library carries them."""

    __slots__ = ()

    set = dict.__setitem__


def keys(entries: int) -> list[str]:
    """Return the names of what is carried; `value` says what is there."""
    return [f"key{number:03}" for number in range(entries)]


def value(key: str) -> str:
    return f"value-{int(key[3:])}"


def carried(entries: int) -> Any:
    """Return baggage with so many entries, by the one service that packed them."""
    from baggage.values import EMPTY

    packed = EMPTY
    for key in keys(entries):
        packed = packed.pack(key, value(key))
    return packed


def sent(entries: int) -> Headers:
    """Return the headers in which they come."""
    from baggage.boundary.transport import write

    headers = Headers()
    write(headers, carried(entries).departing(), origin="caller", budget=BUDGET)
    return headers


def peers_context(entries: int) -> Any:
    """Return the same as a context of OpenTelemetry's."""
    from opentelemetry import baggage, context

    packed = context.Context()
    for key in keys(entries):
        packed = baggage.set_baggage(key, value(key), packed)
    return packed


def sent_by_peer(entries: int) -> dict[str, str]:
    """Return the headers in which OpenTelemetry sends them."""
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    headers: dict[str, str] = {}
    W3CBaggagePropagator().inject(headers, peers_context(entries))
    return headers


def ours(entries: int, *, packs: bool = True, reads: bool = False) -> Run:
    from baggage.boundary.transport import read, write
    from baggage.context import Branch, enter, leave

    came = sent(entries)

    def hop() -> None:
        running = Branch(read(came), "here")
        token = enter(running)
        if reads:
            running.unpack("key000")
        if packs:
            running.pack("tenant", "acme")
        write(Headers(), running.baggage.departing(), origin="here", budget=BUDGET)
        leave(token)

    return _repeat(hop)


def opentelemetry(entries: int, *, packs: bool = True, reads: bool = False) -> Run:
    from opentelemetry import baggage, context
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    propagator = W3CBaggagePropagator()
    came = sent_by_peer(entries)

    def hop() -> None:
        token = context.attach(propagator.extract(came))
        if reads:
            baggage.get_baggage("key000")
        if packs:
            packed = context.attach(baggage.set_baggage("tenant", "acme"))
            propagator.inject({})
            context.detach(packed)
        else:
            propagator.inject({})
        context.detach(token)

    return _repeat(hop)


def _repeat(hop: Callable[[], object]) -> Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            hop()

    return run


def _pair(entries: int) -> Pair:
    variants: dict[str, Callable[[], Run]] = {
        "nothing": lambda: _repeat(lambda: None),
        "untouched": lambda: ours(entries, packs=False),
        "one value packed": lambda: ours(entries),
        "one value packed, one read": lambda: ours(entries, reads=True),
        "OpenTelemetry, one value set": lambda: opentelemetry(entries),
    }
    return Pair(f"hop-of-{entries}", variants, 2000 if entries < 64 else 500)


PAIRS = tuple(_pair(entries) for entries in SIZES)
