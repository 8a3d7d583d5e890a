"""The crossing of a call of the event loop's library, and the requests that it streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any
from weakref import ref

from grpc import StatusCode
from grpc.aio import EOF

from baggage.boundary import Departure, Fork, Outcome, deliver
from baggage.boundary.outcome import delivered
from baggage.boundary.pending import Pending
from baggage.context import enter, leave
from baggage.instrumentation._grpc.aio_calls import become, ended_call, error_of
from baggage.instrumentation._grpc.client import Answer, Calling


class Tracked:
    """A call of the library's that has a crossing. Used in the call's event loop.

    Refers to the call weakly: the library cancels what the application lets go of.
    """

    __slots__ = (
        "_asked",
        "_call",
        "_core",
        "_error",
        "_happened",
        "_message",
        "_outcome",
        "_pending",
        "_response",
        "_streamed",
    )

    def __init__(self, pending: Pending, asked: Calling, streamed: Fork | None, call: Any) -> None:
        """Take over a crossing that has begun, and the fork of the requests that are streamed."""
        self._pending, self._asked, self._streamed = pending, asked, streamed
        self._call = ref(call)
        self._core: Any = None
        self._response: asyncio.Future[Any] | None = None
        self._error: BaseException | None = None
        self._message: Any = EOF
        self._happened: Outcome | None = None
        self._outcome: Outcome | None = None

    def watch(self, call: Any) -> None:
        """End the crossing when a call ends, which may be one that interceptors are to make."""
        task = getattr(call, "_interceptors_task", None)
        if task is not None:
            task.add_done_callback(self._intercepted)
            return
        call = getattr(call, "_call", call)  # of an interceptor's stream of its own
        self._core = getattr(call, "_cython_call", None)
        if self._core is None:
            self._message = getattr(call, "_response", None)
            self.end()
        elif self._asked.one_response:
            self._response = call._call_response
            call._call_response.add_done_callback(lambda _: self.end())
        else:
            self._core.add_done_callback(partial(self.end))

    def end(self) -> None:
        """End the crossing of a call that has ended."""
        outcome = self._outcome = self._pending.settle(self._tell)
        call = self._call()
        if self._changed() and call is not None:
            become(call, ended_call(self._asked, _how(outcome)))

    def take(self) -> bool:
        """Join what a call brought, if it has ended. Return whether it has ended otherwise now."""
        if not self._over():
            return False
        self.end()
        self._pending.join()
        if self._streamed is not None:
            self._streamed.join()
        return self._changed()

    def deliver(self) -> Any:
        """Return, or raise, what the application sees instead."""
        assert self._outcome is not None  # noqa: S101 - as `take` says that there is
        answer = deliver(self._outcome)
        return answer.message if isinstance(answer, Answer) else answer

    def _changed(self) -> bool:
        """Say whether the application sees something else than what happened."""
        seen, happened = self._outcome, self._happened
        if seen is None or happened is None:
            return seen is not happened
        return delivered(seen) is not delivered(happened)

    def _over(self) -> bool:
        if self._outcome is not None or self._error is not None:
            return True
        if self._core is None or not self._core.done():
            return False
        # A message that came is yet to be read into what the application gets.
        return self._response is None or self._response.done() or not self._core.is_ok()

    def _intercepted(self, task: asyncio.Future[Any]) -> None:
        self._error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self._error is None:
            self.watch(task.result())
        else:
            self.end()

    def _read(self) -> BaseException | None:
        """Take the message of a call that has ended, or return what it raises instead."""
        response = self._response
        if response is not None and response.done() and not response.cancelled():
            error = response.exception()
            if error is not None:
                return error
            self._message = response.result()
        return self._error or (None if self._core is None else error_of(self._core))

    def _tell(self, departure: Departure) -> Outcome:
        error = self._read()
        if error is not None:
            self._happened = departure.raised(error)
        else:
            message = None if self._message is EOF else self._message
            trailing = () if self._core is None else self._core._status.trailing_metadata()
            self._happened = departure.answered(Answer(message, StatusCode.OK, trailing))
        return self._happened


def _how(outcome: Outcome) -> Any:
    """Return what a call is to end with: an exception, or a message."""
    try:
        answer = deliver(outcome)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever is wanted
        return error
    return answer.message if isinstance(answer, Answer) else answer


def requests_in(fork: Fork, requests: Any) -> Any:
    """Have requests made in a branch: the library takes them in a task of its own."""
    if isinstance(requests, AsyncIterable):
        return _AsyncRequests(requests, fork)
    if isinstance(requests, Iterable):
        return _Requests(requests, fork)
    return requests


class _Requests:
    """An iterable of the application's whose every step is taken in a branch."""

    __slots__ = ("_fork", "_requests", "_steps")

    def __init__(self, requests: Iterable[Any], fork: Fork) -> None:
        self._requests, self._fork = requests, fork
        self._steps: Iterator[Any] | None = None

    def __iter__(self) -> _Requests:
        self._steps = self._fork.resume(lambda: iter(self._requests))
        return self

    def __next__(self) -> Any:
        steps = self._steps
        assert steps is not None  # noqa: S101 - iterators begin by `__iter__`
        return self._fork.resume(lambda: next(steps))


class _AsyncRequests:
    """An asynchronous iterable of the application's whose every step is taken in a branch."""

    __slots__ = ("_fork", "_requests", "_steps")

    def __init__(self, requests: AsyncIterable[Any], fork: Fork) -> None:
        self._requests, self._fork = requests, fork
        self._steps: AsyncIterator[Any] | None = None

    def __aiter__(self) -> _AsyncRequests:
        self._steps = self._fork.resume(lambda: aiter(self._requests))
        return self

    async def __anext__(self) -> Any:
        assert self._steps is not None  # noqa: S101 - iterators begin by `__aiter__`
        # The task that takes the requests does nothing else.
        token = enter(self._fork.child)
        try:
            return await anext(self._steps)
        finally:
            leave(token)
