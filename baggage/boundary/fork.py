"""Forking: a branch of execution starts another one in this process (threads, pools, tasks).

The parent splits, the child runs in its own branch, and whoever waits for it joins it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from baggage.boundary import underway
from baggage.boundary.adapter import Adapter, CannotEnact
from baggage.boundary.call import Call, Kind
from baggage.boundary.consuming import finish
from baggage.boundary.crossing import Crossing, adrive, drive
from baggage.boundary.homing import collect, take_home
from baggage.boundary.metaapp import Proceed
from baggage.boundary.onion import Onion
from baggage.boundary.outcome import Fault, FaultKind, Outcome, Returned
from baggage.boundary.request import join_awaited
from baggage.boundary.work import Work
from baggage.context import Branch, branch, ensure, enter, leave
from baggage.values import EMPTY, Baggage

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

T = TypeVar("T")


class Fork(Crossing):
    """One fork: `start` in the parent, `run` in the child, `join` by whoever waits for it.

    These happen in this order, each in any thread; `join` any number of times, by anyone.
    """

    _joined: Baggage | None = None

    def __init__(
        self, boundary: Boundary, adapter: Adapter, request: Any, call: Call | None
    ) -> None:
        """Prepare; nothing is split yet."""
        super().__init__(boundary, adapter, request, call)
        self._parent = branch()
        # Until it's started; where nothing is carried there is nothing to split.
        self._child = self._parent or Branch(idle=True)

    @property
    def parent(self) -> Branch | None:
        """The branch that forks, None where nothing was carried yet."""
        return self._parent

    @property
    def child(self) -> Branch:
        """The child's branch, once it's started."""
        return self._child

    @property
    def watched(self) -> bool:
        """Whether somebody is to be told when the child runs: `run`, or `arun`, has to know."""
        return self._arriving() is not None

    def context(self) -> Context:
        """Return a copy of the current context in which the child's branch is the current one."""
        copied = copy_context()
        copied.run(enter, self._child)
        return copied

    def start(self, launch: Callable[[], T]) -> T:
        """Split, and launch the child by `launch`."""
        if self.call is not None:
            return drive(self, launch)
        self.begin()
        try:
            return self.happen(launch)
        except BaseException as error:
            self.raised(error)
            raise

    def slow(self, onion: Onion, call: Call, fault: Fault) -> None:
        """Refuse: who starts a branch doesn't wait for it."""
        raise CannotEnact("nobody waits while a branch starts")

    def proceed(self, directive: Proceed) -> None:
        """Split the parent's branch: the child knows what it knows."""
        if self._parent is not None:
            self._child = self.divide(self._parent)
        if self.call is not None:
            self._child.place = self.call.site
        if directive.down:
            self._child.update(lambda carried: carried.lowered(directive.down))

    def divide(self, parent: Branch) -> Branch:
        """Return the branch that the child runs in, of the parent's family."""
        return parent.fork()

    def happen(self, step: Callable[[], T]) -> T:
        """Let `step` launch the child; what the launch is built on is a part of it."""
        token = underway.begin((branch(), self._adapter.library))
        try:
            return step()
        finally:
            underway.end(token)

    def answered(self, response: Any) -> Outcome:
        """Return the outcome of a launch, which brings nothing back yet."""
        return Returned(response)

    def raised(self, error: BaseException) -> Outcome:
        """Return the outcome of a launch that failed: the branch that never ran comes home."""
        with self._boundary.isolated():
            self.undo()
        return super().raised(error)

    def run(self, work: Callable[[], T]) -> T:
        """Do the child's work in its own branch. What `work` raises passes through."""
        child = self._child
        token = enter(child)
        try:
            call = self._arriving()
            if call is None:
                return work()
            return drive(Run(self._boundary, self._adapter, self._request, call), work)
        finally:
            self._finished()
            leave(token)

    def arun(self, work: Coroutine[Any, Any, T], *, home: bool = False) -> Work[T]:
        """Return the child's work as a coroutine that runs in its own branch, in any context.

        `home` joins it into the parent as it ends, where nobody can tell who waits for it.
        """
        return Work(self._child, work, self._arun_home if home else self._arun)

    def running(self) -> Run:
        """Return the crossing of the child's work, to be taken step by step; `over` follows."""
        return Run(self._boundary, self._adapter, self._request, self._arriving())

    def over(self) -> None:
        """Note that the child's work is done, where neither `run` nor `arun` saw it end."""
        token = enter(self._child)
        try:
            with self._boundary.isolated():
                self._ended()
        finally:
            leave(token)

    def resume(self, work: Callable[[], T]) -> T:
        """Do what follows on the child's work, when it is done: a callback."""
        token = enter(self._child)
        known = self._child.baggage.home
        try:
            return work()
        finally:
            with self._boundary.isolated():
                collect(self._child)
                if self._child.baggage.home is not known:
                    self._ended()
            leave(token)

    def undo(self) -> None:
        """Bring a branch home that never ran, and never will."""
        if self._parent is not None:
            self._parent.rejoin(self._child)

    def join(self) -> None:
        """Merge what the child knows into the branch of the caller, who has waited for it."""
        # Whoever else waits does not take the `home` values from the parent: they may come twice.
        if self._parent is not None and branch() is self._parent:
            # `gather` reads each outcome three times.
            if self._joined is not self._child.baggage:
                self._parent.rejoin(self._child)
                self._joined = self._child.baggage
            if self.call is not None:
                self._parent.joined = self._child
        elif self._child.baggage is not EMPTY:
            join_awaited(self._child)

    async def _arun(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            call = self._arriving()
            if call is None:
                return await work()
            return await adrive(Run(self._boundary, self._adapter, self._request, call), work)
        finally:
            self._finished()

    async def _arun_home(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._arun(work)
        finally:
            with self._boundary.isolated():
                if self._parent is not None:
                    self._parent.rejoin(self._child)

    def _arriving(self) -> Call | None:
        if self.call is None:
            return None
        if not self._boundary.interested(Kind.RUN, self.call.library):
            return None
        return self.call.but(kind=Kind.RUN)

    def _finished(self) -> None:
        """Note, in the child, that its work is done, and what that may have left there ends."""
        try:
            if branch() is not self._child:
                finish()
                enter(self._child)
            self._ended()
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)

    def _ended(self) -> None:
        child = self._child
        if not child.alone:
            collect(child)
        if self._parent is None or not self._parent.ended(child):
            left = take_home(child)
            if left:
                self._boundary.overflow(left)


class Run(Crossing):
    """The child's side: the branch is there already, and what flows change shows in it."""

    def enact(self, fault: Fault, befallen: Outcome | None = None) -> Outcome | None:
        """Return what comes of a fault; what is here already is not dropped any more."""
        if fault.kind is FaultKind.DROP:
            self.not_enacted(fault, CannotEnact("it has come already"))
            return None
        return super().enact(fault, befallen)

    def proceed(self, directive: Proceed) -> None:
        """Show the `down` keys of the flows to the child's work."""
        if directive.down:
            ensure().update(lambda carried: carried.lowered(directive.down))

    def answered(self, response: Any) -> Outcome:
        """Return the outcome of the work's result."""
        return Returned(response)

    def ahead(self) -> None:
        """Tell the flows that what is known so far leaves, and may be read before the end."""
        if self._onion is not None and self.call is not None:
            self._onion.ahead(self.call)
