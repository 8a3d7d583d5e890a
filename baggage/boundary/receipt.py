"""Receipts: what came with a request, told on its response, so that who asked hears what got lost.

They go by a header of their own, since the `baggage` header is what may get lost. Only where
`Policy.receipts` says so: nobody else pays for them, and no stranger hears a service's name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from baggage.boundary import transport
from baggage.boundary.accounts import overlapping
from baggage.boundary.adapter import Carrier, lends
from baggage.boundary.arrival import Arrival
from baggage.boundary.conservation import Conservation
from baggage.boundary.departure import Departure
from baggage.boundary.metaapp import Proceed
from baggage.boundary.outcome import Receipt, Returned
from baggage.context import Branch, branch, ensure
from baggage.values import EMPTY, Baggage
from baggage.values.known import covers
from baggage.wire import NAME, split_members

HEADER: Final = "baggage-receipt"
_CAME, _NONE = "came", "none"
_LONGEST: Final = 256
_NOBODY: Final = Branch()


class Receipted(Departure):
    """A departure that reads what its answer says of the baggage that was sent."""

    def proceed(self, directive: Proceed) -> None:
        """Put baggage on the request, and note whether any is on it, and what it knows."""
        running = branch()
        self._sent, self._knew = False, (EMPTY if running is None else running.baggage).history
        super().proceed(directive)
        self._sent = _carries(self._adapter.request_carrier(self._request))

    def answered(self, response: Any) -> Returned:
        """Return the outcome of a response, with its receipt."""
        doubled = False
        with self._boundary.isolated():
            doubled = self._doubled(self._adapter.response_carrier(response))
        returned = super().answered(response)
        with self._boundary.isolated():
            receipt, service = self._receipt(self._adapter.response_carrier(response))
            receipt = Receipt.DOUBLED if doubled else receipt
            return replace(returned, receipt=receipt, target=returned.target or service)
        return returned

    def join(self, received: Baggage) -> None:
        """Merge what an answer brought, whosever it is if it knows all that was sent.

        Where requests wait for the same piece of work, all of them are told of each. Whether that
        was meant, the callee's audit says, which sees the two come together.
        """
        ensure().join(received, batch=covers(received.history.seen, self._knew.seen))

    def _receipt(self, carrier: Carrier | None) -> tuple[Receipt, str]:
        """Return what is said on a response, and the name of the service that says so."""
        if carrier is None or not self._sent:
            return Receipt.UNKNOWN, ""
        told = (carrier.get(HEADER) or "")[:_LONGEST]
        came, _, service = told.partition(";")
        if came == _NONE:
            return Receipt.NONE_CAME, service
        if _carries(carrier):
            return (Receipt.BEHIND if self._behind(carrier) else Receipt.COMPLETE), service
        return (Receipt.NONE_BACK if came == _CAME else Receipt.SILENT), service

    def _doubled(self, carrier: Carrier | None) -> bool:
        """Say whether ids that come back have come back before."""
        if self.loan is None:
            return False
        held = (branch() or _NOBODY).baggage.history.own
        return overlapping(held, transport.read(carrier, lent=True).history.own)

    def _behind(self, carrier: Carrier) -> bool:
        """Say whether what came back was never told of what was sent; unknown of what was cut."""
        back = transport.read(carrier).history
        if back.empty or back.over is not None:
            return False
        return not covers(back.seen, self._knew.seen)


class Receipting(Arrival):
    """An arrival that tells on the response whether baggage came, and who says so.

    Its caller need not hear of a root that was made for an audit, and never written with.
    """

    def proceed(self, directive: Proceed) -> None:
        """Show the flows' changes in the scope; what they made it know goes back to nobody."""
        super().proceed(directive)
        self._came = self.branch.baggage

    def respond(self, carrier: Carrier | None) -> None:
        """Account for what was lent, and put what goes home on the response."""
        policy, watch = self.policy or self._boundary.policy, self.branch.watch
        if policy.lend and isinstance(watch, Conservation):
            with self._boundary.isolated():
                if lends(self._adapter, self._request):
                    self.branch.recall()  # what nobody misses is not split off for them now
                    watch.repays(self.branch)
        super().respond(carrier)

    @property
    def unheard(self) -> bool:
        """Never: the response tells of it."""
        return False

    @property
    def aware(self) -> bool:
        """Always: the response tells of it."""
        return True

    def _respond(self, carrier: Carrier | None) -> None:
        if carrier is not None:
            from urllib.parse import quote  # here: only audit mode needs it

            came = _CAME if self._aware else _NONE
            carrier.set(HEADER, f"{came};{quote(self.target)}")
        super()._respond(carrier)


def _carries(carrier: Carrier | None) -> bool:
    header = None if carrier is None else carrier.get(NAME)
    return bool(header) and split_members(header or "")[0] is not None
