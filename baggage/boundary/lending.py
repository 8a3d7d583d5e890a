"""Loans: the right to write that a call takes along, and gets back with its answer (R6).

Belongs here: whether to lend, what became of a loan, and what never left. Does not: which ids are
sound to take (`values.lending`), headers (`transport`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from socket import gaierror
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from baggage.boundary import transport
from baggage.boundary.adapter import Adapter, Carrier, lends
from baggage.context import Branch, ensure
from baggage.values import EMPTY, Baggage, Key, Value
from baggage.values.history import NO_IDS
from baggage.values.lending import (
    NOTHING_LENT,
    Lease,
    admitted,
    bearing,
    coming_home,
    lease_of,
)

if TYPE_CHECKING:
    from baggage.boundary.call import Call
    from baggage.boundary.driver import Boundary
    from baggage.boundary.policy import Policy

_log = logging.getLogger("baggage.boundary")
_UNSENT: Final = (ConnectionRefusedError, gaierror)
"""What is raised only while there is no connection yet."""

_LINKS: Final = 32
Changes: TypeAlias = Mapping[Key, Value]


class Loan:
    """What one call lends: made where it may lend, with ids from `send` until they are back.

    Used as the departure that it is of.
    """

    __slots__ = ("_adapter", "_handled", "_lease", "_left")

    def __init__(self, adapter: Adapter) -> None:
        """Lend nothing yet."""
        self._adapter = adapter
        self._lease: Lease | None = NOTHING_LENT  # None once it was answered
        self._left = False
        # What the application handles here is the context of whatever the call will raise.
        self._handled = sys.exc_info()[1]

    @classmethod
    def open(
        cls, boundary: Boundary, policy: Policy, adapter: Adapter, request: Any, call: Call | None
    ) -> Loan | None:
        """Return a loan for a call that may lend; None for any other."""
        try:
            if lends(adapter, request):
                endpoint = (call or adapter.describe(request)).endpoint
                if endpoint is not None and policy.may_borrow(endpoint.host):
                    return cls(adapter)
        except Exception as error:  # noqa: BLE001 - kept from the application
            boundary.failed(error)
        return None

    def send(
        self, carrier: Carrier, running: Branch | None, down: Changes, *, origin: str, budget: int
    ) -> bool:
        """Put what the branch has on a request, with all of its ids; False if that can't be.

        Then nothing is on the request, and the branch has its ids. `down` is what the callee sees
        otherwise.
        """
        if running is None:
            return False
        here = running.baggage.history
        if not here.own:
            self._lease = Lease(NO_IDS, here.known)
            return False
        given = running.lend()
        self._lease = lease_of(given)
        done = False
        try:
            sent = given.without_home().lowered(down)
            done = transport.lend(carrier, sent, origin=origin, budget=budget)
        finally:
            if not done:
                self._reclaim(running)
                self._lease = Lease(NO_IDS, here.known)
        return done

    def leave(self) -> None:
        """Note that the request is on its way now: who may get it can't be known any more."""
        self._left = True

    def read(self, carrier: Carrier | None) -> Baggage:
        """Return the baggage of an answer, with the ids that are taken: once, and no others."""
        received = transport.read(carrier, lent=True)
        lease, self._lease = self._lease, None
        if not received.history.own:
            return received
        if lease is None:
            return received.peeked()
        here = ensure().baggage
        taken, refused = admitted(lease, received, here)
        if refused:
            _log.warning("ids refused", extra={"roots": len(refused), "service": received.origin})
        return coming_home(received, taken, here)

    def failed(self, error: BaseException) -> None:
        """Take the ids back of a call that failed before anything was sent; else they are lost."""
        if self._lease and self._lease.ids and self._unsent(error):
            self._reclaim(ensure())

    def close(self) -> None:
        """Take the ids back of a request that was never sent after all."""
        if self._lease and self._lease.ids and not self._left:
            self._reclaim(ensure())

    def _reclaim(self, running: Branch) -> None:
        lease, self._lease = self._lease or NOTHING_LENT, NOTHING_LENT
        running.join(coming_home(EMPTY, lease.ids, running.baggage))

    def _unsent(self, error: BaseException) -> bool:
        """Say whether an exception tells that nothing was sent: the adapter's word, else causes."""
        ask = getattr(self._adapter, "unsent", None)
        told: bool | None = None if ask is None else ask(error)
        if told is not None:
            return told
        link: BaseException | None = error
        for _ in range(_LINKS):
            if link is None or link is self._handled:
                return False
            if isinstance(link, _UNSENT):
                return True
            link = link.__cause__ or link.__context__
        return False


def repay(
    carrier: Carrier, running: Branch, came: Baggage, *, origin: str, budget: int
) -> Baggage | None:
    """Put all that a branch has on an answer, its ids with it; the branch keeps none.

    Returns what is to be answered instead, without ids, where there is no room for all of it; None
    where it's done.
    """
    given = running.lend()
    running.take_home()
    back = given.returning(since=came)
    whole = bearing(back, given.history.own)
    return None if transport.lend(carrier, whole, origin=origin, budget=budget) else back
