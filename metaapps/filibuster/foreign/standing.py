"""A server that stands by itself: it hears what foreign services do, and fails nothing.

No run tells it where an execution begins, so it takes each request from outside for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.coordinator import Inbox
from metaapps.filibuster.foreign.ledger import Ledger
from metaapps.filibuster.foreign.messages import Invocation
from metaapps.filibuster.foreign.server import HOST, PORT, ForeignServer
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.status import shown_fault
from metaapps.filibuster.tree import describe, ended


@dataclass(slots=True)
class Seen:
    """What was heard of one kind of call: how often, how it ended, and what could befall it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: tuple[str, ...] = ()


class StandingServer(ForeignServer):
    """Tells `heard` of every call that ends, and keeps a summary. Safe in any thread."""

    def __init__(
        self,
        catalogue: Catalogue,
        heard: Callable[[Observation], None],
        host: str = HOST,
        port: int = PORT,
    ) -> None:
        """Listen, as `ForeignServer` does; a run would take its faults from `catalogue`."""
        super().__init__(host, port, catalogue)
        self._heard = heard
        self._summary: dict[str, Seen] = {}
        self._requests = 0
        self._open = self.begin(FAULT_FREE, Inbox())
        self._guard = Lock()

    @property
    def requests(self) -> int:
        """How many requests from outside made calls."""
        return self._requests

    @property
    def summary(self) -> dict[str, Seen]:
        """What was heard of each kind of call, in the order of their first end."""
        with self._guard:
            return dict(self._summary)

    def ledger_for(self, call: Invocation) -> Ledger:
        """Return where a call belongs: to a request that is known, or to the next one."""
        with self._guard:
            if not call.path.enclosing.pairs and self._begins(call):
                self._requests += 1
                self._open = self.begin(FAULT_FREE, Inbox())
            return self._open

    def ended(self, call: Observation) -> None:
        """Add a call to the summary."""
        with self._guard:
            kind = describe(call).partition(" #")[0]
            faults = tuple(
                shown_fault(call.library, fault) for fault in self.catalogue.faults_for(call)
            )
            seen = self._summary.setdefault(kind, Seen(faults=faults))
            seen.outcomes[ended(call)] += 1
        self._heard(call)

    def _begins(self, call: Invocation) -> bool:
        """Say whether a call that nothing encloses is its request's first.

        Clients start a clock of their own for each request from outside.
        """
        return not self._requests or (self._open.quiet and sum(call.clock.values()) <= 1)
