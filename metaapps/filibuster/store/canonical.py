"""What a run committed, as text that is the same wherever and with however many workers it ran.

One JSON object for each event of the search, in its order, with sorted keys, then one for each time
that services ended between executions. Calls are told by their frames. Left out is what differs
from run to run: times, ports, ids, clocks, paths of a checkout, arguments, and of a failure all but
its kind and its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from metaapps.filibuster.deaths import Late
from metaapps.filibuster.explore import Done, Event, Ran
from metaapps.filibuster.failing import kind_of
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.store.encoding import fault_content
from metaapps.filibuster.tree import Tree, build, ended

LABELS: Final = "labels"
"""What a pruned plan is called for people; it is no part of the canonical text."""
_PORT: Final = re.compile(r"(?<=[\w.\]-]):\d{2,5}$")
_URL_PORT: Final = re.compile(r"(?<=[\w.\]-]):\d{2,5}\b")
# Findings tell contents by a part of their digests; what they hold may be random.
_DIGEST: Final = re.compile(r"\b[0-9a-f]{8}\b")
_DEEPEST: Final = 1000


def event_content(event: Event) -> dict[str, Any]:
    """Return what is told of an event, but for the calls of an execution that ran."""
    if isinstance(event, Done):
        return {
            "event": "done",
            "ran": event.ran,
            "pruned": event.pruned,
            "remaining": event.remaining,
            "impossible": event.impossible,
            "stopped because": event.stopped_because.value,
        }
    told: dict[str, Any] = {"plan": _plan(event.execution), **_verdict(event.execution)}
    if isinstance(event, Ran):
        findings = sorted({(f.kind.value, f.text) for f in event.findings})
        fates = [fate.value for fate in event.fates]
        told |= {"number": event.number, "findings": findings, "fates": fates}
        return {"event": "ran", **told}
    if not event.predicted:
        told = {"plan": _unseen(event.plan)}
    told[LABELS] = [planned.label for planned in event.plan.faults]
    return {"event": "pruned", "predicted by": list(event.predicted_by), **told}


def canonical_line(content: Mapping[str, Any], execution: Execution | None) -> str:
    """Return an event as a line without its end; with the calls of its execution if it ran."""
    told = {name: value for name, value in content.items() if name != LABELS}
    if told["event"] == "ran" and execution is not None:
        tree = build(execution.observations)
        told["calls"] = list(_within(tree, ROOT))
        alike = {(kind, _told_alike(text, tree)) for kind, text in told["findings"]}
        told["findings"] = [list(finding) for finding in sorted(alike)]
    return json.dumps(told, sort_keys=True)


def late_line(late: Late) -> str:
    """Return a late death as a line without its end.

    Left out is what else ran before it: that depends on when the service ended.
    """
    ended = [{"service": death.service, "how": death.how} for death in late.case.deaths]
    told: dict[str, Any] = {"event": "late", "ended": ended}
    if (execution := late.execution) is None:
        told["verdict"] = "not again" if late.judged else "not judged"
    else:
        tree = build(execution.observations)
        told |= {"plan": _plan(execution), **_verdict(execution)}
        told["calls"] = list(_within(tree, ROOT))
    return json.dumps(told, sort_keys=True)


def _plan(execution: Execution) -> list[dict[str, Any]]:
    if not execution.plan.faults:
        return []
    events = {seen.index: seen for seen in execution.observations}
    return [_planned(planned, events) for planned in execution.plan.faults]


def _unseen(plan: Plan) -> list[dict[str, Any]]:
    """Return the faults of a plan whose calls nobody has seen."""
    return [_planned(planned, {}) for planned in plan.faults]


def _planned(planned: PlannedFault, events: Mapping[bytes, Observation]) -> dict[str, Any]:
    """Return a planned fault, with the frames from the test to its call if that was made."""
    path: list[str] = []
    at = events.get(planned.index)
    while at is not None and len(path) < _DEEPEST:
        path.insert(0, str(at.frame))
        at = events.get(at.parent)
    told: dict[str, Any] = {"fault": fault_content(planned.fault)}
    where = {"call": path} if path else {"named": _URL_PORT.sub("", planned.label)}
    return {**told, **where}


def _verdict(execution: Execution) -> dict[str, str]:
    if execution.failure is None:
        return {"verdict": "passed"}
    return {"verdict": "failed", "failure": kind_of(execution.failure.summary)}


def _within(tree: Tree, parent: bytes) -> Iterator[dict[str, Any]]:
    for event in tree.within(parent):
        told = _event(event)
        inner = list(_within(tree, event.index))
        yield {**told, "calls": inner} if inner else told


def _event(event: Observation) -> dict[str, Any]:
    if event.role is Role.ASK:
        return {"asked about": event.target, "answer": event.ok}
    told: dict[str, Any] = {event.role.value: str(event.frame)}
    if event.role is Role.CALL:
        told |= {
            "to": _PORT.sub("", event.target),
            "by": f"{event.library}.{event.method}",
            "outcome": ended(event),
            "ok": event.ok,
        }
    if event.injected is not None:
        told["injected"] = fault_content(event.injected)
    return told


def _told_alike(text: str, tree: Tree) -> str:
    """Return a finding's text without digests, and without ports of callees that have no name."""
    text = _DIGEST.sub("…", text)
    for call in tree.calls:
        if _PORT.search(call.target):
            text = text.replace(call.target, _PORT.sub("", call.target))
    return text
