"""Leaving a branch: a call to a callee that may bring something back.

A departure opens no scope: what flows change for the callee, the caller does not see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from baggage.boundary import transport, underway
from baggage.boundary.crossing import Crossing, drive
from baggage.boundary.metaapp import Proceed
from baggage.boundary.outcome import Outcome, Raised, Returned
from baggage.boundary.policy import EVERYWHERE, Policy
from baggage.context import branch, ensure
from baggage.values import EMPTY, Baggage

if TYPE_CHECKING:
    from baggage.boundary.lending import Loan

T = TypeVar("T")


class Departure(Crossing):
    """A crossing that sends baggage along, and joins what comes back. See `Crossing`.

    `loan` is what it lends, None where nobody lends to the callee.
    """

    loan: Loan | None = None

    def may_lend(self, policy: Policy) -> None:
        """Lend to the callee, if the policy and the adapter let it be."""
        from baggage.boundary.lending import Loan  # here: few ever lend

        self.loan = Loan.open(self._boundary, policy, self._adapter, self._request, self.call)

    def drive(self, send: Callable[[], T]) -> T:
        """Take all steps around `send`, in this thread."""
        return drive(self, send)

    def proceed(self, directive: Proceed) -> None:
        """Put baggage and foreign headers on the request."""
        running, down, headers = branch(), directive.down, directive.headers
        if running is None and not (down or headers):
            return
        carrier = self._adapter.request_carrier(self._request)
        if carrier is None:
            return
        for name, value in headers.items():
            carrier.set(name, value)
        if running is None and not down:
            return
        policy = self.policy or self._boundary.policy
        if policy.hosts != EVERYWHERE and not self._trusted():
            return
        source = (running.service if running is not None else "") or policy.service
        loan, budget = self.loan, policy.budget
        if loan is not None and loan.send(carrier, running, down, origin=source, budget=budget):
            return
        carried = (EMPTY if running is None else running.baggage.departing()).lowered(down)
        if carried is EMPTY:
            transport.sign(carrier, origin=source, budget=budget)
        else:
            transport.write(carrier, carried, origin=source, budget=budget)

    def leave(self) -> None:
        """Note that the request is on its way, where neither `happen` nor `ahappen` sends it."""
        if self.loan is not None:
            self.loan.leave()

    def happen(self, step: Callable[[], T]) -> T:
        """Let `step` send the request; what it is built on is a part of this call."""
        self.leave()
        token = underway.begin((branch(), self._adapter.library))
        try:
            return step()
        finally:
            underway.end(token)

    async def ahappen(self, step: Callable[[], Awaitable[T]]) -> T:
        """Let `step` send the request, as `happen` does."""
        self.leave()
        token = underway.begin((branch(), self._adapter.library))
        try:
            return await step()
        finally:
            underway.end(token)

    def brought(self, response: Any) -> str:
        """Join the baggage that a response brought; return the name of the service that answered.

        Hosts that are not trusted with ours bring none.
        """
        target = self.target
        try:
            received = EMPTY
            hosts = (self.policy or self._boundary.policy).hosts
            if hosts == EVERYWHERE or self._trusted():
                carrier, loan = self._adapter.response_carrier(response), self.loan
                received = transport.read(carrier) if loan is None else loan.read(carrier)
            if received.origin:
                target = received.origin
                self._boundary.learn(self.call, target)
                if received.returns:
                    self.join(received)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)
        return target

    def join(self, received: Baggage) -> None:
        """Merge what an answer brought."""
        ensure().join(received)

    def answered(self, response: Any) -> Returned:
        """Return the outcome of a response, after joining the baggage that it brought."""
        target = self.brought(response)
        return Returned(response, self._facts(response), target)

    def raised(self, error: BaseException) -> Outcome:
        """Return the outcome of an exception; one that tells of an answer brings baggage too."""
        with self._boundary.isolated():
            if self.loan is not None:
                self.loan.failed(error)
            response = self._adapter.answer(error)
            if response is not None:
                answered = self.answered(response)
                return Raised(
                    error, answered.target, facts=answered.facts, receipt=answered.receipt
                )
        return super().raised(error)

    def close(self) -> None:
        """End the flows that have not ended; what was lent comes home if it never left."""
        onion = self._onion
        if onion is not None and onion.flows:
            onion.close()
        if self.loan is not None:
            with self._boundary.isolated():
                self.loan.close()

    def _trusted(self) -> bool:
        """Say whether the policy lets the callee have baggage, and so read its own."""
        return self._boundary.may_receive(self._adapter, self._request, self.call)


def receipted() -> type[Departure]:
    """Return the class of departures that read receipts."""
    from baggage.boundary.receipt import Receipted  # here: for audits alone

    return Receipted
