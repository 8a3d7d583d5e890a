"""A departure that is answered later, in any thread: a future, a stream, a callback.

Its flows end when the answer is there, in a branch of their own, whoever notices it. What it
brought is joined by whoever takes the answer, and at no other moment.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from baggage.boundary.departure import Departure
from baggage.boundary.fork import Fork
from baggage.boundary.outcome import Outcome, Raised
from baggage.context import Branch


class Pending(Fork):
    """A departure that has begun: `settle` it once it's answered, `join` where that is read.

    Make it in the branch that departs. Safe in any thread. Work that follows on the answer, such as
    a callback of the application, runs in `resume`.
    """

    _outcome: Outcome | None = None

    def __init__(self, departure: Departure) -> None:
        """Take over a departure that happens now, to end and close it."""
        super().__init__(departure._boundary, departure._adapter, departure._request, None)
        self._departure = departure
        self._lock = RLock()
        self.start(lambda: None)

    def divide(self, parent: Branch) -> Branch:
        """Return a branch that knows what the caller knows, without a share of its stamp."""
        knows = parent.baggage.departing()
        child = Branch(knows, parent.service, muted=parent.muted, scope=parent.scope)
        parent.family.add(child)
        return child

    def settle(self, tell: Callable[[Departure], Outcome]) -> Outcome:
        """End the crossing with the outcome that `tell` makes; return what the application sees.

        Only the first call ends it; the others wait, and return the same.
        """
        with self._lock:
            if self._outcome is None:
                self._outcome = self.resume(lambda: self._settle(tell))
                self._ended()
            return self._outcome

    def _settle(self, tell: Callable[[Departure], Outcome]) -> Outcome:
        try:
            return self._departure.end(tell(self._departure))
        finally:
            self._departure.close()


def launch(departure: Departure, start: Callable[[], object]) -> Pending | Outcome:
    """Begin a departure whose `start` returns before the answer is there.

    Returns the outcome where flows kept it from happening. What `start` raises passes through. The
    delay that flows ask for is the caller's to wait for, in `start`.
    """
    pending = None
    try:
        outcome = departure.begin()
        if outcome is not None:
            return departure.end(outcome)
        try:
            departure.happen(start)
        except BaseException as error:
            outcome = departure.end(departure.raised(error))
            if isinstance(outcome, Raised) and outcome.error is error:
                raise
            return outcome
        pending = Pending(departure)
        return pending
    finally:
        if pending is None:
            departure.close()
