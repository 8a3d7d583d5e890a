"""asyncio.queues: what is put in one task's context is taken in it by another task.

A get that runs in a task of its own brings nothing to whoever awaits that task, except by
`asyncio.wait_for`, which makes such tasks before Python 3.12.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import wrapt

from baggage.boundary import Boundary
from baggage.instrumentation._ledger import Hand, Storage
from baggage.instrumentation._patching import Switch
from baggage.instrumentation._queueing import (
    Named,
    Positional,
    QueueAdapter,
    Queueing,
    Wrapped,
    leave,
)


@dataclass(slots=True)
class _Seat:
    """Where a get leaves what it found for somebody who waits for it in another task."""

    hand: Hand | None = None


_seat: Final[ContextVar[_Seat | None]] = ContextVar("baggage.seat", default=None)


class _AsyncQueueing(Queueing):
    """The wrappers of methods that are coroutines, or run within one."""

    def aput(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        """Hand over an item by a coroutine."""
        return self._aput(wrapped, queue, args, kwargs)

    def aget(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        """Take an item by a coroutine."""
        leave(queue)
        return self._aget(_task(), wrapped, queue, args, kwargs)

    def get_nowait(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        """Take an item by a function that never waits, whatever flows say."""
        if self.within_get(queue):
            return wrapped(*args, **kwargs)
        leave(queue)
        hand, token = self.receiving(queue)
        try:
            item = wrapped(*args, **kwargs)
        finally:
            self.received(token)
        return self.taken(hand, item, wait=_pass)

    async def wait_for(self, wrapped: Wrapped, _: Any, args: Positional, kwargs: Named) -> Any:
        """Take over what a get found in the task that `asyncio.wait_for` ran it in."""
        awaited = args[0] if args else kwargs.get("fut")
        if not inspect.iscoroutine(awaited) or awaited.cr_code is not _AGET:
            return await wrapped(*args, **kwargs)
        seat = _Seat()
        token = _seat.set(seat)
        try:
            item = await wrapped(*args, **kwargs)
        except BaseException:
            for message in seat.hand.messages if seat.hand is not None else ():
                message.drop()
            raise
        finally:
            _seat.reset(token)
        return item if seat.hand is None else await self._ataken(seat.hand, item, opens=True)

    async def _aput(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        # The `put_nowait` within shall not ask again, where nothing goes along.
        hand = self.sending(queue, args, kwargs) or Hand(queue)
        token = self.begin(hand)
        try:
            if not hand.messages:
                return await wrapped(*args, **kwargs)
            return await hand.messages[0].asend(lambda: wrapped(*args, **kwargs))
        finally:
            self.sent(hand, token)

    async def _aget(
        self, asker: object, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named
    ) -> Any:
        hand, token = self.receiving(queue)
        try:
            item = await wrapped(*args, **kwargs)
        finally:
            self.received(token)
        at_home = _task() is asker
        seat = None if at_home else _seat.get()
        if seat is not None:
            seat.hand = hand
            return item
        return await self._ataken(hand, item, opens=at_home)

    async def _ataken(self, hand: Hand, item: Any, *, opens: bool) -> Any:
        delays: list[float] = []
        item = self.taken(hand, item, opens=opens, wait=delays.append)
        for delay in delays:
            await asyncio.sleep(delay)
        return item


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap queues, once."""
    queues = _AsyncQueueing(boundary, switch, _ADAPTER, _STORAGE, asyncio.LifoQueue)
    queues.wrap(
        (asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue),
        put=queues.aput,
        put_nowait=queues.put,
        get=queues.aget,
        get_nowait=queues.get_nowait,
    )
    if sys.version_info >= (3, 12):
        return

    async def wait_for(wrapped: Wrapped, module: Any, args: Positional, kwargs: Named) -> Any:
        if not switch.on:
            return await wrapped(*args, **kwargs)
        return await queues.wait_for(wrapped, module, args, kwargs)

    wrapt.wrap_function_wrapper(asyncio.tasks, "wait_for", wait_for)
    asyncio.wait_for = asyncio.tasks.wait_for


def _task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs here
        return None


def _pass(_: float) -> None:
    """Wait for nothing."""


_AGET: Final = _AsyncQueueing._aget.__code__
_STORAGE: Final = Storage(lambda lying: lying.qsize(), lambda lying: lying._queue)
_ADAPTER: Final = QueueAdapter("asyncio.queues", frozenset({"asyncio"}))
