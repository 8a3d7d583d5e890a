"""Deliveries: messages that came by a broker, and what becomes of them where they are taken.

The other side is in `publication`; several that are worked on at once are a `batch`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from baggage.boundary import transport
from baggage.boundary.adapter import Adapter, Carrier
from baggage.boundary.call import Call
from baggage.boundary.consuming import Consumption, standing
from baggage.boundary.crossing import _sleep
from baggage.boundary.fork import Run
from baggage.boundary.homing import bring_home, collect, owner_of
from baggage.boundary.message import Message, Wait
from baggage.boundary.metaapp import Interest, MetaApp, OverflowSink
from baggage.boundary.outcome import Outcome, Raised
from baggage.boundary.publication import Note
from baggage.boundary.request import name_request, request_of
from baggage.context import Branch, branch, enter, leave
from baggage.values import Baggage, Direction, Key

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

T = TypeVar("T")
_REMEMBERED: Final = "_baggage_delivery"


class Requeued(Exception):
    """What flows are told of a message that went back to its broker, to come again."""


class Unsettled:
    """The value of what came of work on a message, where its broker has yet to hear of it.

    Unless it does so later, it delivers the message again some day.
    """

    __slots__ = ()


class Delivery(Message):
    """A message that came: `take` it, or run a block with it `opened`, in whichever process.

    One that is taken several times is a branch each time; but a second loop over the same list, as
    for what is to be acknowledged, goes on in the branch of the first one, if something was done
    there. `branch` is the one that was opened last, None before.
    """

    _batched = False
    _begun: Baggage | None = None
    _fate: BaseException | None = None
    _going: Run | None = None
    _settled = True
    _worked: Branch | None = None
    branch: Branch | None = None

    def __init__(
        self, boundary: Boundary, adapter: Adapter, request: Any, call: Call | None, came: Baggage
    ) -> None:
        """Keep what came; nothing is taken yet."""
        super().__init__(boundary, adapter, request, call and call.by_broker())
        self._parent = None  # It is elsewhere, whoever stands here.
        self._came = came
        note = Note.read(adapter.request_carrier(request))
        self._name = note.request
        if note.delay and self._is_acted_on():
            self.delay_by(note.delay)

    def __reduce__(self) -> tuple[object, ...]:
        """Let a copy of a message that it is remembered with be nobody's delivery."""
        return type(None), ()

    async def atake(self, item: T, channel: object = None, *, opens: bool = True) -> T:
        """Do as `take`, and wait as a task does."""
        owed: list[float] = []
        if left := self.left:
            await _sleep(left)
        item = self.take(item, channel, opens=opens, wait=owed.append)
        if owed:
            await _sleep(sum(owed))
        return item

    @asynccontextmanager
    async def aopened(self) -> AsyncIterator[None]:
        """Do as `opened`, and wait as a task does."""
        owed: list[float] = []
        if left := self.left:
            await _sleep(left)
        with self.opened(owed.append):
            if owed:
                await _sleep(sum(owed))
            yield

    def failed(self, error: BaseException) -> None:
        """Have flows hear that the work on the message failed, where nothing is raised."""
        self._fate = error

    def requeued(self) -> None:
        """Have flows hear that the message went back, and will be delivered again."""
        self.failed(Requeued("the message goes back to the broker"))

    @contextmanager
    def worked_on(self) -> Iterator[None]:
        """Let a block do the work on the message where that was taken: it ends with the block."""
        self._fate = None
        try:
            yield
        except BaseException as error:
            self.failed(error)
            raise
        finally:
            held = standing()
            if held is not None and held.branch is self.branch:
                held.end()

    def settled(self, settled: bool = True) -> None:
        """Note that the broker was told that the work is done; or that it has to be told."""
        self._settled = settled

    def answer(self, carrier: Carrier) -> None:
        """Put what the work on it knows so far on an answer; call it in the block.

        Whoever reads the answer need not know what came with the message. `home` values whose
        owners take them as well go to these: perhaps nobody reads it.
        """
        running, run = self.branch, self._going
        if running is not None:
            if run is not None:
                run.ahead()
            answer(self._boundary, running, carrier)

    def akin(self, running: Branch | None) -> bool:
        """Say whether the message is of the same request as a branch."""
        return (
            bool(self._name)
            and running is not None
            and not running.muted
            and request_of(running) == self._name
        )

    @contextmanager
    def beside(self, *, batched: bool = False) -> Iterator[Branch]:
        """Let a block work on the message in another branch than its own; yields that one.

        `batched` has flows know that the block works on others, too.
        """
        self._batched = batched
        opened, run = self._branch(), self._run()
        token = enter(opened)
        try:
            outcome = run.begin()
        except BaseException:
            self._leave(run, opened)
            raise
        finally:
            leave(token)
        try:
            yield opened
        except BaseException as error:
            outcome = outcome or run.raised(error)
            raise
        finally:
            token = enter(opened)
            try:
                run.end(outcome or self._told(run))
            finally:
                self._leave(run, opened)
                leave(token)

    def _open(self, sent: Branch, item: T, channel: object, wait: Wait) -> T:
        worked = self._worked
        if worked is None:
            item = super()._open(sent, item, channel, wait)
            self._begun, sent.crossed = sent.baggage, False
            return item
        self.branch = worked
        Consumption(worked, channel, lambda: self._leave(self._run(), worked))
        return item

    def _end(self, run: Run, sent: Branch) -> None:
        if self._begun is not None and (sent.crossed or sent.baggage is not self._begun):
            self._worked = sent
        super()._end(run, sent)

    def _vacant(self, running: Branch | None, held: Consumption | None) -> bool:
        # What a worker carries for itself, or learned as it started, makes no request of it.
        if running is not None and running.workers and not running.muted:
            return True
        return super()._vacant(running, held)

    def _is_acted_on(self) -> bool:
        """Say whether anybody here lets things fail: else no stranger has a consumer wait."""
        kind, library = self._adapter.kind, self._adapter.library
        with self._boundary.isolated():
            apps = self._boundary.interested(kind, library)
            return any(app.interest(kind, library) is Interest.AROUND for app in apps)
        return False

    def _branch(self) -> Branch:
        running = branch()
        scope = running.scope if running is not None and self.akin(running) else None
        opened = Branch(self._came, scope=scope)
        if scope is None:
            opened.arrived = True
            name_request(opened, self._name)
        self.branch, self._fate = opened, None
        return opened

    def _run(self) -> Run:
        self._going = run = super()._run()
        return run

    def _arriving(self) -> Call | None:
        call = super()._arriving()
        return call.but(batched=True) if call is not None and self._batched else call

    def _told(self, run: Run) -> Outcome:
        fate, self._fate = self._fate, None  # Its traceback may hold the message, which holds this.
        if fate is None:
            return run.answered(None if self._settled else Unsettled())
        return Raised(fate)


def answer(boundary: Boundary, running: Branch, carrier: Carrier) -> None:
    """Put what is known in a branch so far on an answer; see `Delivery.answer`."""
    with boundary.isolated():
        collect(running)
        back = _left_behind(running, boundary.apps).returning()
        if back.returns:
            policy = boundary.policy
            origin = running.service or policy.service
            transport.write(carrier, back, origin=origin, budget=policy.budget)


def _left_behind(running: Branch, apps: Iterable[MetaApp]) -> Baggage:
    """Return what a branch carries, without the `home` values that their owners take."""
    whole, home = running.baggage, running.take_home()
    kept = home
    for name in home.home:
        key = Key(name, direction=Direction.HOME)
        if isinstance(owner_of(name, apps), OverflowSink):
            whole = whole.remove(key)
        else:
            kept = kept.remove(key)
    bring_home(kept, running)
    return whole


def remember(message: object, delivery: Delivery) -> None:
    """Let `delivery_of` know which delivery an application's message is, if that takes a note."""
    try:
        object.__setattr__(message, _REMEMBERED, delivery)
    except (AttributeError, TypeError):
        pass  # `suppress` would cost more than the note


def delivery_of(message: object) -> Delivery | None:
    """Return the delivery that a message was remembered with, or a part of it, if it's a tuple."""
    parts = (message, *message) if isinstance(message, tuple) else (message,)
    for part in parts:
        delivery = getattr(part, _REMEMBERED, None)
        if isinstance(delivery, Delivery):
            return delivery
    return None
