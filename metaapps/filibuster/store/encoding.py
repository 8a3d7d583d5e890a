"""Plans and executions to and from what the store's columns hold.

Observations are encoded as they travel, by `wire`; the rest is JSON. What was stored comes back
equal. Only what this package wrote is read: anything else is a StoreError.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from hashlib import blake2b
from typing import Any, Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.deaths import Case
from metaapps.filibuster.index import DIGEST_SIZE
from metaapps.filibuster.observation import Death, Execution, Failure, Observation
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.store.database import StoreError
from metaapps.filibuster.wire import decode_observation, encode_observation

_FAULT: Final = tuple(field.name for field in fields(Fault))
_PLANNED: Final = tuple(field.name for field in fields(PlannedFault))


def plan_key(plan: Plan) -> bytes:
    """Return a digest that two plans share if they are the same, whatever their order."""
    told = sorted(json.dumps([p.index.hex(), fault_content(p.fault)]) for p in plan.faults)
    return blake2b("\n".join(told).encode(), digest_size=16).digest()


def fault_content(fault: Fault) -> dict[str, Any]:
    """Return a fault for JSON, without what it leaves open."""
    content = {name: getattr(fault, name) for name in _FAULT}
    content["kind"] = fault.kind.value
    if fault.body is not None:
        content["body"] = fault.body.hex()
    return {
        name: value for name, value in content.items() if value is not None and value is not False
    }


def encode_plan(plan: Plan) -> str:
    """Return a plan as JSON, with its labels."""
    return json.dumps([_content(planned) for planned in plan.faults])


def decode_plan(text: str) -> Plan:
    """Return a plan that `encode_plan` wrote."""
    with reading("plan"):
        told = json.loads(text)
        if not isinstance(told, list):
            raise ValueError("no list of faults")
        return Plan(tuple(map(_planned, told)))


def _content(planned: PlannedFault) -> dict[str, Any]:
    content = {name: getattr(planned, name) for name in _PLANNED}
    return {**content, "index": planned.index.hex(), "fault": fault_content(planned.fault)}


def _planned(content: Mapping[str, Any]) -> PlannedFault:
    index = bytes.fromhex(content["index"])
    if len(index) != DIGEST_SIZE:
        raise ValueError("an execution index is broken")
    told = (str(content["target"]), str(content["label"]), bool(content["optional"]))
    return PlannedFault(index, _fault(content["fault"]), *told)


def _fault(content: Mapping[str, Any]) -> Fault:
    return Fault(**{name: _READ[name](value) for name, value in content.items()})


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "kind": FaultKind,
    "status": int,
    "name": str,
    "body": bytes.fromhex,
    "seconds": float,
    "edit": str,
    "late": bool,
}


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what goes wrong where something that isn't ours is read into one line."""
    try:
        yield
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        zlib.error,
    ) as error:
        raise StoreError(f"a stored {what} can't be read ({error}): run afresh") from error


def encode_rest(execution: Execution) -> bytes:
    """Return what an execution is besides its plan and its observations."""
    failure = execution.failure
    content = {
        "failure": None if failure is None else [failure.summary, failure.details],
        "seconds": execution.seconds,
        "lost": execution.lost,
        "deaths": _told(execution.deaths),
        "unfinished": [encode_observation(seen).hex() for seen in execution.unfinished],
    }
    return zlib.compress(json.dumps(content).encode(), 1)


def encode_observations(observations: Iterable[Observation]) -> bytes:
    """Return observations, compressed: those of one execution are much alike."""
    blobs = (encode_observation(seen) for seen in observations)
    framed = b"".join(len(blob).to_bytes(4, "big") + blob for blob in blobs)
    return zlib.compress(framed, 1)


def decode_execution(plan: Plan, rest: bytes, observations: bytes) -> Execution:
    """Return a stored execution of a plan."""
    with reading("execution"):
        content = json.loads(zlib.decompress(rest))
        seen = tuple(_observations(zlib.decompress(observations)))
        unfinished = tuple(_observation(bytes.fromhex(one)) for one in content["unfinished"])
        told = content["failure"]
        failure = None if told is None else Failure(*map(str, told))
        seconds, lost = float(content["seconds"]), int(content["lost"])
        deaths = _deaths(content.get("deaths", ()))
        return Execution(plan, seen, failure, seconds, unfinished, lost, deaths)


def encode_case(case: Case) -> str:
    """Return a case as JSON; equal ones alike."""
    content = {
        "deaths": _told(case.deaths),
        "plans": [encode_plan(plan) for plan in case.plans],
        "words": case.words,
        "suspects": [encode_plan(plan) for plan in case.suspects],
    }
    return json.dumps(content)


def decode_case(text: str) -> Case:
    """Return a case that `encode_case` wrote."""
    with reading("death"):
        content = json.loads(text)
        plans, suspects = (tuple(map(decode_plan, content[name])) for name in ("plans", "suspects"))
        return Case(_deaths(content["deaths"]), plans, str(content["words"]), suspects)


def _told(deaths: Iterable[Death]) -> list[list[str]]:
    return [[death.service, death.how] for death in deaths]


def _deaths(told: Iterable[Iterable[object]]) -> tuple[Death, ...]:
    return tuple(Death(str(name), str(how)) for name, how in told)


def decode_event(text: str) -> Mapping[str, Any]:
    """Return the content of an event that was committed."""
    with reading("event"):
        content = dict(json.loads(text))
        missing = _TOLD[content["event"]] - content.keys()
        if missing:
            raise ValueError(f"without {min(missing)!r}")
        return content


_TOLD: Final[Mapping[str, frozenset[str]]] = {
    "ran": frozenset({"plan", "verdict", "number", "findings", "fates"}),
    "pruned": frozenset({"plan", "predicted by"}),
    "done": frozenset({"ran", "pruned", "remaining", "impossible", "stopped because"}),
}


def _observations(framed: bytes) -> Iterator[Observation]:
    at = 0
    while at < len(framed):
        size = int.from_bytes(framed[at : at + 4], "big")
        yield _observation(framed[at + 4 : at + 4 + size])
        at += 4 + size


def _observation(blob: bytes) -> Observation:
    seen = decode_observation(blob)
    if seen is None:
        raise ValueError("an observation is broken")
    return seen
