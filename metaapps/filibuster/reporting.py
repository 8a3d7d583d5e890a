"""What a service tells the coordinator of an execution: only what finds no way home by itself.

Here is what is asked, and answered before the asker goes on; what nobody waits for is `pushing`'s.
Nothing here is instrumented, and nothing raises: a coordinator that is gone is logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from baggage.boundary import UNKNOWN_SITE, Call
from baggage.context import suppressed
from metaapps.filibuster import index, settings
from metaapps.filibuster.lineage import ROOT, Lineage, Step
from metaapps.filibuster.orders import Orders, sign
from metaapps.filibuster.wire import Report, encode_report

_log = logging.getLogger("metaapps.filibuster")
_TIMEOUT: Final = 5.0
OBSERVATIONS: Final = "/observations"
ARRIVALS: Final = "/arrivals"
DELIVERIES: Final = "/deliveries"
QUESTIONS: Final = "/fault-injected"


def report(orders: Orders, observations: Sequence[bytes], parcel: bytes = b"") -> None:
    """Post observations, under a parcel's name if it has one, before the caller goes on."""
    parcels = (parcel,) if parcel else ()
    _ask(orders, OBSERVATIONS, encode_report(Report(orders.execution, observations, parcels)))


def arrive(orders: Orders, call: Call) -> Step | None:
    """Announce a call that came straight from the functional test; return its place there.

    Two such calls look the same to a service; only the coordinator can count them.
    """
    operation = index.stable_operation(call.operation)
    content = call.payload if orders.by_payload else None
    alike = operation if content is None else f"{operation} {content.hex()}"
    place = _ask(orders, ARRIVALS, _json(execution=orders.execution, operation=alike))
    if not isinstance(place, dict):
        return None
    position, occurrence = int(place.get("position", 0)), int(place.get("occurrence", 1))
    frame = index.call_frame("", UNKNOWN_SITE, operation, occurrence, by_test=True, payload=content)
    name = index.child(ROOT.index, frame)
    clock = {ROOT.process: position + 1}
    return Step(name, ROOT.index, position, frame, clock, {}, Lineage(name, clock=clock))


def delivery(orders: Orders, message: bytes, taker: str, least: int) -> int | None:
    """Ask which delivery of a message this is to its taker, from `least` on; None for no answer.

    Processes that take from one broker know nothing of one another.
    """
    asked = _json(execution=orders.execution, message=message.hex(), taker=taker, least=least)
    answer = _ask(orders, DELIVERIES, asked)
    return int(answer.get("number", least)) if isinstance(answer, dict) else None


def was_injected(
    orders: Orders, service: str, *, recorded: bool, parcels: Iterable[bytes] = ()
) -> bool:
    """Ask whether a fault was hit in an execution, on calls to a service ("" for any).

    `recorded` says that the asker records the question itself; else the coordinator does. `parcels`
    name what the asker knows to be under way: they are waited for.
    """
    asked = _json(
        execution=orders.execution,
        service=service,
        recorded=recorded,
        parcels=[parcel.hex() for parcel in parcels],
    )
    answer = _ask(orders, QUESTIONS, asked)
    return isinstance(answer, dict) and answer.get("result") is True


def post(connection: HTTPConnection, key: bytes, path: str, body: bytes) -> tuple[int, bytes]:
    """Post what a holder of a run's key has to say; return the status and the answer.

    Raises OSError or HTTPException where the coordinator isn't reached.
    """
    signature = sign(path.encode() + b"\n" + body, key).hex()
    connection.request("POST", path, body, {"Authorization": f"Signature {signature}"})
    response = connection.getresponse()
    return response.status, response.read()


def heard(orders: Orders) -> bool:
    """Say whether there is a coordinator to talk to.

    Not for orders that nobody is known to have signed: a stranger could name any address there.
    """
    told = bool(orders.coordinator) and bool(orders.key)
    return told and not settings.communication_disabled()


def _json(**asked: object) -> bytes:
    return json.dumps(asked).encode()


def _ask(orders: Orders, path: str, body: bytes) -> Any:
    if not heard(orders):
        return None
    with suppressed():
        connection = HTTPConnection(orders.coordinator, timeout=_TIMEOUT)
        try:
            status, answer = post(connection, orders.key, path, body)
            return json.loads(answer) if status == 200 and answer else None
        except (OSError, HTTPException, ValueError) as error:
            extra = {"coordinator": orders.coordinator, "reason": str(error)}
            _log.warning("coordinator not reached", extra=extra)
            return None
        finally:
            connection.close()
