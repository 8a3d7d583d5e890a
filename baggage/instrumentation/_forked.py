"""Tasks and futures of event loops whose work has a branch of its own.

Here is how that branch is joined, by whoever reads the outcome. How it is forked is in `_tasks`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from baggage.boundary import Fork, conclude
from baggage.context import ensure
from baggage.values import EMPTY

T = TypeVar("T")


class Loose:
    """A fork of next to nothing: the branch that comes to be in a context is its child."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        """Start from a context in which no branch runs."""
        self._context = context

    def join(self) -> None:
        """Merge what the child knows, if it knows anything, into the branch of the caller.

        What it took from a queue is no part of that: a message is its sender's.
        """
        child = conclude(self._context)
        if child is not None and child.baggage is not EMPTY:
            ensure().join(child, batch=True)


class Forked(asyncio.Future[T]):
    """A future of work in a branch of its own: who reads its outcome knows what that branch knew.

    The one that awaits it, and the callbacks of `gather`, `shield` and their like, which run in the
    context of whoever called these.
    """

    _fork: Fork | Loose

    def __await__(self) -> Generator[Any, None, T]:
        try:
            if not self.done():
                yield Waiter(self)
            if not self.done():
                raise RuntimeError("await wasn't used with future")
            return super().result()
        finally:
            self.join()
            del self  # from the traceback of what was raised, which is the task's own

    __iter__ = __await__

    def result(self) -> T:
        try:
            return super().result()
        finally:
            self.join()
            del self

    def exception(self) -> BaseException | None:
        try:
            return super().exception()
        finally:
            self.join()
            del self

    def cancelled(self) -> bool:
        cancelled = super().cancelled()
        if cancelled:
            self.join()
        return cancelled

    def join(self) -> None:
        """Join the branch, if its work is done, into that of the caller."""
        if self.done():
            self._fork.join()


class Waiter:
    """What a task that awaits a forked one gives to its loop.

    The loop reads its result between the steps of the awaiting task, where the branch need not be
    that task's: there is nothing to read here. The outcome is read within the next step.
    """

    __slots__ = ("_asyncio_future_blocking", "_awaited")

    def __init__(self, awaited: Forked[Any]) -> None:
        """Await a future that isn't done."""
        self._awaited = awaited
        self._asyncio_future_blocking = True

    def add_done_callback(
        self, wake: Callable[[Any], object], *, context: Context | None = None
    ) -> None:
        """Wake the awaiting task when the awaited one is done."""
        self._awaited.add_done_callback(lambda _: wake(self), context=context)

    def result(self) -> None:
        """Tell nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._awaited, name)


class Task(Forked[T], asyncio.Task[T]):
    """A task of the default kind. By its name and in its `repr` it is what it would be."""

    def __init__(
        self, fork: Fork | Loose, coroutine: Coroutine[Any, Any, T], **options: Any
    ) -> None:
        """Start the task. An eager one runs right here."""
        self._fork = fork
        self._followed: Context | None = None
        super().__init__(coroutine, **options)

    def follow(self, context: Context) -> None:
        """Tell the fork when its work is over. `context` is the one that the task runs in."""
        self._followed = context
        if self.done():
            _over(self)
        else:
            self.add_done_callback(_over, context=context)

    def join(self) -> None:
        """Join the branch, if its work is done: callbacks of the task need not have run yet."""
        if self._followed is not None and self.done():
            _over(self)
        super().join()

    def get_coro(self) -> Any:
        """Return the application's coroutine."""
        running = super().get_coro()
        return getattr(running, "application", running)


def _over(task: Task[Any]) -> None:
    """End the branch of a task, once, and the scope of a message that it took last."""
    context, task._followed = task._followed, None
    if context is not None and isinstance(task._fork, Fork):
        conclude(context)
        task._fork.over()


class Future(Forked[T]):
    """The future of a call in an executor. By its name, too, it is what it would be."""

    def __init__(self, fork: Fork, call: asyncio.Future[T]) -> None:
        """Follow `call`, and let it follow this one where this one is cancelled."""
        super().__init__(loop=call.get_loop())
        self._fork = fork
        call.add_done_callback(self._follow)
        self.add_done_callback(lambda _: call.cancel())

    def _follow(self, call: asyncio.Future[T]) -> None:
        if self.done():
            return
        if call.cancelled():
            self.cancel()
            return
        error = call.exception()
        if error is None:
            self.set_result(call.result())
        else:
            self.set_exception(error)
