"""Sizes of stamps, and of headers beside OpenTelemetry's for the same entries: without a clock."""

from __future__ import annotations

from benchmarks import clocks, hop


def stamps() -> dict[str, int]:
    """Return how many bytes a stamp of each shape takes: its id and its event tree, no root."""
    return {name: make().size for name, make in clocks.SHAPES.items()}


def header(entries: int) -> int:
    """Return the length of our header: entries of one service, its stamp, and its name."""
    return len(hop.sent(entries)["baggage"])


def peers_header(entries: int) -> int:
    return len(hop.sent_by_peer(entries)["baggage"])


def packed_on_the_way(services: int) -> int:
    """Return the length of our header after so many services, each of which packed one entry.

    Bytes carry no identity, so each of them wrote under a root of its own.
    """
    from baggage.boundary.transport import read, write

    headers = hop.Headers()
    for key in hop.keys(services):
        packed = read(headers).pack(key, hop.value(key))
        headers = hop.Headers()
        write(headers, packed.departing(), origin="service", budget=hop.BUDGET)
    return len(headers["baggage"])
