"""Orders, lineages and observations to and from bytes.

The only module here that uses protobuf. Bytes come from strangers: what is no message, or says
what can't be, is None, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isnan
from operator import attrgetter
from typing import Any, Final

from google.protobuf.message import DecodeError

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster import filibuster_pb2 as pb
from metaapps.filibuster.index import DIGEST_SIZE, PREFIX_SIZE
from metaapps.filibuster.lineage import Lineage
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import Orders, sign, signer
from metaapps.filibuster.plan import Plan, PlannedFault

MAX_REPORT: Final = 1 << 20
_MAX_ORDERS: Final = 8192
_LAST_TICK: Final = (1 << 32) - 1


def encode_orders(orders: Orders, key: bytes) -> bytes:
    """Return orders as bytes, signed with a key.

    Raises ValueError for a plan with two calls that a service could not tell apart.
    """
    faults = orders.plan.faults
    if len({planned.index[:PREFIX_SIZE] for planned in faults}) != len(faults):
        raise ValueError("two planned calls have indices that begin alike")
    kinds = list(dict.fromkeys(planned.fault for planned in faults))
    targets = list(dict.fromkeys(planned.target for planned in faults))
    message = pb.Orders(
        calls=b"".join(planned.index[:PREFIX_SIZE] for planned in faults),
        fault_of=[kinds.index(planned.fault) for planned in faults],
        target_of=[targets.index(planned.target) for planned in faults],
        faults=[_from_fault(fault) for fault in kinds],
        targets=targets,
        **{name: getattr(orders, name) for name in _ORDERED},
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
        key = b"" if keys is None else signer(signed.orders, signed.signature, keys)
        if key is None:
            return None
        message = pb.Orders.FromString(signed.orders)
        plan = _plan(message)
    except (DecodeError, ValueError):
        return None
    plain = {name: getattr(message, name) for name in _ORDERED}
    return Orders(plan=plan, key=key, **plain)


_ORDERED: Final = ("execution", "expires", "coordinator", "by_payload", "real_latency")


def _plan(message: Any) -> Plan:
    """Return the plan in a message of orders; ValueError if it can't be one."""
    calls = message.calls
    begins = range(0, len(calls), PREFIX_SIZE)
    faults, targets = [_to_fault(fault) for fault in message.faults], message.targets
    try:
        planned = [
            PlannedFault(calls[begin : begin + PREFIX_SIZE], faults[fault], targets[target])
            for begin, fault, target in zip(
                begins, message.fault_of, message.target_of, strict=True
            )
        ]
    except IndexError as error:
        raise ValueError("a fault or a service that isn't there") from error
    return Plan(tuple(planned))


def encode_lineage(lineage: Lineage) -> bytes:
    """Return a lineage as bytes."""
    processes, clock, origin = _flat(lineage.clock, lineage.origin)
    message = pb.Lineage(
        index=lineage.index,
        process=lineage.process,
        processes=processes,
        clock=clock,
        origin=origin,
    )
    blob: bytes = message.SerializeToString()
    return blob


def decode_lineage(blob: bytes) -> Lineage | None:
    """Return the lineage in `blob`, None if there is none."""
    try:
        message = pb.Lineage.FromString(blob)
    except (DecodeError, ValueError):
        return None
    # No clock comes so far by itself, and this one could not tick any more.
    if len(message.index) != DIGEST_SIZE or max(message.clock, default=0) >= _LAST_TICK:
        return None
    clock, origin = _clocks(message)
    return Lineage(message.index, message.process, clock, origin)


def _flat(
    clock: Mapping[str, int], origin: Mapping[str, int]
) -> tuple[Sequence[str], list[int], list[int]]:
    """Return the processes that two clocks know, and what each of the clocks says of them."""
    if not origin:
        return list(clock), list(clock.values()), []
    if not clock.keys() >= origin.keys():
        clock = {**dict.fromkeys(origin, 0), **clock}
    return list(clock), list(clock.values()), [origin.get(process, 0) for process in clock]


def _clocks(message: Any) -> tuple[Mapping[str, int], Mapping[str, int]]:
    processes = message.processes
    clock = {p: n for p, n in zip(processes, message.clock, strict=False) if n}
    return clock, {p: n for p, n in zip(processes, message.origin, strict=False) if n}


def encode_observation(seen: Observation) -> bytes:
    """Return an observation as bytes."""
    # Field by field: it is done at every call, and takes half the time that a constructor does.
    message: Any = pb.Observation()
    site = seen.site
    message.role = seen.role.value
    message.index, message.parent, message.position = seen.index, seen.parent, seen.position
    message.source, message.target, message.library = seen.source, seen.target, seen.library
    message.method, message.operation = seen.method, seen.operation
    message.arguments, message.occurrence, message.ok = seen.arguments, seen.occurrence, seen.ok
    message.module, message.function, message.line = site.module, site.function, site.line
    for name, value in zip(_RARE, _rare(seen), strict=True):
        if value is not None and value is not False:
            setattr(message, name, value)
    if seen.clock or seen.origin:
        processes, clock, origin = _flat(seen.clock, seen.origin)
        message.processes.extend(processes)
        message.clock.extend(clock)
        message.origin.extend(origin)
    if seen.injected is not None:
        message.injected.CopyFrom(_from_fault(seen.injected))
    blob: bytes = message.SerializeToString()
    return blob


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
    "by_payload",
    "ambiguous",
)
_RARE: Final = (
    "payload",
    "timeout",
    "raised",
    "status",
    "digest",
    "delayed",
    "by_test",
    "by_payload",
    "ambiguous",
)
_rare: Final = attrgetter(*_RARE)
_FAULT: Final = ("status", "name", "body", "seconds", "edit", "late")
_OPTIONAL: Final = frozenset({"payload", "timeout", "raised", "status", "digest", *_FAULT[:-1]})


def decode_observation(blob: bytes) -> Observation | None:
    """Return the observation in `blob`, None if there is none."""
    try:
        message = pb.Observation.FromString(blob)
        if len(message.index) != DIGEST_SIZE or len(message.parent) != DIGEST_SIZE:
            return None
        # What doesn't equal itself could not be told from others.
        if isnan(message.timeout) or isnan(message.delayed):
            return None
        plain = {name: _value(message, name) for name in _PLAIN}
        clock, origin = _clocks(message)
        return Observation(
            role=Role(message.role),
            site=CallSite(message.module, message.function, message.line),
            clock=clock,
            origin=origin,
            injected=_to_fault(message.injected) if message.HasField("injected") else None,
            **plain,
        )
    except (DecodeError, ValueError):
        return None


def decode_observations(blobs: Iterable[object]) -> tuple[Observation, ...]:
    """Return the observations among values that came home."""
    decoded = (decode_observation(blob) for blob in blobs if isinstance(blob, bytes))
    return tuple(seen for seen in decoded if seen is not None)


@dataclass(frozen=True, slots=True)
class Report:
    """What is posted to the coordinator, of one execution.

    `observations` are encoded. `parcels` are the names of what is in it, for those who were told
    that it would come; see `Role.PUSHED`.
    """

    execution: str
    observations: Sequence[bytes] = ()
    parcels: Sequence[bytes] = ()


def encode_report(report: Report) -> bytes:
    """Return what is posted to the coordinator."""
    message = pb.Report(
        execution=report.execution, observations=report.observations, parcels=report.parcels
    )
    return message.SerializeToString()


def decode_report(blob: bytes) -> Report | None:
    """Return a report, None for anything else; what is no observation in it is still bytes."""
    if len(blob) > MAX_REPORT:
        return None
    try:
        message = pb.Report.FromString(blob)
    except (DecodeError, ValueError):
        return None
    return Report(message.execution, tuple(message.observations), tuple(message.parcels))


def _value(message: Any, name: str) -> Any:
    if name in _OPTIONAL and not message.HasField(name):
        return None
    return getattr(message, name)


def _from_fault(fault: Fault) -> pb.Fault:
    return pb.Fault(kind=fault.kind.value, **{name: getattr(fault, name) for name in _FAULT})


def _to_fault(message: Any) -> Fault:
    if isnan(message.seconds):
        raise ValueError("no number of seconds")
    return Fault(FaultKind(message.kind), **{name: _value(message, name) for name in _FAULT})
