"""Scopes that an application opens by hand, where no instrumentation sees a request arrive.

Each is an arrival, as a server's request is one, to whoever is interested in those.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from baggage.boundary import Arrival, Boundary, Kind
from baggage.context import Branch, ensure
from baggage.instrumentation._forking import ForkAdapter
from baggage.values import EMPTY, Baggage


@contextmanager
def request_scope(boundary: Boundary, name: str, carried: Baggage) -> Iterator[Branch]:
    """Run a block in a scope of its own; see `baggage.request_scope`."""
    adapter = ForkAdapter("baggage", name or "request_scope", frozenset(), kind=Kind.SERVER)
    arrival = boundary.arrive(adapter, None)
    if arrival is None:
        yield ensure()
        return
    if carried is not EMPTY:
        # Without a right to write under its ids: those stay with whoever carries it.
        arrival.branch.update(lambda _: carried.departing())
    try:
        with arrival.scope(), _passing(arrival):
            yield arrival.branch
    finally:
        arrival.close()


@contextmanager
def _passing(arrival: Arrival) -> Iterator[None]:
    """Take an arrival's steps around a block, which nothing can replace."""
    decided = arrival.begin()
    if arrival.delay:
        time.sleep(arrival.delay)
    try:
        yield
    except BaseException as error:
        arrival.end(decided or arrival.raised(error))
        raise
    arrival.end(decided or arrival.answered(None))
