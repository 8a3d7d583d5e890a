"""Functional tests that run elsewhere: in other processes, or on other machines.

What is sent there is a `Task` and a ticket, what comes back is a `Verdict`: plans, observations
from services and verdicts on executions stay with the explorer.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Final

from metaapps.filibuster import settings
from metaapps.filibuster.cli import testcase
from metaapps.filibuster.cli.functional import FunctionalTest, FunctionalTestError, Verdict
from metaapps.filibuster.cli.pythonfile import PythonFile
from metaapps.filibuster.workers import WorkersError
from metaapps.filibuster.workers.attendance import Ticket
from metaapps.filibuster.workers.executors import Elsewhere
from metaapps.filibuster.workers.forking import ClosedError, WorkerDiedError

_IDLE: Final = 60.0
"""Seconds after which a warm process that nobody asks ends; the worker itself goes on."""


class RemoteTest:
    """A functional test that an executor's workers run. Safe in any thread."""

    def __init__(self, test: testcase.Test, elsewhere: Elsewhere) -> None:
        """`test` must be found in the same place by every worker."""
        self._test = test
        self._elsewhere = elsewhere

    def run(self, baggage: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        """Run once, as FunctionalTest.run does; what its worker's environment says comes first."""
        task = testcase.Task(
            self._test,
            baggage,
            dict(environment),
            str(Path.cwd()),
            timeout,
            settings.parent_environment(),
        )
        try:
            return self._elsewhere.run(work, task)
        except (FunctionalTestError, WorkersError, WorkerDiedError, ClosedError):
            raise
        except Exception as error:
            raise WorkersError(
                f"a worker can't run the functional test: {type(error).__name__}: {error}"
            ) from error

    def close(self) -> None:
        """Run nothing more, and cut off what runs."""
        self._elsewhere.close()


def work(task: testcase.Task, ticket: Ticket) -> Verdict:
    """Run a test here, in a worker, unless the explorer goes away."""
    _check(task)
    with ticket.attended() as attended:
        return _HERE.test(task.test).perform(task, attended)


def _check(task: testcase.Task) -> None:
    missing = [] if Path(task.directory).is_dir() else [task.directory]
    if isinstance(task.test, PythonFile) and not Path(task.test.path).is_file():
        missing.append(task.test.path)
    if missing:
        raise FunctionalTestError(
            f"worker on {socket.gethostname()!r} has no {missing[-1]!r}: tests must be found in "
            "the same place everywhere"
        )


class _Kept:
    """The warm process of a worker, which is kept from one task to the next."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._test: FunctionalTest | None = None
        self._of: testcase.Test | None = None

    def test(self, wanted: testcase.Test) -> FunctionalTest:
        with self._lock:
            if self._test is None or self._of != wanted:
                # Who runs the one before still holds it; it ends when nobody does.
                self._test, self._of = FunctionalTest(wanted, idle=_IDLE), wanted
            return self._test


# Executors call functions and keep nothing for them from call to call: so this is a place of ours.
_HERE: Final = _Kept()
