"""A coroutine whose every step runs in a branch of its own, whoever takes the step.

It is started, cancelled and thrown away as the application's coroutine in it would be. What happens
around that coroutine is the fork's affair.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
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


class Work(Coroutine[Any, Any, T], Generator[Any, Any, T]):
    """The application's coroutine with what runs around it, stepped in a branch.

    All that is asked of a coroutine for display (`cr_frame`, its name) is the application's.
    """

    __slots__ = ("_around", "_running", "_steps", "application")

    def __init__(
        self, running: Branch, application: Coroutine[Any, Any, T], around: Around[T]
    ) -> None:
        """Prepare; `around(work)` makes the coroutine to be stepped, at the first step."""
        self.application = application
        self._steps, self._around = Steps(running), around
        self._running: Coroutine[Any, Any, T] | None = None

    def send(self, value: Any, /) -> Any:
        """Take a step; the first one begins."""
        running = self._running or self._begin(lambda: self.application)
        return self._steps.take(running.send, value)

    def throw(self, *error: Any) -> Any:
        """Throw into the coroutine. One that is cancelled before it began never begins."""
        if self._running is not None:
            return self._steps.take(self._running.throw, *error)
        running = self._begin(lambda: _thrown(self.application, error))
        return self._steps.take(running.send, None)

    def close(self) -> None:
        """End the coroutine, wherever it stands."""
        if self._running is None:
            self.application.close()
        else:
            self._steps.take(self._running.close)

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.application, name)

    def _begin(self, work: Callable[[], Awaitable[T]]) -> Coroutine[Any, Any, T]:
        self._running = self._around(work)
        return self._running


async def _thrown(coroutine: Coroutine[Any, Any, T], error: tuple[Any, ...]) -> T:
    coroutine.throw(*error)
    return await coroutine
