"""The store of one directory: which runs there were, which can go on, and how many are kept.

What a run writes is `record`'s business; the file is `database`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from metaapps.filibuster.explore import StopReason
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.store.canonical import canonical_line, late_line
from metaapps.filibuster.store.database import Database, StoreError
from metaapps.filibuster.store.deaths import Deaths
from metaapps.filibuster.store.encoding import (
    decode_event,
    decode_execution,
    decode_plan,
    reading,
)
from metaapps.filibuster.store.fingerprint import Fingerprint, decode
from metaapps.filibuster.store.record import Record

FILE: Final = "executions.sqlite"
MOST_RUNS: Final = 20
MOST_BYTES: Final = 1 << 30
"""Of older runs so many are kept, in so many bytes; of failures, all."""

_FRUITLESS: Final = (
    StopReason.FAULT_FREE_FAILED,
    StopReason.NO_CALLS,
    StopReason.NO_FAULTS,
)
"""Why a run stopped that is better begun afresh: something has to be set right first."""
_LAST_RUN: Final = """
SELECT id, fingerprint FROM runs
WHERE test = ? AND coalesce(stopped_because, '') NOT IN (?, ?, ?)
AND EXISTS (SELECT 1 FROM executions WHERE run = id) ORDER BY id DESC LIMIT 1
"""
_EMPTY: Final = """
SELECT id FROM runs WHERE id != ? AND NOT EXISTS (SELECT 1 FROM executions WHERE run = id)
"""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run: `started` in seconds since 1970; `stopped_because` is None if it was cut off."""

    id: int
    test: str
    started: float
    executions: int
    failed: int
    stopped_because: str | None
    running: bool
    late: int = 0
    """How often services ended between executions."""


class Store:
    """The runs in one file. `record` is for one run at a time; any thread may use it then."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Store]:
        """Open a file, which is made if it isn't there. StoreError for one that is no store."""
        database = Database(path)
        try:
            yield cls(database)
        finally:
            database.close()

    def begin(self, fingerprint: Fingerprint) -> Record:
        """Return the record of a new run; old ones make way."""
        with self._database.transaction():
            run = self._database.last_id(
                "INSERT INTO runs (test, fingerprint, started) VALUES (?, ?, ?)",
                (fingerprint.test, fingerprint.encoded(), time.time()),
            )
            self._database.hold(run)
        self._make_way(run)
        return Record(self._database, run, fingerprint.scope_key())

    def resume(self, fingerprint: Fingerprint) -> Record | None:
        """Return the record of the last run of the same test that has executions to use, or None.

        StoreError if that run was of another search, or is still going on.
        """
        found = self._database.execute(
            _LAST_RUN, (fingerprint.test, *(reason.value for reason in _FRUITLESS))
        )
        if not found:
            return None
        ((run, text),) = found
        differences = "; ".join(fingerprint.differences(_fingerprint(run, text)))
        if differences:
            raise StoreError(
                f"run {run} can't be resumed: {differences} (leave --resume out to run afresh)"
            )
        if not self._database.hold(run):
            raise StoreError(f"run {run} can't be resumed: it is still running")
        if not self._database.execute("SELECT 1 FROM runs WHERE id = ?", (run,)):
            self._database.release(run)  # it made way just now
            return None
        return Record(self._database, run, fingerprint.scope_key())

    def runs(self) -> Iterator[StoredRun]:
        """Yield the runs that are kept, the last one first."""
        found = self._database.execute(
            "SELECT id, test, started, stopped_because, count(plan), total(failed),"
            " (SELECT count(*) FROM deaths WHERE deaths.run = id) FROM runs"
            " LEFT JOIN executions ON run = id GROUP BY id ORDER BY id DESC"
        )
        for run, test, started, because, executions, failed, late in found:
            running = self._is_running(run)
            yield StoredRun(run, test, started, executions, int(failed), because, running, late)

    def exported(self, run: int) -> Iterator[str]:
        """Yield what a run committed, and its late deaths, line by line; see `canonical`."""
        for content, execution in self.committed(run):
            with reading("event"):
                line = canonical_line(content, execution)
            yield line
        yield from sorted(map(late_line, self.deaths(run)))

    def deaths(self, run: int) -> Deaths:
        """Return the services that ended between the executions of a run."""
        return Deaths(self._database, run)

    def committed(self, run: int) -> Iterator[tuple[Mapping[str, Any], Execution | None]]:
        """Yield what a run committed: an event's content, and its execution if it ran."""
        place = -1
        while found := self._database.execute(_NEXT_EVENT, (run, place)):
            ((place, content, *execution),) = found
            yield decode_event(content), _decoded(*execution)

    def _is_running(self, run: int) -> bool:
        free = self._database.hold(run)
        if free:
            self._database.release(run)
        return not free

    def _make_way(self, new: int) -> None:
        """Remove runs that are over, and too old, too many bytes, or empty."""
        for (run,) in self._database.execute(_EMPTY, (new,)):
            self._remove(run)
        found = self._database.execute("SELECT id FROM runs WHERE id != ? ORDER BY id", (new,))
        spare = len(found) + 1 - MOST_RUNS
        for place, (run,) in enumerate(found):
            if place >= spare and self._database.size <= MOST_BYTES:
                break
            self._remove(run)
        self._database.execute("PRAGMA incremental_vacuum")

    def _remove(self, run: int) -> None:
        """Remove a run, unless it goes on; nobody resumes it meanwhile."""
        if not self._database.hold(run):
            return
        try:
            with self._database.transaction():
                for statement in _REMOVALS:
                    self._database.execute(statement, (run,))
        finally:
            self._database.release(run)


_REMOVALS: Final = (
    "DELETE FROM events WHERE run = ?",
    "DELETE FROM executions WHERE run = ?",
    "DELETE FROM deaths WHERE run = ?",
    "DELETE FROM runs WHERE id = ?",
)
_NEXT_EVENT: Final = """
SELECT place, content, faults, rest, observations FROM events
LEFT JOIN executions ON executions.run = events.run AND executions.plan = events.plan
WHERE events.run = ? AND place > ? ORDER BY place LIMIT 1
"""


def _fingerprint(run: int, text: str) -> Fingerprint:
    try:
        return decode(text)
    except (ValueError, TypeError) as error:
        raise StoreError(f"run {run} can't be read ({error}): run afresh") from error


def _decoded(faults: str | None, rest: Any, observations: Any) -> Any:
    return None if faults is None else decode_execution(decode_plan(faults), rest, observations)
