"""What fault injection adds to a call, both of its sides in one process: see `crossings`.

The first variant carries a value, and nobody asks about it; the others are what a service costs
that could be failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.crossings import requests_to_flask
from benchmarks.measure import Pair, Run

LIBRARIES = ("requests", "flask")
_KEY = b"key"
_AT_ONCE = 5
"""So many calls are made by one request."""


def propagating() -> Run:
    import baggage

    run = _instrumented()
    baggage.pack("tenant", "acme")
    return run


def registered() -> Run:
    import baggage

    run = _instrumented(_app())
    baggage.pack("tenant", "acme")
    return run


def ordered(faults: int) -> Callable[[], Run]:
    """Return a variant where each call is made under a plan of so many faults, none for itself."""

    def start() -> Run:
        from baggage.context import Branch, attached
        from baggage.values import EMPTY

        run, carried = _instrumented(_app()), EMPTY.pack("tenant", "acme").with_down(_down(faults))

        def runs(calls: int) -> None:
            for _ in range(calls // _AT_ONCE):
                with attached(Branch(carried, "foo")):
                    run(_AT_ONCE)

        return runs

    return start


def _app() -> Any:
    from metaapps.filibuster.app import Filibuster

    return Filibuster((_KEY,))


def _instrumented(*apps: Any) -> Run:
    from baggage.runtime import Runtime, Settings

    runtime = Runtime(Settings(metaapps=frozenset()))
    for app in apps:
        runtime.register(app)
    runtime.instrument(*LIBRARIES)
    return requests_to_flask()


def _down(faults: int) -> Any:
    from baggage.boundary import Fault, FaultKind
    from metaapps.filibuster.index import ROOT
    from metaapps.filibuster.lineage import Lineage
    from metaapps.filibuster.orders import LINEAGE, ORDERS, Orders
    from metaapps.filibuster.plan import Plan, PlannedFault
    from metaapps.filibuster.wire import encode_lineage, encode_orders

    planned = [
        PlannedFault(
            number.to_bytes(16, "little"),
            Fault(FaultKind.STATUS, status=500 + number % 4),
            f"service-{number % 10}",
        )
        for number in range(faults)
    ]
    orders = Orders("an execution", Plan(tuple(planned)), 2**40, "127.0.0.1:50000")
    lineage = Lineage(ROOT, "foo", {"test": 1, "foo": 1}, {"test": 1})
    return {ORDERS: encode_orders(orders, _KEY), LINEAGE: encode_lineage(lineage)}


PAIRS = (
    Pair(
        "orders",
        {
            "a value carried, nobody asks": propagating,
            "filibuster, without orders": registered,
            "filibuster, a plan without faults": ordered(0),
            "filibuster, a plan of 100 faults": ordered(100),
        },
        40,
    ),
)
