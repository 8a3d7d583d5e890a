"""Deferrals: a fork whose child runs later, wherever the last of those ends that it waits for.

What it will know lies with them meanwhile, as bytes. It is no message: nobody sends it, and nobody
but one of those who have it goes on with it, as a declared join of what all of them know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from baggage.boundary import transport
from baggage.boundary.adapter import Adapter, Carrier
from baggage.boundary.call import UNKNOWN_SITE, CallSite, Kind
from baggage.boundary.delivery import answer
from baggage.boundary.dispatch import Dispatch, Report
from baggage.boundary.fork import Run
from baggage.boundary.homing import collect, take_home
from baggage.boundary.publication import Note
from baggage.boundary.request import name_request, request_of
from baggage.boundary.site import call_site
from baggage.context import Branch, branch, enter, leave

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

T = TypeVar("T")


class Deferral(Dispatch):
    """One fork that is put off: `start` it by what has others know of it, and have that `put`.

    Nobody here waits for the child's end.
    """

    @classmethod
    def of(cls, boundary: Boundary, adapter: Adapter, request: Any) -> Self | None:
        """Prepare one; None as for any fork."""
        return boundary._fork(cls, adapter, request)

    @property
    def site(self) -> CallSite:
        """Where in the application the fork was put off; ask while it's launched."""
        return call_site(self._adapter.packages) if self.call is None else self.call.site

    def put(self) -> None:
        """Put what the child will know on what `Adapter.request_carrier` returns, once."""
        child, boundary = self._child, self._boundary
        carrier = self._adapter.request_carrier(self._request)
        empty = child.muted or child.baggage.empty
        if carrier is None or empty:
            pass
        elif boundary.may_receive(self._adapter, self._request, self.call):
            policy = self.policy or boundary.policy
            origin = child.service or policy.service
            transport.write(carrier, child.baggage, origin=origin, budget=policy.budget)
            Note(b"" if self._parent is None else request_of(self._parent)).write(carrier)
        self.report(Report(told=True))


class Deferred:
    """The child's side: `resume` the work, in parts if need be, each in one thread; then `end`."""

    __slots__ = ("_adapter", "_boundary", "_branch", "_request", "_run")

    def __init__(self, boundary: Boundary, adapter: Adapter, request: Any) -> None:
        """Prepare the child's branch, from what was put on a request."""
        self._boundary, self._adapter, self._request = boundary, adapter, request
        came = adapter.request_carrier(request)
        self._branch = Branch(transport.read(came).without_home())
        self._branch.arrived = True
        name_request(self._branch, Note.read(came).request)
        self._run: Run | None = None

    def resume(self, work: Callable[[], T]) -> T:
        """Do some of the work; it knows what is known here, too. What it raises passes through."""
        here, opened = branch(), self._branch
        if here is not None and here is not opened:
            opened.join(here.baggage.departing(), batch=True)
        token = enter(opened)
        try:
            if self._run is None:
                with self._boundary.isolated():
                    self._begin(None if here is None else here.place)
            return work()
        finally:
            leave(token)

    def answer(self, carrier: Carrier) -> None:
        """Put what the child knows so far on an answer, as `Delivery.answer` does."""
        answer(self._boundary, self._branch, carrier)

    def end(self, error: BaseException | None = None) -> None:
        """Note that the work is done, or that it failed."""
        boundary, opened, run = self._boundary, self._branch, self._run
        token = enter(opened)
        try:
            with boundary.isolated():
                if run is not None:
                    run.end(run.answered(None) if error is None else run.raised(error))
                    run.close()
                opened.close()
                collect(opened)
                boundary.overflow(take_home(opened))
        finally:
            leave(token)

    def _begin(self, place: CallSite | None) -> None:
        """Let flows see that the child runs; what it starts was started where it was put off."""
        boundary, adapter = self._boundary, self._adapter
        call = replace(adapter.describe(self._request), kind=Kind.RUN)
        self._branch.place = place if call.site is UNKNOWN_SITE else call.site
        wanted = boundary.interested(Kind.RUN, adapter.library)
        source = boundary.policy.service
        told = call.placed(source, call.target, call.site) if wanted else None
        self._run = Run(boundary, adapter, self._request, told)
        self._run.begin()
