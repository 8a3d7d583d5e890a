"""Counterexamples: what a failing execution leaves behind, and what `replay` reads.

JSON, for people and for version control: the faults, each with its call in words, and the failure.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.index import DIGEST_SIZE
from metaapps.filibuster.observation import Execution, Observation
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.status import grpc_code
from metaapps.filibuster.tree import describe_within

FORMAT: Final = "filibuster counterexample"
VERSION: Final = 1
_LONGEST_NAME: Final = 80


class CounterexampleError(ValueError):
    """A counterexample file that can't be used: one line with the place, and what to do."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A plan under which a functional test failed; `summary` says how, `calls` name its calls."""

    plan: Plan
    functional_test: str
    summary: str
    calls: tuple[str, ...]


def file_name(plan: Plan) -> str:
    """Return a name for people that no other plan's file has."""
    parts = ((planned.target, _told(planned)) for planned in plan.faults)
    told = "+".join("-".join(filter(None, each)) for each in parts)  # a message has no target
    digest = blake2b(digest_size=4)
    for planned in sorted(plan.faults, key=lambda planned: planned.index):
        fault = planned.fault
        digest.update(planned.index)
        digest.update(repr((fault.kind.value, *_told_of(fault))).encode())
    return f"{re.sub('[^A-Za-z0-9.+_]+', '-', told)[:_LONGEST_NAME]}-{digest.hexdigest()}.json"


def _told_of(fault: Fault) -> tuple[object, ...]:
    """Return what tells a fault from others of its kind, without what few have."""
    plain = (fault.status, fault.name, fault.body)
    rare = (fault.seconds, fault.edit, fault.late)
    return plain if rare == (None, None, False) else (*plain, *rare)


def _told(planned: PlannedFault) -> str:
    """Return a planned fault as its label says it: by the name of a code, say."""
    return planned.label.rpartition(": ")[2] or str(planned.fault)


def save(path: Path, execution: Execution, functional_test: str) -> None:
    """Write a failing execution, at once: whoever reads the file sees all of it or none."""
    calls = {seen.index: seen for seen in execution.observations if seen.injected is not None}
    failure = execution.failure
    content = {
        "format": FORMAT,
        "version": VERSION,
        "functional_test": functional_test,
        "faults": [_fault(p, calls.get(p.index), execution) for p in execution.plan.faults],
        "failure": {
            "summary": failure.summary if failure is not None else "",
            "details": failure.details if failure is not None else "",
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    draft.replace(path)


def load(path: Path) -> Counterexample:
    """Read a counterexample; CounterexampleError for a file that is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CounterexampleError(
            f"{path}: {error.strerror}: name a counterexample file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise CounterexampleError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CounterexampleError(f"{path}: not a counterexample of filibuster")
    if content.get("version") != VERSION:
        raise CounterexampleError(f"{path}: version {content.get('version')!r} is not known here")
    try:
        told = content["faults"]
        faults = tuple(_planned(entry) for entry in told)
        summary = str(content.get("failure", {}).get("summary", ""))
        calls = tuple(str(entry.get("call", "")) for entry in told)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CounterexampleError(f"{path}: a fault is not readable: {error!r}") from error
    if not faults:
        raise CounterexampleError(f"{path}: names no fault: there is nothing to replay")
    return Counterexample(Plan(faults), str(content.get("functional_test", "")), summary, calls)


def _fault(
    planned: PlannedFault, call: Observation | None, execution: Execution
) -> Mapping[str, object]:
    fault = planned.fault
    told: dict[str, object] = {
        "execution_index": planned.index.hex(),
        "kind": fault.kind.value,
        "status": fault.status,
        "name": fault.name,
        "body": None if fault.body is None else b64encode(fault.body).decode(),
        "seconds": fault.seconds,
        "edit": fault.edit,
        "late": fault.late or None,
        "optional": planned.optional or None,
        "target": planned.target,
        "label": planned.label,
    }
    if call is not None:
        told |= {
            "call": describe_within(call, execution.observations),
            "method": f"{call.library}.{call.method}",
            "arguments": call.arguments,
            "site": str(call.site),
            "exception": call.raised,
            "code": grpc_code(call.library, call.status),
            "timeout": call.timeout,
        }
    return {name: value for name, value in told.items() if value is not None}


def _planned(entry: Mapping[str, Any]) -> PlannedFault:
    index = bytes.fromhex(entry["execution_index"])
    if len(index) != DIGEST_SIZE:
        raise ValueError(f"{entry['execution_index']!r} is no execution index")
    status, name, body = entry.get("status"), entry.get("name"), entry.get("body")
    seconds, edit = entry.get("seconds"), entry.get("edit")
    fault = Fault(
        FaultKind(entry["kind"]),
        None if status is None else int(status),
        None if name is None else str(name),
        None if body is None else b64decode(body, validate=True),
        None if seconds is None else float(seconds),
        None if edit is None else str(edit),
        bool(entry.get("late")),
    )
    told = (str(entry.get("target", "")), str(entry.get("label", "")), bool(entry.get("optional")))
    return PlannedFault(index, fault, *told)
