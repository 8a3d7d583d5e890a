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

from baggage.boundary import Boundary, Message
from baggage.instrumentation._ledger import Storage
from baggage.instrumentation._patching import Function, Switch, wrap
from baggage.instrumentation._queue_adapter import QueueAdapter
from baggage.instrumentation._queueing import (
    Named,
    Positional,
    Queueing,
    Wrapped,
    ask,
    found_in,
)


@dataclass(slots=True)
class _Seat:
    """Where a get in a task of its own leaves what it found, for somebody who waits for it."""

    queue: object = None
    found: list[Message] | None = None


_NOBODY: Final = _Seat()
_seat: Final[ContextVar[_Seat]] = ContextVar("baggage.seat", default=_NOBODY)
_away: Final[ContextVar[_Seat | None]] = ContextVar("baggage.away", default=None)
_owed: Final[ContextVar[float]] = ContextVar("baggage.owed", default=0.0)
"""Seconds that flows want to be waited for, where only the coroutine around can."""


class _AsyncQueueing(Queueing):
    """The wrappers of methods that are coroutines, or run within one."""

    def again(self, original: Function, queue: Any, item: object) -> None:
        """Put an item that was put, if there is room for it."""
        original(queue, item)

    def aput(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        """Hand over an item by a coroutine."""
        return self._aput(wrapped, queue, args, kwargs)

    def aget(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        """Take an item by a coroutine."""
        ask(queue)
        return self._aget(_task(), queue, wrapped, args, kwargs)

    def get_nowait(self, original: Function) -> Function:
        """Make a get that never waits, whatever flows say, and that `get` itself calls."""

        def get_nowait(queue: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.switch.on:
                return original(queue, *args, **kwargs)
            ask(queue)
            item = original(queue, *args, **kwargs)
            found = found_in(queue)
            seat = _away.get()
            if seat is None:
                return self.take(queue, item, found, wait=_owe)
            seat.queue, seat.found = queue, found
            return item

        return get_nowait

    async def wait_for(self, wrapped: Wrapped, args: Positional, kwargs: Named) -> Any:
        """Take what a get found in the task that `asyncio.wait_for` runs it in."""
        awaited = args[0] if args else kwargs.get("fut")
        if not inspect.iscoroutine(awaited) or awaited.cr_code is not _AGET:
            return await wrapped(*args, **kwargs)
        seat = _Seat()
        token = _seat.set(seat)
        try:
            item = await wrapped(*args, **kwargs)
        except BaseException:
            for message in seat.found or ():
                message.drop()
            raise
        finally:
            _seat.reset(token)
        if seat.queue is not None:
            item = self.take(seat.queue, item, seat.found, wait=_owe)
            await _settle()
        return item

    async def _aput(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        hand = self.sending(queue, args, kwargs)
        if hand is None:
            return await wrapped(*args, **kwargs)
        token = self.begin(hand)
        try:
            if not hand.messages:
                return await wrapped(*args, **kwargs)
            return await hand.messages[0].asend(
                lambda: wrapped(*args, **kwargs),
                lambda: queue.put_nowait(args[0] if args else kwargs["item"]),
            )
        finally:
            self.sent(hand, token)

    async def _aget(
        self, asker: object, queue: Any, wrapped: Wrapped, args: Positional, kwargs: Named
    ) -> Any:
        here = _task() is asker
        waiting = _NOBODY if here else _seat.get()
        seat = _Seat() if waiting is _NOBODY else waiting
        token = _away.set(seat)
        try:
            item = await wrapped(*args, **kwargs)
        finally:
            try:  # `suppress` would cost as much as all the rest
                _away.reset(token)
            except ValueError:  # thrown away, and closed in another context
                pass
        found = seat.found
        if found and found[-1].left:
            await self._become_due(queue, item, seat)
        if waiting is _NOBODY:
            item = self.take(queue, item, found, opens=here, wait=_owe)
            if _owed.get():
                await _settle()
        return item

    async def _become_due(self, queue: Any, item: object, seat: _Seat) -> None:
        """Wait until a message is due. If that is given up, it lies in the queue again."""
        found = seat.found or []
        try:
            await asyncio.sleep(found[-1].left)
        except BaseException:
            seat.found = None
            self.put_back(queue, item, found)
            queue._wakeup_next(queue._getters)
            raise


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap queues, once."""
    # Not by the names of `asyncio`, which may be about to be imported: this module was just now.
    library = sys.modules["asyncio.queues"]
    kind, stack = library.Queue, library.LifoQueue
    queues = _AsyncQueueing(boundary, switch, _ADAPTER, _STORAGE, stack, _KEEPERS)
    queues.wrap(kind, put_nowait=queues.put, get_nowait=queues.get_nowait)
    wrap(kind, "put", switch, queues.aput)
    wrap(kind, "get", switch, queues.aget)
    if sys.version_info >= (3, 12):
        return

    async def wait_for(wrapped: Wrapped, _: Any, args: Positional, kwargs: Named) -> Any:
        if not switch.on:
            return await wrapped(*args, **kwargs)
        return await queues.wait_for(wrapped, args, kwargs)

    wrapt.wrap_function_wrapper(asyncio.tasks, "wait_for", wait_for)
    asyncio.wait_for = asyncio.tasks.wait_for


def _owe(seconds: float) -> None:
    _owed.set(_owed.get() + seconds)


async def _settle() -> None:
    """Wait for what is owed."""
    seconds = _owed.get()
    if seconds:
        _owed.set(0.0)
        await asyncio.sleep(seconds)


def _task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs here
        return None


_AGET: Final = _AsyncQueueing._aget.__code__
# What servers tell an application (its start and end, a body, what comes by a websocket) and what
# `as_completed` puts for itself is no message.
_KEEPERS: Final = frozenset({"asyncio", "hypercorn", "uvicorn"})
_STORAGE: Final = Storage(lambda lying: lying.qsize(), lambda lying: lying._queue)
_ADAPTER: Final = QueueAdapter(
    "asyncio.queues",
    frozenset({"asyncio"}),
    below=frozenset({"grpc.aio"}),  # which streams by a queue between a loop and a thread
)
