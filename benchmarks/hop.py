"""What a service does for baggage that passes through it, without any library around it.

A hop reads the header, makes what it says current, packs one value, writes the header of a request,
and goes back. Ours carries what came as it came; OpenTelemetry's knows no split, no join, and no
bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measure import Pair, Run

_SIZES = (1, 8, 64)


def _repeat(hop: Callable[[], object]) -> Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            hop()

    return run


class _Headers:
    """Headers of a message, as a library would carry them."""

    __slots__ = ("header",)

    def __init__(self, header: str | None = None) -> None:
        self.header = header

    def get(self, name: str) -> str | None:
        return self.header

    def set(self, name: str, value: str) -> None:
        self.header = value


def ours(entries: int, *, packs: bool = True, reads: bool = False) -> Run:
    from baggage.boundary.transport import read, write
    from baggage.context import Branch, enter, leave
    from baggage.values import EMPTY

    carried = EMPTY
    for number in range(entries):
        carried = carried.pack(f"key{number:03}", f"value-{number}")
    came = _Headers()
    write(came, carried.departing(), origin="caller", budget=7680)

    def hop() -> None:
        running = Branch(read(came), "here")
        token = enter(running)
        if reads:
            running.unpack("key000")
        if packs:
            running.pack("tenant", "acme")
        write(_Headers(), running.baggage.departing(), origin="here", budget=7680)
        leave(token)

    return _repeat(hop)


def opentelemetry(entries: int) -> Run:
    from opentelemetry import baggage, context
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    propagator = W3CBaggagePropagator()
    carried = context.Context()
    for number in range(entries):
        carried = baggage.set_baggage(f"key{number:03}", f"value-{number}", carried)
    came: dict[str, str] = {}
    propagator.inject(came, carried)

    def hop() -> None:
        token = context.attach(propagator.extract(came))
        packed = context.attach(baggage.set_baggage("tenant", "acme"))
        propagator.inject({})
        context.detach(packed)
        context.detach(token)

    return _repeat(hop)


def _pair(entries: int) -> Pair:
    variants: dict[str, Callable[[], Run]] = {
        "nothing": lambda: _repeat(lambda: None),
        "untouched": lambda: ours(entries, packs=False),
        "one value packed": lambda: ours(entries),
        "one value packed, one read": lambda: ours(entries, reads=True),
        "OpenTelemetry, one value set": lambda: opentelemetry(entries),
    }
    return Pair(f"hop-of-{entries}", variants, 2000 if entries < 64 else 500)


PAIRS = tuple(_pair(entries) for entries in _SIZES)
