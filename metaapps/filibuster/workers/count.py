"""How many workers there are."""

from __future__ import annotations

import os
from typing import Final

AUTO: Final = "auto"
# An execution waits for services most of the time: more at once than there are cores pay, until
# the cores are busy with the services themselves.
_PER_CORE: Final = 4
_MOST: Final = 32


class WorkersError(Exception):
    """Workers that can't be had: one line that says why and what to do."""


def worker_count(said: str) -> int:
    """Return the number of workers that an option says, as in "4" or "auto"."""
    if said == AUTO:
        return min(_MOST, _PER_CORE * _cores())
    if said.isascii() and said.isdecimal() and 0 < int(said) <= 1024:
        return int(said)
    raise WorkersError(f"--workers {said!r}: give a number from 1 to 1024, or auto")


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
