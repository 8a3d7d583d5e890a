"""Several instrumentations where a suite expects one."""

from __future__ import annotations

from types import ModuleType

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Switch


class Together(ModuleType):
    """Stands for instrumentations that are at work together, behind one boundary."""

    def __init__(self, *instrumentations: ModuleType) -> None:
        super().__init__("together")
        self._instrumentations = instrumentations

    def instrument(self, boundary: Boundary, switch: Switch) -> None:
        for each in self._instrumentations:
            each.instrument(boundary, switch)
