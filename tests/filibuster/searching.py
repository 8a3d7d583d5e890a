"""What tests of searches have in common: small catalogues, and what events tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import Catalogue, Entry
from metaapps.filibuster.explore import Done, Event, Pruned, Ran
from metaapps.filibuster.plan import Plan
from tests.filibuster.synthetic import Reply, Scope, Service, Test

REQUESTS = re.compile("requests")
DOWN_FAULT = Fault(FaultKind.STATUS, status=503)
REFUSED_FAULT = Fault(FaultKind.REFUSED)
DOWN = Catalogue((Entry(REQUESTS, DOWN_FAULT),))
SHORT = Catalogue(
    (
        Entry(REQUESTS, REFUSED_FAULT),
        Entry(REQUESTS, Fault(FaultKind.TIMEOUT), "timeout"),
        Entry(REQUESTS, DOWN_FAULT),
    )
)


def ran(events: Iterable[Event]) -> Iterator[Ran]:
    return (event for event in events if isinstance(event, Ran))


def pruned(events: Iterable[Event]) -> list[Pruned]:
    return [event for event in events if isinstance(event, Pruned)]


def plans(events: Iterable[Event]) -> list[Plan]:
    return [
        event.plan if isinstance(event, Pruned) else event.execution.plan
        for event in events
        if not isinstance(event, Done)
    ]


def done(events: list[Event]) -> Done:
    last = events[-1]
    assert isinstance(last, Done)
    return last


def failures(events: Iterable[Event]) -> set[str]:
    return {e.execution.failure.summary for e in ran(events) if e.execution.failure}


def labels(plan: Plan) -> tuple[str, ...]:
    return tuple(planned.label for planned in plan.faults)


def targets(plan: Plan) -> tuple[str, ...]:
    return tuple(planned.target for planned in plan.faults)


def answering(body: bytes = b"fine") -> Service:
    def serve(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, body)

    return serve


def never_500(target: str) -> Test:
    def test(scope: Scope) -> None:
        reply = scope.call(target, f"GET /{target}", function="test")
        assert reply.status != 500, "500"

    return test
