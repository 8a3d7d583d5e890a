"""One run's late deaths in the store: those that are to be looked into, and what became of others.

A case is named by what it says, so that who resumes a run finds those that it was cut off with.
"""

from __future__ import annotations

from collections.abc import Iterator

from metaapps.filibuster.deaths import Case, Late
from metaapps.filibuster.store.database import Database
from metaapps.filibuster.store.encoding import (
    decode_case,
    decode_execution,
    decode_plan,
    encode_case,
    encode_observations,
    encode_plan,
    encode_rest,
)


class Deaths:
    """The services that ended between a run's executions. Any thread may use it."""

    def __init__(self, database: Database, run: int) -> None:
        """Read and write what is stored of a run."""
        self._database = database
        self._run = run

    def __iter__(self) -> Iterator[Late]:
        """Yield all cases, in the order in which they were stored, or else judged."""
        found = self._database.execute(
            "SELECT told, judged, faults, rest, observations FROM deaths WHERE run = ?"
            " ORDER BY rowid",
            (self._run,),
        )
        for told, judged, faults, rest, observations in found:
            execution = None
            if faults is not None:
                execution = decode_execution(decode_plan(faults), rest, observations)
            yield Late(decode_case(told), execution, bool(judged))

    def open(self, case: Case) -> None:
        """Store a case that is to be looked into."""
        self._database.execute(
            "INSERT OR IGNORE INTO deaths (run, told) VALUES (?, ?)", (self._run, encode_case(case))
        )

    def drop(self, *cases: Case) -> None:
        """Forget cases that are none any more."""
        for case in cases:
            self._database.execute(
                "DELETE FROM deaths WHERE run = ? AND told = ? AND NOT judged",
                (self._run, encode_case(case)),
            )

    def judge(self, late: Late) -> None:
        """Store what became of a case."""
        found: tuple[object, ...] = (None, None, None)
        if (execution := late.execution) is not None:
            seen = encode_observations(execution.observations)
            found = (encode_plan(execution.plan), encode_rest(execution), seen)
        self._database.execute(
            "INSERT OR REPLACE INTO deaths VALUES (?, ?, 1, ?, ?, ?)",
            (self._run, encode_case(late.case), *found),
        )
