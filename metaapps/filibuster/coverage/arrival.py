"""Tells coverage.py, in a service, for which execution the lines that follow run.

The switch is made at the first arrival of each execution in each process, and holds until that of
the next. It counts for the whole process, which is right as long as executions run one after
another, as `filibuster run --coverage` does.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from threading import Lock
from typing import Final

from metaapps.filibuster import settings
from metaapps.filibuster.orders import Orders

_log = logging.getLogger("metaapps.filibuster")
CONTEXT: Final = "context"
"""The file from which new processes of a service learn the context that they start in."""


def attribution() -> Attribution | None:
    """Return what is to be told of arrivals here; None where no coverage is recorded."""
    directory = settings.coverage_directory()
    return None if directory is None else Attribution(directory)


def context(orders: Orders) -> str:
    """Return the context of an execution: its name, and its faults as far as a service knows."""
    faults = [f"{planned.target or '?'}: {planned.fault}" for planned in orders.plan.faults]
    return f"{orders.execution} {' + '.join(faults)}".rstrip()


class Attribution:
    """Switches contexts in this process. For any number of threads."""

    def __init__(self, directory: Path) -> None:
        """Note the context in `directory`, for processes that are yet to start."""
        self._directory = directory
        self._execution = ""
        self._lock = Lock()
        # A child that is forked while another thread switches could not switch ever after.
        os.register_at_fork(after_in_child=self._forked)

    def arrived(self, orders: Orders) -> None:
        """Note that a call arrived under these orders. Never raises."""
        if orders.execution == self._execution:
            return
        with self._lock:
            if orders.execution == self._execution:
                return
            try:
                self._switch(context(orders))
            except Exception as error:  # noqa: BLE001 - the execution matters more than its lines
                _log.warning("coverage not attributed", extra={"reason": str(error)})
            self._execution = orders.execution

    def _switch(self, name: str) -> None:
        from coverage import Coverage

        draft = self._directory / f"{CONTEXT}.{os.getpid()}"
        draft.write_text(name, encoding="utf-8")
        draft.replace(self._directory / CONTEXT)
        recording = Coverage.current()
        if recording is not None:
            recording.switch_context(name)

    def _forked(self) -> None:
        self._lock = Lock()
