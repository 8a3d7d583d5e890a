"""What a functional test may ask while it runs under faults.

Run by itself, without filibuster, a test gets False from all of these.
"""

from __future__ import annotations

from baggage.boundary import read_header
from baggage.context import branch
from metaapps.filibuster import reporting, settings
from metaapps.filibuster.coordinator import asking
from metaapps.filibuster.flows import progress_of
from metaapps.filibuster.observation import Role
from metaapps.filibuster.orders import ORDERS, SEEN, Orders
from metaapps.filibuster.wire import decode_observations, decode_orders, encode_observation


def was_fault_injected() -> bool:
    """Say whether a fault was hit in this execution so far."""
    return _was_injected("")


def was_fault_injected_on(service: str) -> bool:
    """Say whether a fault was hit so far on a call to a service, sent or not."""
    return _was_injected(service)


def _was_injected(service: str) -> bool:
    running = branch()
    orders = None if running is None else _read(running.unpack(ORDERS))
    if running is None or orders is None:
        return _from_outside(service)
    progress = progress_of(running)
    seen = decode_observations(running.unpack(SEEN))
    answer = any(s.injected is not None and service in ("", s.target) for s in seen)
    if not answer and orders.plan.faults:
        # What found no room in the responses went to the coordinator.
        parcels = [one.index for one in seen if one.role is Role.PUSHED]
        answer = reporting.was_injected(orders, service, recorded=True, parcels=parcels)
    if progress is not None:
        asked = asking(progress.lineage.index, progress.position(), service, answer)
        running.pack(SEEN, encode_observation(asked))
    return answer


def _from_outside(service: str) -> bool:
    """Ask the coordinator, from a test that is a command of its own."""
    header = settings.inherited_baggage()
    orders = _read(read_header(header).unpack(ORDERS)) if header else None
    return orders is not None and reporting.was_injected(orders, service, recorded=False)


def _read(values: tuple[object, ...]) -> Orders | None:
    blob, key = values[0] if values else None, settings.service_key()
    if not isinstance(blob, bytes):
        return None
    signed = None if key is None else decode_orders(blob, (key,))
    # Without the key, what came home can be read all the same.
    return signed or decode_orders(blob, None)
