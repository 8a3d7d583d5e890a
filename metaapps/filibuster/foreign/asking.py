"""Flows for a service of ours that a foreign service called.

A foreign service does not hand our orders on. So here, and only here, a service asks the server for
its part, just as the original's instrumentation would: it announces each call, lets it fail as the
answer says, and tells what became of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baggage.boundary import Call, Flow, Inject, Proceed
from baggage.context import Branch
from baggage.values import Key, Value
from metaapps.filibuster.foreign import headers as foreign_headers
from metaapps.filibuster.foreign import path as paths
from metaapps.filibuster.foreign.client import ForeignClient, exception_told, outcome_told
from metaapps.filibuster.foreign.faults import Ordered, ordered
from metaapps.filibuster.foreign.headers import ForeignHeaders
from metaapps.filibuster.foreign.path import ForeignPath
from metaapps.filibuster.lineage import Lineage, Progress, Step
from metaapps.filibuster.orders import FOREIGN, LINEAGE, ORDERS
from metaapps.filibuster.wire import encode_lineage


@dataclass(frozen=True, slots=True)
class Served:
    """The foreign call that a branch serves, and the request that it belongs to.

    Where orders travel there is no such call, and `path` is empty: the lineage says it all.
    """

    request: str
    path: ForeignPath = ForeignPath()  # noqa: RUF009 - immutable

    def encoded(self) -> str:
        """Return the value of the `down` key."""
        return f"{self.request}\n{self.path}"


def served_by(running: Branch) -> Served | None:
    """Return the foreign call that a branch serves, None outside of foreign runs."""
    values = running.unpack(FOREIGN)
    if not values or not isinstance(values[0], str):
        return None
    request, _, text = values[0].rpartition("\n")
    path = paths.parse(text)
    return None if path is None else Served(request, path)


def serving(call: Call, came: ForeignHeaders, client: ForeignClient, running: Branch) -> Flow:
    """Serve a call of a foreign service: say that it came, and remember whose it is."""
    client.received(came, call.source)
    if came.sleep:
        # Not by `Proceed.delay`, which is waited for before departures alone.
        time.sleep(came.sleep)
    lineage = Lineage(came.path.digest(), call.source, came.clock, came.origin)
    down: dict[Key, Value] = {
        LINEAGE: encode_lineage(lineage),
        FOREIGN: Served(came.request, came.path).encoded(),
    }
    if running.unpack(ORDERS):
        # They were for the foreign service that handed them on, and would misname what comes now.
        down[ORDERS] = b""
    yield Proceed(down=down)
    return None


def calling(call: Call, served: Served, progress: Progress, client: ForeignClient) -> Flow:
    """Make a call while serving a foreign one: announce it, and do what the server says."""
    step = progress.call(call)
    path = served.path.pushed(step.index, step.occurrence)
    answer = client.create(call, step, path)
    if answer is None:
        yield Proceed(down=_FORGET)
        return None
    number = answer.get("generated_id")
    order = ordered(answer)
    proceed = _proceed(served, step, path, number, order)
    if order is None:
        outcome = yield proceed
    elif order.sent:
        yield proceed
        client.complete(number, step, path, _told_of(order))
        return order.fault
    else:
        outcome = yield Inject(order.fault, otherwise=proceed)
    client.complete(number, step, path, outcome_told(outcome))
    return None


# A callee of ours must not take its caller's place for its own.
_FORGET: Mapping[Key, Value] = {LINEAGE: b"", FOREIGN: ""}


def _proceed(
    served: Served, step: Step, path: ForeignPath, number: object, order: Ordered | None
) -> Proceed:
    sent = ForeignHeaders(
        path=path,
        number=str(number),
        clock=step.clock,
        origin=step.clock,
        request=served.request,
        sleep=0.0 if order is None else order.sleep,
    )
    return Proceed(down=_FORGET, headers=foreign_headers.write(sent))


def _told_of(order: Ordered) -> Mapping[str, Any]:
    metadata: dict[str, object] = {"abort": False}
    if order.sleep:
        metadata["sleep"] = order.sleep
    return exception_told(order.name, **metadata)


def told_below(step: Step, served: Served | None) -> Mapping[str, str]:
    """Return the headers of a call under orders: none outside of foreign runs.

    They name the call by our own index, so that a foreign callee's calls find their place.
    """
    if served is None:
        return {}
    sent = ForeignHeaders(
        path=paths.path_of(step.index),
        clock=step.clock,
        origin=step.clock,
        # The original keeps its clocks by request, so calls at the same time must not share one.
        request=f"{served.request}-{step.index.hex()[:12]}",
    )
    return foreign_headers.write(sent)
