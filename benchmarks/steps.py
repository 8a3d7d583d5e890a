"""The single steps of a hop, ours beside OpenTelemetry's: each alone, in a loop.

What they add up to is in `hop`. A step that is quick because it leaves work to a later one shows
there.
"""

from __future__ import annotations

from benchmarks import hop
from benchmarks.measure import Run


def extract(entries: int, *, reads: bool = False) -> Run:
    """Make baggage of headers; of ours nothing is read until somebody asks, as with `reads`."""
    from baggage.boundary.transport import read

    came = hop.sent(entries)

    def run(calls: int) -> None:
        for _ in range(calls):
            received = read(came)
            if reads:
                received.unpack("key000")

    return run


def peers_extract(entries: int, *, reads: bool = False) -> Run:
    from opentelemetry.baggage import get_baggage
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    came, read = hop.sent_by_peer(entries), W3CBaggagePropagator().extract

    def run(calls: int) -> None:
        for _ in range(calls):
            received = read(came)
            if reads:
                get_baggage("key000", received)

    return run


def read_all(entries: int) -> Run:
    """Make baggage of headers, and read what is under each key."""
    from baggage.boundary.transport import read

    came = hop.sent(entries)

    def run(calls: int) -> None:
        for _ in range(calls):
            received = read(came)
            names = received.keys()
            for key in names:
                received.unpack(key)

    return run


def peers_read_all(entries: int) -> Run:
    from opentelemetry.baggage import get_all
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    came, read = hop.sent_by_peer(entries), W3CBaggagePropagator().extract

    def run(calls: int) -> None:
        for _ in range(calls):
            for _ in get_all(read(came)).items():
                pass

    return run


def inject(entries: int) -> Run:
    """Write headers of what came and was not touched."""
    from baggage.boundary.transport import read, write

    received = read(hop.sent(entries))

    def run(calls: int) -> None:
        for _ in range(calls):
            write(hop.Headers(), received.departing(), origin="here", budget=hop.BUDGET)

    return run


def peers_inject(entries: int) -> Run:
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    propagator = W3CBaggagePropagator()
    received = propagator.extract(hop.sent_by_peer(entries))

    def run(calls: int) -> None:
        for _ in range(calls):
            propagator.inject({}, received)

    return run


def pack(entries: int) -> Run:
    """Pack the first value after an arrival: under a new root, because bytes carry no identity."""
    from baggage.boundary.transport import read

    received = read(hop.sent(entries))

    def run(calls: int) -> None:
        for _ in range(calls):
            received.pack("tenant", "acme")

    return run


def replace(entries: int, *, forked: bool = False) -> Run:
    """Pack a value in place of the last one, again and again, in one branch.

    `forked` is one that owns a part of a root, as a thread or task does that was started after the
    first value was packed.
    """
    from baggage.boundary.transport import read
    from baggage.values import Key, Type

    tenant = Key("tenant", Type.LAST)
    received = read(hop.sent(entries))

    def run(calls: int) -> None:
        current = received.pack(tenant, "acme")
        if forked:
            _, current = current.split()
        for _ in range(calls):
            current = current.pack(tenant, "acme")

    return run


def peers_pack(entries: int) -> Run:
    """Set a value, the first or another one: it's all the same."""
    from opentelemetry.baggage import set_baggage

    received = hop.peers_context(entries)

    def run(calls: int) -> None:
        for _ in range(calls):
            set_baggage("tenant", "acme", received)

    return run


def unpack(entries: int, *, declared: bool = False) -> Run:
    """Read one value of what was read before, by its name or by a declared key."""
    from baggage.boundary.transport import read
    from baggage.values import Key

    received = read(hop.sent(entries))
    key = Key("key000") if declared else "key000"
    received.unpack(key)

    def run(calls: int) -> None:
        for _ in range(calls):
            received.unpack(key)

    return run


def peers_unpack(entries: int) -> Run:
    from opentelemetry.baggage import get_baggage

    received = hop.peers_context(entries)

    def run(calls: int) -> None:
        for _ in range(calls):
            get_baggage("key000", received)

    return run


def unpack_current(entries: int) -> Run:
    """Read one value of what is carried here, as an application does."""
    import baggage
    from baggage.boundary.transport import read

    received = read(hop.sent(entries))

    def run(calls: int) -> None:
        with baggage.attached(received):
            for _ in range(calls):
                baggage.unpack("key000")

    return run


def peers_unpack_current(entries: int) -> Run:
    from opentelemetry import context
    from opentelemetry.baggage import get_baggage

    received = hop.peers_context(entries)

    def run(calls: int) -> None:
        token = context.attach(received)
        for _ in range(calls):
            get_baggage("key000")
        context.detach(token)

    return run
