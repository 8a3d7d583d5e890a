"""Dispatching: a fork whose child runs in another process, as far as bytes can carry it.

What goes along is an `Errand`, what comes back a `Report`: plain values that pickle. How they get
there and back is the instrumentation's affair. A fork in one process is in `fork`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from baggage.boundary.adapter import Adapter
from baggage.boundary.call import UNKNOWN_SITE, Call, CallSite, Kind
from baggage.boundary.consuming import finish
from baggage.boundary.crossing import drive
from baggage.boundary.fork import Fork, Run
from baggage.boundary.homing import collect, take_home
from baggage.boundary.request import name_request, request_of
from baggage.boundary.transport import write_header
from baggage.context import Branch, attached, enter, leave
from baggage.values import EMPTY, Baggage, BaggageError, dropped, fit

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

_log = logging.getLogger("baggage.boundary")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Errand:
    """What a child in another process is given along: no ids, as all that leaves as bytes.

    `site` is where in the application the child was started. A `muted` child is invisible.
    `request` names the scope that it is a part of, in whichever process; behind an `idle` one there
    is no request at all. Whoever takes it waits for `delay` seconds before.
    """

    blob: bytes = b""
    foreign: tuple[str, ...] = ()
    service: str = ""
    site: CallSite = UNKNOWN_SITE
    muted: bool = False
    request: bytes = b""
    idle: bool = False
    delay: float = 0.0

    @classmethod
    def of(cls, child: Branch, boundary: Boundary, call: Call | None) -> Errand:
        """Return what a branch takes along into another process."""
        if child.muted:
            return cls(muted=True)
        fitted = fit(child.baggage)
        if fitted.dropped:
            _log.warning("baggage over budget", extra={"dropped": fitted.dropped})
        service = child.service or boundary.policy.service
        site = UNKNOWN_SITE if call is None else call.site
        foreign, request = child.baggage.foreign, request_of(child)
        return cls(fitted.blob, foreign, service, site, request=request, idle=child.idle)

    def read(self) -> Baggage:
        """Return the baggage that came along."""
        try:
            carried = Baggage.deserialize(self.blob) if self.blob else EMPTY
        except BaggageError as error:
            dropped(error, len(self.blob))
            carried = EMPTY
        return carried.within(self.foreign) if self.foreign else carried


@dataclass(frozen=True, slots=True)
class Report:
    """What a child in another process brings home.

    `told` says that meta-applications over there have seen it run.
    """

    blob: bytes = b""
    told: bool = False


class Dispatch(Fork):
    """One dispatch: `start` with an `errand` in the parent; `report` what came back; then `join`.

    The child's branch here stands for the one over there: callbacks of it run in that. Safe in any
    thread.
    """

    _reported = False

    def __init__(
        self, boundary: Boundary, adapter: Adapter, request: Any, call: Call | None
    ) -> None:
        """Prepare; nothing leaves yet."""
        super().__init__(boundary, adapter, request, call)
        self._lock = RLock()

    def divide(self, parent: Branch) -> Branch:
        """Return a branch with what a process may have of the parent: its stamp does not grow."""
        departing = parent.baggage.departing()
        child = Branch(departing, parent.service, muted=parent.muted, scope=parent.scope)
        parent.family.add(child)
        return child

    def errand(self) -> Errand:
        """Return what the child is given along. Ask while it's launched, or after."""
        return Errand.of(self._child, self._boundary, self.call)

    def header(self) -> str:
        """Return the value of a `baggage` header for the child; "" where nothing is carried.

        It names no origin: whether the child reads what is answered, nobody knows.
        """
        child = self._child
        if child.muted or child.baggage.empty:
            return ""
        return write_header(child.baggage, budget=self._boundary.policy.budget)

    def report(self, report: Report | None = None, error: BaseException | None = None) -> None:
        """Take what came back, once; None where the child ended and nothing did.

        `error` is what the child's work raised. Where nobody over there saw it run, those who are
        interested here hear now that it did, and ended.
        """
        with self._lock:
            if self._reported:
                return
            self._reported = True
            token = enter(self._child)
            try:
                with self._boundary.isolated():
                    if report is not None and report.blob:
                        self._child.join(Baggage.deserialize(report.blob))
                    if report is None or not report.told:
                        self._stand_in(error)
                    self._ended()
            finally:
                leave(token)

    def _stand_in(self, error: BaseException | None) -> None:
        run = Run(self._boundary, self._adapter, self._request, self._arriving())
        try:
            if run.begin() is None:
                run.end(run.answered(None) if error is None else run.raised(error))
        finally:
            run.close()


class Visit:
    """The child's side: `run` the work in a scope of its own, then `report`.

    `boundary` is that of the child's process, None for one that is not instrumented: the work
    carries baggage all the same. `adapter` is the one that dispatched.
    """

    __slots__ = ("_adapter", "_boundary", "_branch", "_came", "_errand", "_told")

    def __init__(self, errand: Errand, boundary: Boundary | None, adapter: Adapter) -> None:
        """Prepare the branch that the work will run in."""
        self._errand, self._boundary, self._adapter = errand, boundary, adapter
        self._came = errand.read()
        self._branch = Branch(self._came, errand.service, muted=errand.muted, idle=errand.idle)
        name_request(self._branch, errand.request)
        self._told = False

    def run(self, work: Callable[[], T]) -> T:
        """Do the work; what it raises passes through."""
        token = enter(self._branch)
        try:
            boundary = self._boundary
            if boundary is None or self._branch.muted:
                return work()
            call = self._call(boundary)
            self._told = call is not None
            return drive(Run(boundary, self._adapter, None, call), work)
        finally:
            finish()
            self._branch.close()
            collect(self._branch)
            leave(token)

    def stay(self) -> Callable[[], None]:
        """Go on in the branch for good; return what is to be called at the process's end."""
        enter(self._branch)
        boundary = self._boundary
        if boundary is None or self._branch.muted:
            return lambda: None
        run = Run(boundary, self._adapter, None, self._call(boundary))
        with boundary.isolated():
            run.begin()

        def end() -> None:
            with attached(self._branch), boundary.isolated():
                run.end(run.answered(None))
                run.close()
                collect(self._branch)
                boundary.overflow(take_home(self._branch))

        return end

    def report(self, budget: int | None = None) -> Report:
        """Return what the work brings home; what finds no room is handed to its owners.

        `budget` is in bytes; None is as much as is ever read.
        """
        back = self._branch.baggage.returning(since=self._came)
        if back.history.empty and back.history.over is None and not back.home:
            return Report(told=self._told)
        fitted = fit(back, budget)
        if fitted.home:
            self._overflow(fitted.home)
        return Report(fitted.blob, self._told)

    def _overflow(self, home: Any) -> None:
        token = enter(self._branch)
        try:
            if self._boundary is None:
                _log.warning("values lost", extra={"keys": sorted(home)})
            else:
                self._boundary.overflow(home)
        finally:
            leave(token)

    def _call(self, boundary: Boundary) -> Call | None:
        if not boundary.interested(Kind.RUN, self._adapter.library):
            return None
        with boundary.isolated():
            call = replace(self._adapter.describe(None), kind=Kind.RUN)
            return call.placed(self._errand.service, "", self._errand.site)
        return None
