"""Orders, lineages and observations to and from bytes.

The only module here that uses protobuf. Bytes come from strangers: what is no message, or says
what can't be, is None, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from google.protobuf.message import DecodeError

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster import filibuster_pb2 as pb
from metaapps.filibuster.index import DIGEST_SIZE
from metaapps.filibuster.lineage import Lineage
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import Orders, is_signed, sign
from metaapps.filibuster.plan import Plan, PlannedFault

MAX_REPORT: Final = 1 << 20
_MAX_ORDERS: Final = 8192


def encode_orders(orders: Orders, key: bytes) -> bytes:
    """Return orders as bytes, signed with a key."""
    message = pb.Orders(
        execution=orders.execution,
        expires=orders.expires,
        coordinator=orders.coordinator,
        token=orders.token,
        by_payload=orders.by_payload,
        real_latency=orders.real_latency,
        faults=[
            pb.PlannedFault(index=p.index, fault=_from_fault(p.fault), target=p.target)
            for p in orders.plan.faults
        ],
    )
    body = message.SerializeToString(deterministic=True)
    return pb.SignedOrders(orders=body, signature=sign(body, key)).SerializeToString()


@lru_cache(maxsize=256)
def decode_orders(blob: bytes, keys: tuple[bytes, ...] | None) -> Orders | None:
    """Return orders that one of the keys signed, whatever their time; None for all others.

    Without keys (None) the signature isn't looked at: that is for whoever only reads them.
    """
    if len(blob) > _MAX_ORDERS:
        return None
    try:
        signed = pb.SignedOrders.FromString(blob)
        if keys is not None and not is_signed(signed.orders, signed.signature, keys):
            return None
        message = pb.Orders.FromString(signed.orders)
        faults = tuple(PlannedFault(p.index, _to_fault(p.fault), p.target) for p in message.faults)
    except (DecodeError, ValueError):
        return None
    plain = {name: getattr(message, name) for name in _ORDERED}
    return Orders(plan=Plan(faults), **plain)


_ORDERED: Final = (
    "execution",
    "expires",
    "coordinator",
    "token",
    "by_payload",
    "real_latency",
)


def encode_lineage(lineage: Lineage) -> bytes:
    """Return a lineage as bytes."""
    message = pb.Lineage(
        index=lineage.index, process=lineage.process, clock=lineage.clock, origin=lineage.origin
    )
    return message.SerializeToString(deterministic=True)


def decode_lineage(blob: bytes) -> Lineage | None:
    """Return the lineage in `blob`, None if there is none."""
    try:
        message = pb.Lineage.FromString(blob)
    except (DecodeError, ValueError):
        return None
    if len(message.index) != DIGEST_SIZE:
        return None
    return Lineage(message.index, message.process, dict(message.clock), dict(message.origin))


def encode_observation(seen: Observation) -> bytes:
    """Return an observation as bytes."""
    message = pb.Observation(
        role=seen.role.value,
        module=seen.site.module,
        function=seen.site.function,
        line=seen.site.line,
        clock=seen.clock,
        origin=seen.origin,
        **{name: getattr(seen, name) for name in _PLAIN},
    )
    if seen.injected is not None:
        message.injected.CopyFrom(_from_fault(seen.injected))
    return message.SerializeToString(deterministic=True)


_PLAIN: Final = (
    "index",
    "parent",
    "position",
    "source",
    "target",
    "by_test",
    "library",
    "method",
    "operation",
    "arguments",
    "occurrence",
    "payload",
    "timeout",
    "raised",
    "status",
    "ok",
    "digest",
    "delayed",
)
_FAULT: Final = ("status", "name", "body", "seconds", "edit", "late")
_OPTIONAL: Final = frozenset({"payload", "timeout", "raised", "status", "digest", *_FAULT[:-1]})


def decode_observation(blob: bytes) -> Observation | None:
    """Return the observation in `blob`, None if there is none."""
    try:
        message = pb.Observation.FromString(blob)
        plain = {name: _value(message, name) for name in _PLAIN}
        return Observation(
            role=Role(message.role),
            site=CallSite(message.module, message.function, message.line),
            clock=dict(message.clock),
            origin=dict(message.origin),
            injected=_to_fault(message.injected) if message.HasField("injected") else None,
            **plain,
        )
    except (DecodeError, ValueError):
        return None


def decode_observations(blobs: Iterable[object]) -> tuple[Observation, ...]:
    """Return the observations among values that came home."""
    decoded = (decode_observation(blob) for blob in blobs if isinstance(blob, bytes))
    return tuple(seen for seen in decoded if seen is not None)


def encode_report(execution: str, observations: Sequence[bytes]) -> bytes:
    """Return what is posted to the coordinator."""
    return pb.Report(execution=execution, observations=observations).SerializeToString()


def decode_report(blob: bytes) -> tuple[str, tuple[Observation, ...]] | None:
    """Return the execution and the observations of a report, None for anything else."""
    if len(blob) > MAX_REPORT:
        return None
    try:
        message = pb.Report.FromString(blob)
    except (DecodeError, ValueError):
        return None
    return message.execution, decode_observations(message.observations)


def _value(message: Any, name: str) -> Any:
    if name in _OPTIONAL and not message.HasField(name):
        return None
    return getattr(message, name)


def _from_fault(fault: Fault) -> pb.Fault:
    return pb.Fault(kind=fault.kind.value, **{name: getattr(fault, name) for name in _FAULT})


def _to_fault(message: Any) -> Fault:
    return Fault(FaultKind(message.kind), **{name: _value(message, name) for name in _FAULT})
