"""asyncio: a task is a branch, forked where it is created, joined where it is waited for.

Also calls in the loop's executor, `asyncio.to_thread` among them. Callbacks (`call_soon` and its
like) are left alone: they run in their caller's context, and so in its branch. Loops of other
makes have modules of their own, on the same ground: `_tasks`.
"""

from __future__ import annotations

import asyncio
import inspect
from asyncio import events, tasks
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any, Final

from baggage.boundary import Boundary, Fork
from baggage.context import branch
from baggage.instrumentation._forked import Forked, Task
from baggage.instrumentation._patching import Switch, wrap
from baggage.instrumentation._tasks import begin_carrying, instrument_loop

_CONTEXT: Final = "_baggage_context"


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap event loops, and what waits for tasks without reading their outcome, once."""
    instrument_loop(asyncio.BaseEventLoop, boundary, switch)
    wrap(asyncio.TaskGroup, "__aenter__", switch, _enter)
    wrap(asyncio.TaskGroup, "create_task", switch, _create_in)
    wrap(tasks, "as_completed", switch, _as_completed)
    if hasattr(tasks, "_wait"):
        # Looked up by `asyncio.wait` at each call, under whichever name that was imported.
        wrap(tasks, "_wait", switch, _wait)


def _enter(
    wrapped: Callable[..., Any],
    group: asyncio.TaskGroup,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Remember who waits for a group: its tasks may be created by one another."""
    begin_carrying()
    vars(group)[_CONTEXT] = copy_context()
    return wrapped(*args, **kwargs)


def _create_in(
    wrapped: Callable[..., Any],
    group: asyncio.TaskGroup,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Have whoever waits for the group join a task of it, cancelled ones too."""
    task = wrapped(*args, **kwargs)
    owner: Context | None = vars(group).get(_CONTEXT)
    if owner is not None and isinstance(task, Task):
        task.add_done_callback(_joined, context=owner)
    return task


def _as_completed(
    wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Create tasks in the order in which they are given: a set of them would have none."""
    awaited, *others = args or (kwargs.pop("fs", None),)
    if not isinstance(awaited, Iterable) or asyncio.isfuture(awaited):
        return wrapped(awaited, *others, **kwargs)
    if inspect.isgeneratorfunction(getattr(wrapped, "__wrapped__", wrapped)):
        return _lazily(wrapped, awaited, others, kwargs)
    return _Completed(wrapped(_created(awaited), *others, **kwargs))


def _lazily(
    wrapped: Callable[..., Any], awaited: Iterable[Any], others: Any, kwargs: dict[str, Any]
) -> Iterator[Any]:
    """Do the same where nothing is created before the first one is asked for: up to Python 3.12.

    What is done about each belongs to its branch, though the caller's does it.
    """
    running = branch()
    try:
        for each in wrapped(_created(awaited), *others, **kwargs):
            yield _followed(each)
    finally:
        if running is not None:
            running.following = None


class _Completed:
    """What comes of it from Python 3.13 on: awaitables for `for`, futures for `async for`."""

    __slots__ = ("_completed", "_running")

    def __init__(self, completed: Any) -> None:
        self._completed, self._running = completed, branch()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return _followed(next(self._completed))
        except StopIteration:
            self._end()
            raise

    async def __anext__(self) -> Any:
        try:
            one = await anext(self._completed)
        except StopAsyncIteration:
            self._end()
            raise
        if self._running is not None and isinstance(one, Forked) and isinstance(one._fork, Fork):
            self._running.following = one._fork.child
        return one

    def _end(self) -> None:
        if self._running is not None:
            self._running.following = None

    __del__ = _end  # for a loop that is left


async def _followed(one: Awaitable[Any]) -> Any:
    try:
        return await one
    finally:
        running = branch()
        if running is not None:
            running.following = running.joined


def _created(awaited: Iterable[Any]) -> list[Any]:
    if events._get_running_loop() is None:
        return list(awaited)
    return [asyncio.ensure_future(each) for each in dict.fromkeys(awaited)]


def _joined(task: Task[Any]) -> None:
    task.join()


async def _wait(
    wrapped: Callable[..., Awaitable[tuple[set[Any], set[Any]]]],
    _: object,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[set[Any], set[Any]]:
    """Join what `asyncio.wait` has waited for."""
    done, pending = await wrapped(*args, **kwargs)
    for each in done:
        if isinstance(each, Forked):
            each.join()
    return done, pending
