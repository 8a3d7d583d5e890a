"""What a search tells of as it goes on, where it may stop early, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from metaapps.filibuster.finding import Finding
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import Plan


class StopReason(Enum):
    """Why the search ended."""

    COMPLETE = "complete"
    """Every plan has been judged."""
    FAULT_FREE_FAILED = "fault-free execution failed"
    """The functional test fails without any fault, so that failing under faults says nothing."""
    NO_CALLS = "no calls"
    """No service made a call: there is nothing to fail. The test's own calls don't count."""
    NO_FAULTS = "no faults"
    """Calls were made, but the catalogue has no fault for any of them."""
    FIRST_FAILURE = "first failure"
    """An execution failed, and that was to be enough."""
    MAX_FAULTS = "most faults per execution"
    """Every plan of so many faults has been judged; there are plans of more."""
    MAX_EXECUTIONS = "most executions"
    """So many executions have run, and another plan needs one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where to stop early; None is no limit. Executions count the fault-free one."""

    fail_fast: bool = False
    max_faults: int | None = None
    max_executions: int | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """A plan was run, as the `number`th from 1. `remaining` counts the known plans to judge."""

    number: int
    execution: Execution
    findings: tuple[Finding, ...]
    remaining: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """A plan was not run: the executions numbered `predicted_by` show what would come of it."""

    plan: Plan
    execution: Execution
    predicted_by: tuple[int, ...]
    remaining: int


@dataclass(frozen=True, slots=True)
class Done:
    """The search ended; `remaining` plans were known and not judged."""

    ran: int
    pruned: int
    remaining: int
    stopped_because: StopReason


Event = Ran | Pruned | Done
NO_LIMITS: Final = Limits()
