"""What an execution is called in a coverage report: by its faults, as they turned out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from metaapps.filibuster.observation import Execution, Observation
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.tree import describe, ended

START: Final = "start"
"""The context of what ran before the first execution: imports, mostly."""
NO_FAULTS: Final = "no faults"


def label(execution: Execution) -> str:
    """Return a plan for people, as in "bar → baz GET /baz: requests.exceptions.ConnectionError"."""
    if not execution.plan.faults:
        return NO_FAULTS
    calls = {seen.index: seen for seen in execution.observations if seen.injected is not None}
    return " + ".join(_fault(each, calls.get(each.index)) for each in execution.plan.faults)


def _fault(planned: PlannedFault, call: Observation | None) -> str:
    if call is None:
        return f"{planned.label or planned.target or planned.index.hex()} (not hit)"
    told = call.raised is not None or call.status is not None
    return f"{describe(call)}: {ended(call) if told else planned.fault}"


def note(path: Path, name: str, execution: Execution) -> None:
    """Add what the execution that services know by `name` was to the notes at `path`."""
    noted = {
        "execution": name,
        "plan": _digest(execution.plan),
        "label": label(execution),
        "calls": " ".join(each.index.hex()[:12] for each in execution.plan.faults),
    }
    with path.open("a", encoding="utf-8") as notes:
        notes.write(json.dumps(noted) + "\n")


def labels(path: Path) -> Mapping[str, str]:
    """Return the label of each execution that was noted at `path`.

    One plan has one label, the latest. Plans that would share a label are told apart by the
    execution indices of the calls that they fail, as far as a run shows these.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    noted = [json.loads(line) for line in lines]
    latest = {each["plan"]: each for each in noted}
    uses = Counter(each["label"] for each in latest.values())
    told = {
        plan: each["label"] if uses[each["label"]] == 1 else f"{each['label']} [{each['calls']}]"
        for plan, each in latest.items()
    }
    return {each["execution"]: told[each["plan"]] for each in noted}


def label_of_context(context: str, known: Mapping[str, str]) -> str:
    """Return what a context of the recorded data is called; `arrival.context` made it."""
    if not context:
        return START
    execution, _, faults = context.partition(" ")
    return known.get(execution, faults or NO_FAULTS)


def _digest(plan: Plan) -> str:
    parts = sorted(f"{each.index.hex()} {each.fault!r}" for each in plan.faults)
    return sha256("\n".join(parts).encode()).hexdigest()
