"""The SQLite file: opening it, its schema, and the errors that it makes.

What the tables mean is said in `store` and `record`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
_APPLICATION: Final = 0x66696C69
"""What marks a SQLite file as ours: "fili"."""
_PATIENCE: Final = 30.0
"""Seconds to wait for another process's transaction; each takes a moment."""
_SCHEMA: Final = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, test TEXT NOT NULL, fingerprint TEXT NOT NULL,
    started REAL NOT NULL, stopped_because TEXT
);
CREATE TABLE executions (
    run INTEGER NOT NULL, plan BLOB NOT NULL, failed INTEGER NOT NULL, faults TEXT NOT NULL,
    rest BLOB NOT NULL, observations BLOB NOT NULL,
    PRIMARY KEY (run, plan)
);
CREATE TABLE events (
    run INTEGER NOT NULL, place INTEGER NOT NULL, plan BLOB, content TEXT NOT NULL,
    PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE TABLE failures (
    scope BLOB NOT NULL, plan BLOB NOT NULL, faults TEXT NOT NULL, size INTEGER NOT NULL,
    first_run INTEGER NOT NULL, PRIMARY KEY (scope, plan)
);
"""
_DEATHS: Final = """
CREATE TABLE IF NOT EXISTS deaths (
    run INTEGER NOT NULL, told TEXT NOT NULL, judged INTEGER NOT NULL DEFAULT 0,
    faults TEXT, rest BLOB, observations BLOB, PRIMARY KEY (run, told)
)
"""
"""Stores that were made before there was this one get it when they are opened.

The version stays, since whoever doesn't know it can do without."""


class StoreError(Exception):
    """A store that can't be used, or can't do what is asked: one line, and what to do."""


class Database:
    """One process's connection to a store. Any thread may use it; one at a time does.

    A process opens a file but once: its locks end as soon as it closes the file anywhere.
    """

    def __init__(self, path: Path) -> None:
        """Open a store, which is made if it isn't there. StoreError for what is no store."""
        self._path = path
        self._lock = threading.RLock()
        with ExitStack() as stack, self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._locks = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
            stack.callback(os.close, self._locks)
            with self._alone():
                self._connection = sqlite3.connect(
                    path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
                )
                stack.callback(self._connection.close)
                self._prepare()
            stack.pop_all()

    def close(self) -> None:
        with self._lock, self._told():
            self._connection.close()
            os.close(self._locks)

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Do one statement, durably against the end of this process; return its rows."""
        with self._lock, self._told():
            return self._connection.execute(statement, values).fetchall()

    def last_id(self, statement: str, values: Sequence[object]) -> int:
        """Do an insertion; return the id of the row."""
        with self._lock, self._told():
            return int(self._connection.execute(statement, values).lastrowid or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all statements within, or none."""
        with self._lock:
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                with suppress(StoreError):
                    self.execute("ROLLBACK")
                raise

    @property
    def size(self) -> int:
        """How many bytes the file's used pages take."""
        ((pages,),) = self.execute("PRAGMA page_count")
        ((free,),) = self.execute("PRAGMA freelist_count")
        ((each,),) = self.execute("PRAGMA page_size")
        return (int(pages) - int(free)) * int(each)

    def hold(self, run: int) -> bool:
        """Hold a run for as long as this process lives; False if another process does."""
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, run)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def release(self, run: int) -> None:
        fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, run)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time make or open the file; run ids start at 1, so 0 is free."""
        fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, 0)
        try:
            yield
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, 0)

    def _prepare(self) -> None:
        version = self._version()
        if not version:
            self._make()
        elif version != VERSION:
            raise StoreError(
                f"{self._path} was written by a newer filibuster (store version {version}): use "
                "that one, or move the file away"
            )
        self.execute("PRAGMA journal_mode = WAL")
        # The end of a process loses nothing; that of the machine may lose the last executions.
        self.execute("PRAGMA synchronous = NORMAL")
        self.execute(_DEATHS)

    def _version(self) -> int:
        """Return the version of the store in the file, 0 if the file is empty."""
        ((version,),) = self.execute("PRAGMA user_version")
        ((application,),) = self.execute("PRAGMA application_id")
        ((tables,),) = self.execute("SELECT count(*) FROM sqlite_master")
        if application == _APPLICATION and version:
            return int(version)
        if tables or application or version:
            raise StoreError(f"{self._path} is a database, but no store of ours: move it away")
        return 0

    def _make(self) -> None:
        self.execute("PRAGMA auto_vacuum = INCREMENTAL")
        with self.transaction():
            for statement in _SCHEMA.split(";"):
                self.execute(statement)
            self.execute(f"PRAGMA application_id = {_APPLICATION}")
            self.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite raises into one line."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise StoreError(self._reason(error)) from error
        except OSError as error:
            raise StoreError(f"can't keep executions in {self._path}: {error.strerror}") from error

    def _reason(self, error: sqlite3.DatabaseError) -> str:
        if getattr(error, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            return f"{self._path} is damaged, or no store ({error}): move it away, and run again"
        return f"can't keep executions in {self._path}: {error}"
