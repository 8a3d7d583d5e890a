"""What a search tells of as it goes on, where it may stop early, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from metaapps.filibuster.explore.completeness import Fate
from metaapps.filibuster.finding import Finding
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import Varying


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
    MAX_TIME = "most time"
    """So much time has passed, and there are plans to judge."""
    MINIMAL = "failed plans contained"
    """Every plan that contains none that failed has been judged; there are others."""

    @property
    def is_bound(self) -> bool:
        """Whether the search stopped where it was told to, with plans left that it knew."""
        return self in _BOUNDS


_BOUNDS: Final = frozenset(
    {
        StopReason.FIRST_FAILURE,
        StopReason.MAX_FAULTS,
        StopReason.MAX_EXECUTIONS,
        StopReason.MAX_TIME,
        StopReason.MINIMAL,
    }
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Where to stop early; None is no limit.

    Executions count the fault-free one. `max_time` is in seconds; whatever it is, the fault-free
    execution runs, and an execution that has begun runs to its end. `minimal` leaves out plans that
    contain one that failed.
    """

    fail_fast: bool = False
    max_faults: int | None = None
    max_executions: int | None = None
    max_time: float | None = None
    minimal: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """A plan was run, as the `number`th from 1. `remaining` counts the known plans to judge.

    `fates` tell, for each of the plan's faults in turn, what became of it.
    """

    number: int
    execution: Execution
    findings: tuple[Finding, ...]
    remaining: int
    fates: tuple[Fate, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruned:
    """A plan was not run: the executions numbered `predicted_by` show what would come of it.

    The published criterion (`paper`) does not say what that is: then `predicted` is False, and
    `execution` has the plan alone, neither calls nor a verdict.
    """

    plan: Plan
    execution: Execution
    predicted_by: tuple[int, ...]
    remaining: int
    predicted: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """The search ended; `remaining` plans were known and not judged.

    `impossible` counts the plans that were known and dropped without being judged: executions of
    smaller ones showed that a fault of theirs keeps another one's call from being made. `varying`
    are the calls whose answers defeat prediction, most often varying first. `containing` are those
    of the remaining plans that were left out since they contain one that failed.
    """

    ran: int
    pruned: int
    remaining: int
    stopped_because: StopReason
    impossible: int = 0
    varying: tuple[Varying, ...] = ()
    containing: int = 0

    @property
    def known(self) -> int:
        """How many plans were known: those that ran, those that were pruned, and the rest."""
        return self.ran + self.pruned + self.remaining

    @property
    def complete(self) -> bool:
        """Whether every plan was judged."""
        return self.stopped_because is StopReason.COMPLETE


Event = Ran | Pruned | Done
NO_LIMITS: Final = Limits()
DEFAULT_LIMITS: Final = Limits(max_executions=1000, max_time=600.0)
"""What holds where nothing else is asked for, so that a run in CI ends whatever the application is.

A build waits ten minutes without complaint, and 1,000 executions take half a minute to a few. The
canonical order makes the bound a mild one: what is left out has the most faults at once.
"""
