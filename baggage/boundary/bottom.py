"""The bottom of a stack: what a worker runs, which nobody below has called.

A worker takes its work from elsewhere, so that no frame of its own is where a crossing starts. What
the search for that does is in `site`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def run_work(work: Callable[[], T]) -> T:
    """Do a piece of work that was sent here.

    What crosses a boundary within it and has no caller in the application, starts at the `place` of
    the branch that runs here.
    """
    return work()
