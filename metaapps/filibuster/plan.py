"""Fault plans: which call shall fail, and how.

A plan is what distinguishes one execution from another. Signing it and sending it along is `wire`
and `orders`; deciding which plans are worth running is `explore`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from baggage.boundary import Fault


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault at the call with this execution index; `target` and `label` are for people.

    `optional` faults need not happen: they are for further attempts at a call that failed already.
    """

    index: bytes
    fault: Fault
    target: str = field(default="", compare=False)
    label: str = field(default="", compare=False)
    optional: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Faults for one execution, in the order in which their calls begin; at most one for a call."""

    faults: tuple[PlannedFault, ...] = ()

    def at(self, index: bytes) -> PlannedFault | None:
        """Return what is planned for a call, None if it shall go through."""
        return next((planned for planned in self.faults if planned.index == index), None)

    def fault_for(self, index: bytes) -> Fault | None:
        """Return the fault planned for a call, None if it shall go through."""
        planned = self.at(index)
        return None if planned is None else planned.fault

    def with_fault(self, *planned: PlannedFault) -> Plan:
        """Return this plan with one more fault, whose calls begin after all the others."""
        return Plan((*self.faults, *planned))

    @property
    def size(self) -> int:
        """How many faults there are, without those of further attempts."""
        return sum(not planned.optional for planned in self.faults)

    @property
    def key(self) -> frozenset[tuple[bytes, Fault]]:
        """What makes two plans the same: the set of calls and faults, whatever their order."""
        return frozenset((planned.index, planned.fault) for planned in self.faults)


FAULT_FREE: Final = Plan()
