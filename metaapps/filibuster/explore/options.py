"""A search as people ask for one: by the names of its options."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.explore.events import DEFAULT_LIMITS, NO_LIMITS, Event, Limits
from metaapps.filibuster.explore.frontier import Order
from metaapps.filibuster.explore.search import Clock, LookAhead, Run, explore
from metaapps.filibuster.reduce import Reducer, Strength, ignoring, reducer


class SearchError(ValueError):
    """Options that don't go together, or a pattern that is none: one line, with what to do."""


@dataclass(frozen=True, slots=True)
class Search:
    """How to search; each call of `explore` starts anew and knows nothing."""

    new_reducer: Callable[[], Reducer]
    limits: Limits
    order: Order
    seed: int

    def explore(
        self,
        run: Run,
        catalogue: Catalogue,
        look_ahead: LookAhead | None = None,
        clock: Clock = time.monotonic,
    ) -> Iterator[Event]:
        """Search as `explore.explore` does."""
        return explore(
            run,
            catalogue,
            self.new_reducer(),
            self.limits,
            look_ahead,
            frontier=lambda: self.order.frontier(self.seed),
            clock=clock,
        )


def search_for(
    *,
    reduction: str = Strength.DYNAMIC.value,
    ignore_answers: Iterable[str] = (),
    order: str = Order.CANONICAL.value,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    exhaustive: bool = False,
) -> Search:
    """Return a search for these options.

    Unless it is to be `exhaustive`, `DEFAULT_LIMITS` hold where `limits` says nothing. Raises
    SearchError for a pattern that can't be read, and for an order other than the canonical one, or
    `minimal`, along with `paper`, which has its own order.
    """
    strength = Strength(reduction)
    wanted = Order(order)
    if strength is Strength.PAPER:
        if wanted is not Order.CANONICAL:
            raise SearchError(f"the reduction paper has an order of its own: leave out {order!r}")
        if limits.minimal:
            raise SearchError("the reduction paper has its own counts: leave --minimal out")
        wanted = Order.DEPTH_FIRST
    try:
        ignore = ignoring(ignore_answers)
    except ValueError as error:
        raise SearchError(f"answers to ignore: {error}") from error
    bounded = limits if exhaustive else _bounded(limits)
    return Search(lambda: reducer(strength, ignore), bounded, wanted, seed)


def _bounded(limits: Limits) -> Limits:
    """Return limits with the default ones where they say nothing."""
    executions, seconds = limits.max_executions, limits.max_time
    return replace(
        limits,
        max_executions=DEFAULT_LIMITS.max_executions if executions is None else executions,
        max_time=DEFAULT_LIMITS.max_time if seconds is None else seconds,
    )
