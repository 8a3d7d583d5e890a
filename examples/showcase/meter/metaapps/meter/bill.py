"""The bill: what the sums in the current baggage say that each tenant used, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import baggage
from metaapps.meter.app import BYTES, TIMES

MILLIJOULES: Final = {"times": 40, "bytes": 1}
"""What one crossing costs, and one byte that is read."""


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """What one tenant used of one resource, which is called as the library that it goes through."""

    tenant: str
    resource: str
    times: int
    bytes: int

    @property
    def millijoules(self) -> int:
        return self.times * MILLIJOULES["times"] + self.bytes * MILLIJOULES["bytes"]


def bill() -> list[Use]:
    """Return what was used so far in the current request, here and in all services, sorted."""
    times, read = baggage.fields(TIMES), baggage.fields(BYTES)
    uses = []
    for field, (count,) in times.items():
        tenant, _, resource = field.partition("/")
        (size,) = read.get(field, (0,))
        uses.append(Use(tenant, resource, int(count), int(size)))
    return sorted(uses)


def total(uses: list[Use]) -> int:
    """Return what it comes to, in millijoules."""
    return sum(use.millijoules for use in uses)
