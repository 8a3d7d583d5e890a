"""Processes named so that a later one with the same pid is not taken for them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from metaapps.filibuster.services.supervisor import end_groups


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `started` is its start time in the system's own terms, "" if it had ended."""

    name: str
    pid: int
    started: str

    @classmethod
    def of(cls, name: str, pid: int) -> Self:
        return cls(name, pid, _started(pid))

    @property
    def running(self) -> bool:
        """Whether this very process has not ended yet."""
        return self.started != "" and _started(self.pid) == self.started


def end(processes: Iterable[Process]) -> None:
    """End the groups that these processes lead, as far as they still run."""
    end_groups(process.pid for process in processes if process.running)


def _started(pid: int) -> str:
    """Return when a process started; "" if it has ended, even if its parent has not reaped it."""
    if Path("/proc/self/stat").exists():
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
        # The name, in parentheses, may hold anything; field 3 is the state, 22 the start time.
        state, *fields = status.rpartition(")")[2].split()
        return "" if state in "ZX" else fields[18]
    ps = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    state, _, started = answer.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()
