"""Steps: one trial at one call, which makes a bigger plan of a plan; and names for whole plans.

Equal steps are one object, since most executions reach mostly the same calls. Which steps an
execution allows is `growth`; their order is `frontier`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from baggage.boundary import Fault
from metaapps.filibuster.catalogue import Trial
from metaapps.filibuster.index import DIGEST_SIZE, child
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.status import shown_fault
from metaapps.filibuster.tree import Path, canonical_key, describe

FaultKey = tuple[tuple[float, ...], int, bytes]
"""What sorts a planned fault: its call's canonical key, its place in the catalogue, its index."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A trial at a call: the faults that it adds to a plan, and what sorts each of them."""

    faults: tuple[PlannedFault, ...]
    keys: tuple[FaultKey, ...]


Steps = tuple[Step, ...]


def planned_fault(call: Observation, fault: Fault) -> PlannedFault:
    """Return a fault at an observed call, with its label for people."""
    return PlannedFault(
        call.index, fault, call.target, f"{describe(call)}: {shown_fault(call.library, fault)}"
    )


def planned_trial(
    call: Observation, trial: Trial, within: Observation | None = None
) -> Iterator[PlannedFault]:
    """Yield the faults of a trial at an observed call, and at the attempts that may follow it.

    `within` is the delivery in which the call is made: each later one may be an attempt, too.
    """
    for more in range(trial.attempts):
        attempt = call if not more else _attempt(call, more)
        yield replace(planned_fault(attempt, trial.fault), optional=more > 0)
        if more and within is not None:
            again = _redelivered(call, within, more)
            yield replace(planned_fault(again, trial.fault), optional=True)


def _redelivered(call: Observation, within: Observation, more: int) -> Observation:
    """Return a call that is made again in a delivery that comes so many times later."""
    return replace(call, index=child(_attempt(within, more).index, call.frame))


def _attempt(call: Observation, more: int) -> Observation:
    """Return a call that is made so many times more."""
    later = replace(call, occurrence=call.occurrence + more)
    return replace(later, index=child(call.parent, later.frame))


class StepBook:
    """Makes steps, each once. Not thread-safe."""

    def __init__(self) -> None:
        self._at: dict[tuple[bytes, Path, str, tuple[Trial, ...]], Steps] = {}
        self._rows: dict[Steps, Steps] = {}

    def at(
        self,
        call: Observation,
        path: Path,
        trials: tuple[Trial, ...],
        within: Observation | None = None,
    ) -> Steps:
        """Return the steps of some trials at a call that stands at `path`, in their order.

        `within` is as in `planned_trial`.
        """
        where = (call.index, path, call.target, trials)
        known = self._at.get(where)
        if known is None:
            key = canonical_key(path)
            tried = enumerate(trials)
            known = tuple(_step(call, key, place, trial, within) for place, trial in tried)
            self._at[where] = known
        return known

    def row(self, steps: Steps) -> Steps:
        """Return these steps, as one object with all rows that are equal."""
        return self._rows.setdefault(steps, steps)


def _step(
    call: Observation,
    key: tuple[float, ...],
    place: int,
    trial: Trial,
    within: Observation | None,
) -> Step:
    faults = tuple(planned_trial(call, trial, within))
    return Step(faults, tuple((key, place, planned.index) for planned in faults))


PLAN_NAME_SIZE: Final = DIGEST_SIZE


def plan_name(faults: tuple[PlannedFault, ...]) -> bytes:
    """Return a digest that only plans of the same calls and faults share, in whatever order."""
    parts = sorted(planned.index + _token(planned.fault) for planned in faults)
    return blake2b(b"".join(parts), digest_size=PLAN_NAME_SIZE).digest()


@lru_cache(maxsize=4096)
def _token(fault: Fault) -> bytes:
    return blake2b(repr(fault).encode(), digest_size=PLAN_NAME_SIZE).digest()


def trials_of(plan: Plan) -> tuple[tuple[PlannedFault, ...], ...]:
    """Return a plan's faults by trials: each with its further attempts."""
    trials: list[tuple[PlannedFault, ...]] = []
    for planned in plan.faults:
        if planned.optional and trials:
            trials[-1] = (*trials[-1], planned)
        else:
            trials.append((planned,))
    return tuple(trials)
