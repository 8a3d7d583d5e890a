"""One run's part of the store: its executions, what it committed, and the failures it knew before.

Which run that is, and how many are kept, is `store`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from metaapps.filibuster.explore import Done, Event, Pruned, Ran
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.store.canonical import event_content
from metaapps.filibuster.store.database import Database
from metaapps.filibuster.store.deaths import Deaths
from metaapps.filibuster.store.encoding import (
    decode_execution,
    decode_plan,
    encode_observations,
    encode_plan,
    encode_rest,
    plan_key,
)

MOST_KNOWN: Final = 100
"""So many known failures are replayed at most, those of the fewest faults."""


@dataclass(frozen=True, slots=True)
class Known:
    """A failure of an earlier run of the same test; `run` is the one that found it first."""

    plan: Plan
    run: int


class Record:
    """What is stored of one run. Any thread may use it; all that returned is on disk."""

    def __init__(self, database: Database, run: int, scope: bytes) -> None:
        """Continue the record of a run that this process holds."""
        self._database = database
        self._run = run
        self._scope = scope
        self._places = count()
        self.deaths = Deaths(database, run)
        database.execute("DELETE FROM events WHERE run = ?", (run,))
        database.execute("UPDATE runs SET stopped_because = NULL WHERE id = ?", (run,))

    @property
    def run(self) -> int:
        """The number of the run."""
        return self._run

    def __len__(self) -> int:
        """Return how many executions are stored."""
        found = self._database.execute(
            "SELECT count(*) FROM executions WHERE run = ?", (self._run,)
        )
        return int(found[0][0])

    def __contains__(self, plan: Plan) -> bool:
        return bool(
            self._database.execute(
                "SELECT 1 FROM executions WHERE run = ? AND plan = ?", (self._run, plan_key(plan))
            )
        )

    def find(self, plan: Plan) -> Execution | None:
        """Return the execution of a plan, None if there was none."""
        found = self._database.execute(
            "SELECT rest, observations FROM executions WHERE run = ? AND plan = ?",
            (self._run, plan_key(plan)),
        )
        return decode_execution(plan, *found[0]) if found else None

    def keep(self, execution: Execution) -> None:
        """Store an execution that ended; the first of a plan stays.

        One that fails without any fault is not worth it: whoever resumes wants to try again.
        """
        if not (execution.passed or execution.plan.faults):
            return
        self._database.execute(
            "INSERT OR IGNORE INTO executions VALUES (?, ?, ?, ?, ?, ?)",
            (
                self._run,
                plan_key(execution.plan),
                not execution.passed,
                encode_plan(execution.plan),
                encode_rest(execution),
                encode_observations(execution.observations),
            ),
        )

    def commit(self, event: Event) -> None:
        """Store what the search told of, in its order."""
        plan = None
        if isinstance(event, Ran):
            plan = plan_key(event.execution.plan)
            if _is_found(event.execution):
                self.note_failure(event.execution.plan)
        elif isinstance(event, Pruned):
            plan = plan_key(event.plan)
        self._database.execute(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)",
            (self._run, next(self._places), plan, json.dumps(event_content(event))),
        )
        if isinstance(event, Done):
            self.stop(event.stopped_because.value)

    def stop(self, because: str) -> None:
        """Note that the run came to its end."""
        self._database.execute(
            "UPDATE runs SET stopped_because = ? WHERE id = ?", (because, self._run)
        )

    def known_failures(self) -> Iterator[Known]:
        """Yield what failed in other runs before this one, fewest faults first."""
        found = self._database.execute(
            "SELECT faults, first_run FROM failures WHERE scope = ? AND first_run != ?"
            " ORDER BY size, rowid LIMIT ?",
            (self._scope, self._run, MOST_KNOWN),
        )
        for faults, run in found:
            yield Known(decode_plan(faults), int(run))

    def note_failure(self, plan: Plan) -> None:
        """Note that the test fails under a plan, for the runs to come."""
        self._database.execute(
            "INSERT OR IGNORE INTO failures VALUES (?, ?, ?, ?, ?)",
            (self._scope, plan_key(plan), encode_plan(plan), plan.size, self._run),
        )

    def forget_failure(self, plan: Plan) -> None:
        """Note that a plan's failure is gone."""
        self._database.execute(
            "DELETE FROM failures WHERE scope = ? AND plan = ?", (self._scope, plan_key(plan))
        )


def _is_found(execution: Execution) -> bool:
    """Say whether a failure is one of the plan's faults: all were enacted, as far as is known."""
    faults = execution.plan.faults
    fired = execution.fired
    hit = bool(execution.deaths) or all(
        planned.optional or planned.index in fired for planned in faults
    )
    return bool(faults) and hit and not execution.passed
