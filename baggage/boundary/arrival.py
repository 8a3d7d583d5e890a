"""Arriving: the scope of one request, from the baggage that came to what goes home.

An arrival opens a scope: a branch of its own, which ends with the request and leaks to no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from baggage.boundary import transport
from baggage.boundary.adapter import Adapter, Carrier, lends
from baggage.boundary.call import Call
from baggage.boundary.crossing import Crossing, Delivered, deliver
from baggage.boundary.homing import collect, condensed, take_home
from baggage.boundary.metaapp import Proceed
from baggage.boundary.outcome import Outcome, Returned
from baggage.context import Branch, enter, leave

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary
    from baggage.boundary.policy import Policy
    from baggage.values import Baggage, Value

T = TypeVar("T")


class Arrival(Crossing):
    """A crossing that opens a scope: within `scope`, take the steps, and `respond`; then `close`.

    Where the response is known before it is sent, `respond` comes after `end`; where the response
    streams, before it.
    """

    _begun = False

    def __init__(
        self, boundary: Boundary, adapter: Adapter, request: Any, call: Call | None, branch: Branch
    ) -> None:
        """Prepare the scope of `branch`, which carries the baggage that arrived."""
        super().__init__(boundary, adapter, request, call)
        self.branch = branch
        branch.arrived = True
        self._came = branch.baggage
        # Every instrumented hop signs what it sends. Whoever doesn't will not read what comes back.
        self._aware = bool(self._came.origin)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Run a block in this arrival's branch. May be entered again, for the parts of a stream."""
        token = enter(self.branch)
        try:
            yield
        finally:
            leave(token)

    def proceed(self, directive: Proceed) -> None:
        """Show the `down` keys of the flows to what runs in the scope."""
        down = directive.down
        if down:
            self.branch.update(lambda carried: carried.lowered(down))

    def drive(self, handle: Callable[[], T]) -> T | Delivered:
        """Take all steps around `handle`, which makes the whole response, in this thread."""
        token = enter(self.branch)  # `scope` takes several times as long, as a context manager
        try:
            # Where no flow is asked, none decides, and none changes what is answered.
            response = handle() if self.call is None else self._asked(handle)
            self.respond(self._adapter.response_carrier(response))
            return response
        finally:
            leave(token)
            self.close()

    def _asked(self, handle: Callable[[], T]) -> T | Delivered:
        outcome = self.begin()
        if outcome is None:
            outcome = self._handled(handle)
        return deliver(self.end(outcome))

    def _handled(self, handle: Callable[[], T]) -> Outcome:
        if self.delay:
            time.sleep(self.delay)
        try:
            response = handle()
        except BaseException as error:  # noqa: BLE001 - delivered as it is
            return self.raised(error)
        return self.answered(response)

    def end(self, outcome: Outcome) -> Outcome:
        """Send the outcome to the flows; return what is to be answered."""
        if self._begun and isinstance(outcome, Returned):
            outcome = replace(outcome, begun=True)
        return super().end(outcome)

    def respond(self, carrier: Carrier | None) -> None:
        """Put what goes home on the response; what can't go that way is handed to its owners."""
        self._begun = True
        try:
            if self._onion is not None and self.call is not None:
                self._onion.ahead(self.call)
            self._respond(carrier)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)

    def close(self) -> None:
        """End the scope: flows that have not ended, and `home` values that came too late."""
        super().close()
        self.branch.close()
        try:
            self._leave()
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)

    @property
    def unheard(self) -> bool:
        """Whether nobody asks about this arrival, and its caller won't read what comes home."""
        return self.call is None and not self._aware

    @property
    def aware(self) -> bool:
        """Whether anything is to be put on the response: the caller reads it."""
        return self._aware

    @property
    def target(self) -> str:
        """The name of the service that was arrived at: this one."""
        return self.branch.service or self._boundary.policy.service

    def _respond(self, carrier: Carrier | None) -> None:
        if carrier is None or not self._aware:
            self._leave()
            return
        running, policy = self.branch, self.policy or self._boundary.policy
        history = running.baggage.history
        lending = bool(policy.lend and history.own) and lends(self._adapter, self._request)
        if running.alone and history is self._came.history and not lending:
            # Nothing was packed or removed, as is usual.
            transport.sign(carrier, origin=self.target, budget=policy.budget)
            return
        if lending:
            running.recall()
        collect(running)
        if lending:
            back = self._repaid(carrier, policy)
            if back is None:
                return
        else:
            whole = running.baggage
            running.take_home()
            back = whole.returning(since=self._came)
        left = transport.write(carrier, back, origin=self.target, budget=policy.budget)
        if left:
            self._overflow(carrier, back, left, policy.budget)

    def _repaid(self, carrier: Carrier, policy: Policy) -> Baggage | None:
        """Give what was lent back, or else return what to answer without it."""
        from baggage.boundary.lending import repay  # here: few ever lend

        target, budget = self.target, policy.budget
        return repay(carrier, self.branch, self._came, origin=target, budget=budget)

    def _overflow(
        self, carrier: Carrier, back: Baggage, left: Mapping[str, Sequence[Value]], budget: int
    ) -> None:
        """Say in short what found no room, or hand it to its owners."""
        boundary = self._boundary
        short, said = condensed(back, left, boundary.apps)
        if said:
            left = transport.write(carrier, short, origin=self.target, budget=budget)
        boundary.overflow(left)

    def _leave(self) -> None:
        """Hand all `home` values to their owners."""
        if self.branch.alone:
            return
        collect(self.branch)
        left = take_home(self.branch)
        if left:
            self._boundary.overflow(left)


def receipting() -> type[Arrival]:
    """Return the class of arrivals that give receipts."""
    from baggage.boundary.receipt import Receipting  # here: for audits alone

    return Receipting
