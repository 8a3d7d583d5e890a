"""The scope of a task's message in a worker, whatever that stands in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from celery.exceptions import SoftTimeLimitExceeded

from baggage.boundary import Boundary, CallSite, Delivery
from baggage.context import enter, leave
from baggage.instrumentation._celery.calls import CONSUMING, is_own
from baggage.instrumentation._celery.messages import Taken
from baggage.instrumentation._celery.results import working


@contextmanager
def taking(
    boundary: Boundary, taken: Taken, task: Any, *, again: bool = False
) -> Iterator[Delivery]:
    """Run a block in the scope of the message that a task came by.

    Where that is taken `again` nobody is told, and nobody waits until it's due.
    """
    entered = enter(None)
    try:
        # There is one: nothing is muted where nothing runs.
        delivery = cast(Delivery, boundary.receive(CONSUMING, taken))
        if again or is_own(task.name):
            delivery.call = None
        with delivery.opened(_go_on if again else _wait):
            if delivery.branch is not None:
                # What Celery sends on for a task is sent from there: the rest of a chain, say.
                delivery.branch.place = _place(task)
            token = working.set(delivery)
            try:
                yield delivery
            finally:
                working.reset(token)
    finally:
        leave(entered)


def _wait(seconds: float) -> None:
    """Wait until a message is due; the time limit is one for the task, not for this."""
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        pass


def _go_on(seconds: float) -> None:
    """Wait no more."""


def _place(task: Any) -> CallSite:
    run = task.run
    module = getattr(run, "__module__", task.__module__)
    return CallSite(str(module), str(getattr(run, "__qualname__", task.name)))
