"""Batches: several messages that are worked on at once, a declared join of what they know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from baggage.boundary.delivery import Delivery
from baggage.boundary.homing import collect, take_home
from baggage.context import Branch, branch, enter, leave

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary


@contextmanager
def batch(deliveries: Sequence[Delivery]) -> Iterator[None]:
    """Let a block work on several messages at once: it knows what all of them know.

    Where one is of the request that stands here, the block stays in that. Else it runs in a branch
    of its own, whose `down` keys are those of the first message. Flows see each message taken; one
    that the block stands in already was taken, and stays.
    """
    if not deliveries:
        yield
        return
    running, several = branch(), len(deliveries) > 1
    here = [each for each in deliveries if running is not None and each.branch is running]
    with ExitStack() as ending:
        for each in here:
            ending.enter_context(each.worked_on())
        others = [each for each in deliveries if each not in here]
        taken = [ending.enter_context(each.beside(batched=several)) for each in others]
        if not here and not any(each.akin(running) for each in others):
            running = Branch(taken[0].baggage.departing())
            ending.enter_context(_at_work(deliveries[0]._boundary, running))
        if running is not None:
            for opened in taken:
                running.join(opened, batch=True)
        yield


@contextmanager
def _at_work(boundary: Boundary, running: Branch) -> Iterator[None]:
    """Run a block in a branch that nobody waits for."""
    token = enter(running)
    try:
        yield
    finally:
        running.close()
        with boundary.isolated():
            collect(running)
            boundary.overflow(take_home(running))
        leave(token)
