"""Known failures: what failed in earlier runs of a test is run first, before the search.

The search comes upon these executions at their turn, in the run's record: so its order is the same
with and without them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from metaapps.filibuster.cli.picture import faults_of, labels_of
from metaapps.filibuster.cli.report import Report, counted
from metaapps.filibuster.cli.session import Session
from metaapps.filibuster.failing import FailedPlans
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.store import Record

_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class KnownFailures:
    """Runs what failed before."""

    record: Record
    session: Session
    report: Report

    def still_failing(self, max_time: float | None) -> Iterator[Execution]:
        """Run each, say what became of it, and yield those that fail still.

        Nothing is run where the test fails without any fault, nor what contains one that still
        fails, nor once a quarter of the seconds is over that the search may take: what is left out
        has its turn there.
        """
        plans = [known.plan for known in self.record.known_failures()]
        if not plans or not self.session.run(FAULT_FREE).passed:
            return
        failing, bigger = FailedPlans(), 0
        until = math.inf if max_time is None else time.monotonic() + max_time * _SHARE
        for place, plan in enumerate(plans):
            if time.monotonic() > until:
                left = counted(len(plans) - place, "known failure")
                self.report.line(f"{left} not run ahead of the others: there is no time for it")
                return
            if failing.are_within(plan.key):
                bigger += 1
                continue
            self.session.look_ahead(
                each for each in islice(plans, place, None) if not failing.are_within(each.key)
            )
            execution = self.session.run(plan)
            became = _became(execution)
            faults = faults_of(execution) if _was_reached(execution) else labels_of(plan)
            told = f"{faults}  {became}  [dim]{execution.seconds * 1000:.0f} ms[/]"
            self.report.line(f"[bold]known failure[/]  {told}")
            if not execution.passed and _was_reached(execution):
                failing.add(plan.key)
                yield execution
            else:
                self.record.forget_failure(plan)
        if bigger:
            left = f"{counted(bigger, 'known failure')} not run ahead of the others"
            self.report.line(f"{left}: a smaller one in each still fails")


def _became(execution: Execution) -> str:
    if not _was_reached(execution):
        return "[yellow]no longer reached[/]"
    return "[green]passes now[/]" if execution.passed else "[bold red]still fails[/]"


def _was_reached(execution: Execution) -> bool:
    plan: Plan = execution.plan
    # Who did not survive it can't tell any more.
    return bool(execution.deaths) or all(
        planned.optional or planned.index in execution.fired for planned in plan.faults
    )
