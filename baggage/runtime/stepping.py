"""Generators in branches of their own: `baggage.stepwise`.

A generator runs in the context of whoever takes its next step; what it packs or attaches would leak
there. Here each step is taken in the generator's own branch, whoever takes it, and wherever.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import wraps
from typing import Any, Final, TypeVar, cast

from baggage.boundary import Boundary, Outcome, Raised, Returned, deliver
from baggage.boundary.fork import Run
from baggage.boundary.work import Stepped, Steps
from baggage.context import branch
from baggage.instrumentation._forking import ForkAdapter
from baggage.runtime.branching import fork_by_hand

Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")


def stepwise(boundary: Boundary, generator: Any) -> Any:
    """Return a generator, or a function that makes some, in branches of their own.

    Raises TypeError for anything else; see `baggage.stepwise`.
    """
    if isinstance(generator, Generator):
        return SteppedGenerator(boundary, generator)
    if isinstance(generator, AsyncGenerator):
        return SteppedAsyncGenerator(boundary, generator)
    if inspect.isgeneratorfunction(generator) or inspect.isasyncgenfunction(generator):

        @wraps(generator)
        def make(*args: Any, **kwargs: Any) -> Any:
            return stepwise(boundary, generator(*args, **kwargs))

        return make
    raise TypeError(f"{generator!r} is no generator, and no generator function")


class _Life:
    """The fork of a generator, from its first step to its last."""

    def __init__(self, boundary: Boundary) -> None:
        self._fork = fork_by_hand(boundary, _STEPWISE)
        self.steps = Steps(self._fork.child)
        self._run: Run | None = None
        self._over = False

    def begin(self) -> tuple[Outcome | None, float]:
        """Begin, at the first step; return what to do instead, and how long to wait before."""
        if self._run is not None or self._over:
            return None, 0.0
        self._run = self._fork.running()
        return self._run.begin(), self._run.delay

    def end(self, outcome: Outcome) -> None:
        """End, once."""
        if self._over:
            return
        self._over = True
        if self._run is not None:
            self._run.end(outcome)
            self._run.close()
        self._fork.over()

    def join(self, *, abandoned: bool = False) -> None:
        """Join what has ended into the branch of the consumer.

        Whoever throws an `abandoned` one away need not be that one: any thread collects garbage.
        """
        if self._over and not (abandoned and branch() is not self._fork.parent):
            self._fork.join()


class SteppedGenerator(Generator[Y, S, R]):
    """A generator in a branch of its own; the consumer learns what it knew when it ends."""

    def __init__(self, boundary: Boundary, generator: Generator[Y, S, R]) -> None:
        """Fork; nothing of the generator runs yet."""
        self._generator = generator
        self._life = _Life(boundary)

    def send(self, value: S, /) -> Y:
        """Take a step."""
        return cast(Y, self._take(self._generator.send, value))

    def throw(self, *error: Any) -> Y:
        """Throw into the generator."""
        return cast(Y, self._take(self._generator.throw, *error))

    def close(self) -> None:
        """End the generator, wherever it stands."""
        self._take(self._close)

    def __del__(self) -> None:
        """End a generator that was thrown away, in its branch as well."""
        self._life.steps.take(self._close)
        self._life.join(abandoned=True)

    def _take(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            return self._life.steps.take(self._step, step, *args)
        finally:
            self._life.join()

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            instead, delay = self._life.begin()
            if instead is not None:
                self._generator.close()
                raise StopIteration(deliver(instead))
            if delay:
                time.sleep(delay)
            return step(*args)
        except StopIteration as end:
            self._life.end(Returned(end.value))
            raise
        except BaseException as error:
            self._life.end(Raised(error))
            raise

    def _close(self) -> None:
        self._life.begin()
        self._generator.close()
        self._life.end(Returned(None))


class SteppedAsyncGenerator(AsyncGenerator[Y, S]):
    """An asynchronous generator in a branch of its own, as `SteppedGenerator` is."""

    def __init__(self, boundary: Boundary, generator: AsyncGenerator[Y, S]) -> None:
        """Fork; nothing of the generator runs yet."""
        self._generator = generator
        self._life = _Life(boundary)

    async def asend(self, value: S, /) -> Y:
        """Take a step, of which each part is in the generator's branch."""
        return cast(Y, await self._take(lambda: self._generator.asend(value)))

    async def athrow(self, *error: Any) -> Y:
        """Throw into the generator."""
        return cast(Y, await self._take(lambda: self._generator.athrow(*error)))

    async def aclose(self) -> None:
        """End the generator, wherever it stands."""
        try:
            await Stepped(self._life.steps, self._close)
        finally:
            self._life.join()

    async def _take(self, step: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await Stepped(self._life.steps, lambda: self._step(step))
        finally:
            self._life.join()

    async def _step(self, step: Callable[[], Awaitable[Any]]) -> Any:
        try:
            instead, delay = self._life.begin()
            if instead is not None:
                await self._generator.aclose()
                deliver(instead)
                raise StopAsyncIteration
            if delay:
                import asyncio  # here: it takes longer to import than all of `baggage`

                await asyncio.sleep(delay)
            return await step()
        except StopAsyncIteration:
            self._life.end(Returned(None))
            raise
        except BaseException as error:
            self._life.end(Raised(error))
            raise

    async def _close(self) -> None:
        self._life.begin()
        await self._generator.aclose()
        self._life.end(Returned(None))


_STEPWISE: Final = ForkAdapter("baggage", "stepwise", frozenset())
