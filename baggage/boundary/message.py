"""Messages: what one branch hands over and another one takes, in the same process.

Belongs here: what travels with a message, and what becomes of it where it is taken. Where it lies
meanwhile (a queue, a channel) is the instrumentation's affair.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from baggage.boundary.adapter import Adapter, CannotEnact
from baggage.boundary.befalling import marking
from baggage.boundary.call import Call, Kind
from baggage.boundary.consuming import Consumption, standing
from baggage.boundary.crossing import Crossing, adrive, deliver, drive
from baggage.boundary.fork import Run
from baggage.boundary.homing import collect, take_home
from baggage.boundary.metaapp import Proceed
from baggage.boundary.onion import Onion
from baggage.boundary.outcome import Fault, Outcome, Raised, Returned
from baggage.context import Branch, branch, enter, leave
from baggage.values import EMPTY

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

_log = logging.getLogger("baggage.boundary")
T = TypeVar("T")
Wait = Callable[[float], object]
Again = Callable[[], object]


class NeverTaken(Exception):
    """What flows are told of a message that was thrown away; nobody raises it."""


class Message(Crossing):
    """One message: `send` by whoever hands it over, then `take` or `opened`, or else `drop`.

    What the producer knows goes along without its right to write, in a branch of the producer's
    family: `home` values of the consumer get home as those of a forked branch do. The steps are
    taken in this order, each in any thread. A message that several take (a broadcast) is a branch
    for each of them.
    """

    _carried = EMPTY
    _due = 0.0
    _again: Again | None = None
    _repeated = False

    def __init__(
        self, boundary: Boundary, adapter: Adapter, request: Any, call: Call | None
    ) -> None:
        """Prepare; nothing is handed over yet."""
        super().__init__(boundary, adapter, request, call)
        self._parent = branch()
        self._sent: list[Branch] = []

    def repeatable(self, again: Again) -> None:
        """Know how to hand over the same once more, for who takes the steps by himself."""
        self._again = again

    def send(self, put: Callable[[], T], again: Again | None = None) -> T:
        """Hand over by `put`. What it raises passes through, and nothing was sent then.

        `again` hands over the same once more, without waiting for room; None where that can't be.
        """
        self._again = again
        return drive(self, put)

    async def asend(self, put: Callable[[], Awaitable[T]], again: Again | None = None) -> T:
        """Hand over by awaiting `put()`, as `send` does."""
        self._again = again
        return await adrive(self, put)

    def happen(self, step: Callable[[], T]) -> T:
        """Let `step` hand over, and a second time if a flow wants that."""
        result = step()
        if self._again is not None:
            self._repeat(self._again)
        return result

    async def ahappen(self, step: Callable[[], Awaitable[T]]) -> T:
        """Let `step` hand over, as `happen` does."""
        result = await step()
        if self._again is not None:
            self._repeat(self._again)
        return result

    def slow(self, onion: Onion, call: Call, fault: Fault) -> None:
        """Have whoever takes the message wait for it; who hands it over does not."""
        self.delay_by(fault.seconds or 0.0)
        onion.within([marking(fault, lambda outcome: isinstance(outcome, Returned))])

    def delay_by(self, seconds: float) -> None:
        """Have the message be due after some seconds."""
        if seconds:
            self._due = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """How many seconds are left until the message is due."""
        return max(0.0, self._due - time.monotonic()) if self._due else 0.0

    def repeat(self, onion: Onion, fault: Fault) -> None:
        """Have it handed over twice."""
        if self._again is None:
            raise CannotEnact(f"{self._adapter.library} hands nothing over twice")
        self._repeated = True
        onion.within([marking(fault, lambda _: self._repeated)])

    def akin(self, running: Branch | None) -> bool:
        """Say whether the message is of the same request as a branch."""
        return (
            running is not None
            and self._parent is not None
            and (self._parent.scope is running.scope)
        )

    def take(
        self,
        item: T,
        channel: object = None,
        *,
        opens: bool = True,
        leaves: bool = False,
        wait: Wait | None = None,
    ) -> T:
        """Let whoever is here take the message; return the item.

        In the same request, what the message knows is joined. In a worker, which stands in no
        request or took another message before, a scope opens, until `finish(channel)`; not if it
        `opens` none. In another request nothing changes: what is taken there is hardly a message,
        but something that all requests share. Only a worker that one of them started `leaves` it.
        `wait` waits for some seconds, if a flow says so.
        """
        wait = wait or time.sleep  # as it's patched by now
        if left := self.left:
            wait(left)
        sent = self._branch()
        running = branch()
        if running is not None and running.scope is sent.scope and not running.muted:
            sent.taker = running
            item = self._at_once(sent, item, wait)
            self._join(sent, running)
            return item
        held = standing()
        if opens and (leaves or self._vacant(running, held)):
            if held is not None:
                held.end()
            return self._open(sent, item, channel, wait)
        return self._at_once(sent, item, wait)

    @contextmanager
    def opened(self, wait: Wait | None = None) -> Iterator[None]:
        """Let a block take the message: in the same request it is joined, else the block's scope.

        The block is about this message: it leaves what it stands in, another request even. `wait`
        is as in `take`.
        """
        wait = wait or time.sleep  # as it's patched by now
        if left := self.left:
            wait(left)
        sent = self._branch()
        running = branch()
        if running is not None and (running.muted or running.scope is sent.scope):
            self._at_once(sent, None, wait)
            if not running.muted:
                self._join(sent, running)
            yield
            return
        token = enter(sent)
        run = self._run()
        try:
            outcome = run.begin()
            if run.delay:
                wait(run.delay)
            try:
                yield
            except BaseException as error:
                run.end(outcome or run.raised(error))
                raise
            run.end(outcome or self._told(run))
        finally:
            self._leave(run, sent)
            leave(token)

    def drop(self) -> None:
        """Say that nobody will ever take the message."""
        if self._sent:
            error = NeverTaken("nobody took the message")
            self._at_once(self._branch(), None, time.sleep, Raised(error))

    def proceed(self, directive: Proceed) -> None:
        """Let the message know what the producer knows."""
        parent = self._parent
        if parent is None:
            sent = Branch(EMPTY.lowered(directive.down), idle=True)
        else:
            carried = parent.baggage.departing().lowered(directive.down)
            sent = Branch(carried, parent.service, scope=parent.scope)
            parent.family.add(sent)
        self._carried = sent.baggage
        self._sent.append(sent)

    def answered(self, response: Any) -> Outcome:
        """Return the outcome of a put, which brings nothing back."""
        return Returned(response)

    def raised(self, error: BaseException) -> Outcome:
        """Return the outcome of a put that failed: nobody will take it."""
        while self._sent:
            self._forget(self._sent.pop())
        return super().raised(error)

    def _repeat(self, again: Again) -> None:
        """Hand over once more, in a branch of its own; where there is no room that's all."""
        self._again = None  # It may know the queue that this lies in.
        if not self._repeated:
            return
        sent, parent = self._another(), self._parent
        if parent is not None:
            parent.family.add(sent)
        self._sent.append(sent)
        self._do_again(again)
        if not self._repeated:
            with suppress(IndexError):
                self._forget(self._sent.pop())

    def _do_again(self, again: Again) -> None:
        try:
            again()
        except Exception as error:  # noqa: BLE001 - the application knows of one put alone
            self._repeated = False
            _log.warning("message not repeated", extra={"reason": repr(error)})

    def _branch(self) -> Branch:
        """Return the branch for one taker; all but the first one's are on their own."""
        try:
            return self._sent.pop()
        except IndexError:
            return self._another()

    def _another(self) -> Branch:
        parent = self._parent
        if parent is None:
            return Branch(self._carried, idle=True)
        return Branch(self._carried, parent.service, scope=parent.scope)

    def _forget(self, sent: Branch) -> None:
        if self._parent is not None:
            self._parent.family.forget(sent)

    def _open(self, sent: Branch, item: T, channel: object, wait: Wait) -> T:
        run = self._run()
        held = Consumption(sent, channel, lambda: self._end(run, sent))
        try:
            outcome = run.begin()
            if run.delay:
                wait(run.delay)
        except BaseException:
            held.end()
            raise
        if outcome is None:
            return item
        outcome = run.end(outcome)
        held.end()
        answer: T = deliver(outcome)
        return answer

    def _at_once(self, sent: Branch, item: T, wait: Wait, fate: Outcome | None = None) -> T:
        """Let the flows see that the message was taken, in its own branch, and is done with."""
        token = enter(sent)
        run = self._run()
        try:
            outcome = run.begin()
            if outcome is None:
                if run.delay:
                    wait(run.delay)
                outcome = fate or run.answered(item)
            outcome = run.end(outcome)
            if fate is not None:
                return item
            answer: T = deliver(outcome)
            return answer
        finally:
            self._leave(run, sent)
            leave(token)

    def _vacant(self, running: Branch | None, held: Consumption | None) -> bool:
        """Say whether what runs here may leave its branch for the message's."""
        if running is None or held is not None:
            return True
        return not running.muted and (running.idle or running.over)

    def _run(self) -> Run:
        return Run(self._boundary, self._adapter, self._request, self._arriving())

    def _arriving(self) -> Call | None:
        call = self.call
        if call is None or not self._boundary.interested(Kind.CONSUMER, call.library):
            return None
        return call if call.kind is Kind.CONSUMER else call.but(kind=Kind.CONSUMER)

    def _end(self, run: Run, sent: Branch) -> None:
        try:
            run.end(self._told(run))
        finally:
            self._leave(run, sent)

    def _told(self, run: Run) -> Outcome:
        """Return what flows hear of the work on the message, which raised nothing."""
        return run.answered(None)

    def _leave(self, run: Run, sent: Branch) -> None:
        """End the message's branch; it is the current one."""
        run.close()
        if self._parent is None and sent.alone:
            return  # as is usual of what came from elsewhere: there is nothing to bring home
        with self._boundary.isolated():
            collect(sent)
            if self._parent is None or not self._parent.family.ended(sent):
                left = take_home(sent)
                if left:
                    self._boundary.overflow(left)

    def _join(self, sent: Branch, running: Branch) -> None:
        with self._boundary.isolated():
            if running is self._parent:
                running.family.forget(sent)
            if sent.baggage is not EMPTY:
                running.join(sent)
