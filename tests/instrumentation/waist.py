"""A boundary behind libraries that are wrapped once for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from baggage.boundary import Boundary, Policy
from baggage.instrumentation._patching import Switch


class Waist:
    """Switched off but while a test says otherwise."""

    def __init__(self, *instrumentations: ModuleType) -> None:
        self.boundary = Boundary(Policy(service="shop", strict=True))
        self.switch = Switch(on=False)
        for instrumentation in instrumentations:
            instrumentation.instrument(self.boundary, self.switch)

    @contextmanager
    def on(self) -> Iterator[Boundary]:
        """Carry baggage in a block, which ends without meta-applications."""
        self.switch.on = True
        try:
            yield self.boundary
        finally:
            self.switch.on = False
            for app in self.boundary.apps:
                self.boundary.unregister(app.name)
