"""Suites in whose tests meta-applications see crossings of several kinds, or act at one."""

from __future__ import annotations

from baggage.boundary import PROCEED, Kind
from baggage.testing.apps import Recorder, Script, Scripted
from baggage.testing.suite import InstrumentationSuite


class WatchedSuite(InstrumentationSuite):
    """Base of suites of what has crossings of several kinds."""

    def recorded(self, *kinds: Kind) -> Recorder:
        """Register a recorder of these kinds of crossings."""
        recorder = Recorder(kinds=kinds)
        self.boundary.register(recorder)
        return recorder

    def scripted(self, kind: Kind, first: Script = PROCEED, then: object = None) -> Scripted:
        """Register a scripted meta-application."""
        scripted = Scripted(first, then, kinds=(kind,))
        self.boundary.register(scripted)
        return scripted
