"""A coroutine whose every step runs in a branch of its own, whoever takes the step.

It is started, cancelled and thrown away as the application's coroutine in it would be. What happens
around that coroutine is the fork's affair.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, TypeVar

from baggage.context import Branch, branch, enter, leave

T = TypeVar("T")
Around = Callable[[Callable[[], Awaitable[T]]], Coroutine[Any, Any, T]]


class Steps:
    """Steps taken in a branch, one at a time, in whichever context.

    What a step attaches without an end stays for the next one, and for none of its surroundings.
    """

    __slots__ = ("_inside",)

    def __init__(self, running: Branch) -> None:
        """Prepare to start in a branch."""
        self._inside: Branch | None = running

    def take(self, step: Callable[..., Any], *args: Any) -> Any:
        """Take a step."""
        token = enter(self._inside)
        try:
            return step(*args)
        finally:
            self._inside = branch()
            leave(token)


class Stepped(Coroutine[Any, Any, T], Generator[Any, Any, T]):
    """A coroutine of which each step is taken as one of `steps`."""

    __slots__ = ("_begin", "_running", "_steps")

    def __init__(self, steps: Steps, begin: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Prepare to step what `begin` returns, who is asked at the first step."""
        self._steps, self._begin = steps, begin
        self._running: Coroutine[Any, Any, T] | None = None

    def send(self, value: Any, /) -> Any:
        """Take a step; the first one begins."""
        return self._steps.take(self._begun().send, value)

    def throw(self, *error: Any) -> Any:
        """Throw into the coroutine."""
        return self._steps.take(self._begun().throw, *error)

    def close(self) -> None:
        """End the coroutine, wherever it stands."""
        self._steps.take(self._begun().close)

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def _begun(self) -> Coroutine[Any, Any, T]:
        if self._running is None:
            self._running = self._begin()
        return self._running


class Work(Stepped[T]):
    """The application's coroutine with what runs around it, stepped in a branch.

    All that is asked of a coroutine for display (`cr_frame`, its name) is the application's.
    """

    __slots__ = ("_around", "application")

    def __init__(
        self, running: Branch, application: Coroutine[Any, Any, T], around: Around[T]
    ) -> None:
        """Prepare; `around(work)` makes the coroutine to be stepped, at the first step."""
        super().__init__(Steps(running), lambda: around(lambda: application))
        self.application, self._around = application, around

    def throw(self, *error: Any) -> Any:
        """Throw into the coroutine. One that is cancelled before it began never begins."""
        if self._running is not None:
            return super().throw(*error)
        self._running = self._around(lambda: _thrown(self.application, error))
        return self.send(None)

    def close(self) -> None:
        """End the coroutine, wherever it stands; around it one hears of what never began too."""
        if self._running is None:
            self.application.close()
            self._running = self._around(_nothing)
            with suppress(StopIteration):
                self.send(None)
        super().close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.application, name)


async def _thrown(coroutine: Coroutine[Any, Any, T], error: tuple[Any, ...]) -> T:
    coroutine.throw(*error)
    return await coroutine


async def _nothing() -> Any:
    pass
