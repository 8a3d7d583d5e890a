"""What a service tells the coordinator of an execution: only what finds no way home by itself.

Nothing here is instrumented, and nothing raises: a coordinator that is gone is logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlencode

from baggage.boundary import UNKNOWN_SITE, Call
from baggage.context import suppressed
from metaapps.filibuster import index, settings
from metaapps.filibuster.lineage import ROOT, Lineage, Step
from metaapps.filibuster.orders import Orders
from metaapps.filibuster.wire import encode_report

_log = logging.getLogger("metaapps.filibuster")
_TIMEOUT: Final = 5.0


def report(orders: Orders, observations: Sequence[bytes]) -> None:
    """Post observations, before whoever waits for them may believe that there are no more."""
    _ask(orders, "POST", "/observations", encode_report(orders.execution, observations))


def arrive(orders: Orders, call: Call) -> Step | None:
    """Announce a call that came straight from the functional test; return its place there.

    Two such calls look the same to a service; only the coordinator can count them.
    """
    operation = index.stable_operation(call.operation)
    asked = json.dumps({"execution": orders.execution, "operation": operation}).encode()
    place = _ask(orders, "POST", "/arrivals", asked)
    if not isinstance(place, dict):
        return None
    position, occurrence = int(place.get("position", 0)), int(place.get("occurrence", 1))
    frame = index.call_frame("", UNKNOWN_SITE, operation, occurrence, by_test=True)
    name = index.child(ROOT.index, frame)
    clock = {ROOT.process: position + 1}
    return Step(name, ROOT.index, position, occurrence, clock, {}, Lineage(name, clock=clock))


def was_injected(orders: Orders, service: str, *, recorded: bool) -> bool:
    """Ask whether a fault was hit in an execution, on calls to a service ("" for any).

    `recorded` says that the asker records the question itself; else the coordinator does.
    """
    query = {"execution": orders.execution, "service": service, "recorded": int(recorded)}
    answer = _ask(orders, "GET", f"/fault-injected?{urlencode(query)}")
    return isinstance(answer, dict) and answer.get("result") is True


def _ask(orders: Orders, method: str, path: str, body: bytes | None = None) -> Any:
    if not orders.coordinator or settings.communication_disabled():
        return None
    with suppressed():
        connection = HTTPConnection(orders.coordinator, timeout=_TIMEOUT)
        try:
            headers = {"Authorization": f"Bearer {orders.token}"}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            return json.loads(answer) if response.status == 200 and answer else None
        except (OSError, HTTPException, ValueError) as error:
            extra = {"coordinator": orders.coordinator, "reason": str(error)}
            _log.warning("coordinator not reached", extra=extra)
            return None
        finally:
            connection.close()
