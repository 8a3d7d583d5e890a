"""Functions whose calls are spans: plain ones, coroutines, and generators of both kinds.

A generator's span is current in its steps alone, and lasts from the first one to the last.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from metaapps.tracing.handle import Handle

F = TypeVar("F", bound=Callable[..., Any])
Start = Callable[[str], Handle]
Begin = Callable[[dict[str, Any]], Handle]


def decorated(function: F, start: Start, name: str, hand_over: str) -> F:
    """Return a function whose calls are spans that `start` begins.

    Each span is handed to the function under the name `hand_over`, if that isn't "".
    """
    qualified = getattr(function, "__qualname__", type(function).__name__)
    called = name or qualified.rpartition("<locals>.")[2]

    def begin(arguments: dict[str, Any]) -> Handle:
        handle = start(called)
        if hand_over:
            arguments.setdefault(hand_over, handle)
        return handle

    wrap: Callable[[F, Begin], Any] = _plain
    if inspect.isasyncgenfunction(function):
        wrap = _async_generator
    elif inspect.isgeneratorfunction(function):
        wrap = _generator
    elif inspect.iscoroutinefunction(function):
        wrap = _coroutine
    wrapped: Any = functools.wraps(function)(wrap(function, begin))
    result: F = wrapped
    return result


def _plain(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with begin(kwargs):
            return function(*args, **kwargs)

    return wrapper


def _coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with begin(kwargs):
            return await function(*args, **kwargs)

    return wrapper


def _generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        handle = begin(kwargs)
        inner = function(*args, **kwargs)
        step = partial(_step, handle, inner.send, None)
        while True:
            try:
                value = step()
            except StopIteration as stop:
                return stop.value
            del step  # which may hold an error
            # Not `yield from`: that would make another thing of a GeneratorExit that is thrown.
            try:
                sent = yield value
            except BaseException as error:  # noqa: BLE001 - the function's to handle
                step = partial(_step, handle, inner.throw, error)
            else:
                step = partial(_step, handle, inner.send, sent)

    return wrapper


def _async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        handle = begin(kwargs)
        inner = function(*args, **kwargs)
        step = _async_step(handle, inner.asend, None)
        while True:
            try:
                value = await step
            except StopAsyncIteration:
                return
            try:
                sent = yield value
            except BaseException as error:  # noqa: BLE001 - the function's to handle
                step = _async_step(handle, inner.athrow, error)
            else:
                step = _async_step(handle, inner.asend, sent)

    return wrapper


def _step(handle: Handle, step: Callable[[Any], Any], given: Any) -> Any:
    with handle.scope():
        try:
            return step(given)
        except BaseException as error:
            _ended(handle, error)
            raise


async def _async_step(handle: Handle, step: Callable[[Any], Awaitable[Any]], given: Any) -> Any:
    with handle.scope():
        try:
            return await step(given)
        except BaseException as error:
            _ended(handle, error)
            raise


def _ended(handle: Handle, error: BaseException) -> None:
    if not isinstance(error, StopIteration | StopAsyncIteration | GeneratorExit):
        handle.error(error)
    handle.finish()
