"""Functions whose calls are spans: plain ones, coroutines, and generators of both kinds.

A generator's span is current in its steps alone, and lasts from the first one to the last.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
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
        result = yield from _Steps(function(*args, **kwargs), handle)
        return result

    return wrapper


def _async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        handle = begin(kwargs)
        steps = _AsyncSteps(function(*args, **kwargs), handle)
        step = steps.asend(None)
        while True:
            try:
                value = await step
            except StopAsyncIteration:
                return
            try:
                sent = yield value
            except GeneratorExit:
                await steps.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - the function's to handle
                step = steps.athrow(error)
            else:
                step = steps.asend(sent)

    return wrapper


class _Steps(Generator[Any, Any, Any]):
    """A generator each of whose steps stands in a span."""

    def __init__(self, inner: Generator[Any, Any, Any], handle: Handle) -> None:
        self._inner, self._handle = inner, handle

    def send(self, value: Any) -> Any:
        return self._step(self._inner.send, value)

    def throw(self, *thrown: Any) -> Any:
        return self._step(self._inner.throw, *thrown)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        with self._handle.scope():
            try:
                return step(*args)
            except BaseException as error:
                _ended(self._handle, error)
                raise


class _AsyncSteps(AsyncGenerator[Any, Any]):
    """An asynchronous generator each of whose steps stands in a span."""

    def __init__(self, inner: AsyncGenerator[Any, Any], handle: Handle) -> None:
        self._inner, self._handle = inner, handle

    async def asend(self, value: Any) -> Any:
        return await self._step(self._inner.asend, value)

    async def athrow(self, *thrown: Any) -> Any:
        return await self._step(self._inner.athrow, *thrown)

    async def aclose(self) -> None:
        await self._step(self._inner.aclose)
        self._handle.finish()

    async def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        with self._handle.scope():
            try:
                return await step(*args)
            except BaseException as error:
                _ended(self._handle, error)
                raise


def _ended(handle: Handle, error: BaseException) -> None:
    if not isinstance(error, StopIteration | StopAsyncIteration | GeneratorExit):
        handle.error(error)
    handle.finish()
