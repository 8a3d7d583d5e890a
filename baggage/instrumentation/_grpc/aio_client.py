"""Calls of the event loop's library: what a stub returns is under way, and awaited later.

A call ends its crossing when the library has its end. What it brought is joined by whoever awaits
it, or reads to the end. Interceptors of the application's are a part of the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing
from copy import copy
from functools import partial
from typing import Any, Final

from grpc.aio import EOF

from baggage.boundary import Boundary, Departure, Fork, Outcome, Raised, underway
from baggage.boundary.pending import Pending, launch
from baggage.context import ensure
from baggage.instrumentation._grpc.aio_calls import ended_call, failure
from baggage.instrumentation._grpc.aio_target import follow_targets
from baggage.instrumentation._grpc.aio_tracked import Tracked, requests_in
from baggage.instrumentation._grpc.client import Answer, Calling, ClientAdapter, calling
from baggage.instrumentation._grpc.private import aio_call, aio_channel, aio_interceptor
from baggage.instrumentation._patching import Switch, Wrapper, wrap

_LIBRARY: Final = "grpc.aio"
_PENDING: Final = "_baggage_pending"
_DELAYED: Final = "_baggage_delayed"
_EXCEPTIONS: Final = frozenset(
    {"grpc.RpcError", "grpc.aio.AioRpcError", "grpc.aio._call.AioRpcError"}
)
_ADAPTER: Final = ClientAdapter(_LIBRARY, failure, _EXCEPTIONS)

Call = Callable[..., Any]
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def instrument_calls(boundary: Boundary, switch: Switch) -> None:
    """Wrap what every stub calls, and how calls are awaited and read."""
    for name, requests, responses in (
        ("UnaryUnaryMultiCallable", "unary", "unary"),
        ("UnaryStreamMultiCallable", "unary", "stream"),
        ("StreamUnaryMultiCallable", "stream", "unary"),
        ("StreamStreamMultiCallable", "stream", "stream"),
    ):
        owner = getattr(aio_channel, name)
        wrap(owner, "__call__", switch, _starting(boundary, requests, responses))
    for module, prefix, stream in (
        (aio_call, "_", "_fetch_stream_responses"),
        (aio_interceptor, "_Intercepted", "_wait_for_interceptor_task_response_iterator"),
    ):
        wrap(getattr(module, f"{prefix}UnaryResponseMixin"), "__await__", switch, _await)
        wrap(getattr(module, f"{prefix}StreamResponseMixin"), stream, switch, _stream)
    wrap(aio_call._StreamResponseMixin, "read", switch, _read)
    for owner in (aio_call.Call, aio_interceptor.InterceptedCall):
        wrap(owner, "code", switch, _code)
    follow_targets(switch)
    wrap(aio_channel.Channel, "__init__", switch, _own_threads)
    wrap(aio_channel.Channel, "_close", switch, _close)


def _own_threads(wrapped: Call, _: Any, args: Args, kwargs: Kwargs) -> Any:
    """Have the library start threads that belong to nobody's request."""
    with underway.inside(_LIBRARY):
        return wrapped(*args, **kwargs)


async def _close(wrapped: Callable[..., Awaitable[Any]], _: Any, args: Args, kwargs: Kwargs) -> Any:
    with underway.inside(_LIBRARY):
        return await wrapped(*args, **kwargs)


def _starting(boundary: Boundary, requests: str, responses: str) -> Wrapper:
    """Return what makes a call."""

    def start(wrapped: Call, callee: Any, args: Args, kwargs: Kwargs) -> Any:
        if _DELAYED in vars(callee):
            return wrapped(*args, **kwargs)
        asked = calling(callee, args, kwargs, requests=requests, responses=responses)
        departure = None if asked is None else boundary.depart(_ADAPTER, asked)
        if asked is None or departure is None:
            return wrapped(*args, **kwargs)
        # What the library starts meanwhile runs in this branch, and so there has to be one.
        ensure()
        return _Start(boundary, asked, departure).through(wrapped)

    return start


class _Start:
    """The start of one call."""

    __slots__ = ("_asked", "_boundary", "_departure", "_streamed", "call")

    def __init__(self, boundary: Boundary, asked: Calling, departure: Departure) -> None:
        self._boundary, self._asked, self._departure = boundary, asked, departure
        self._streamed: Fork | None = None
        self.call: Any = None

    def through(self, start: Call) -> Any:
        launched = launch(self._departure, partial(self._send, start))
        if not isinstance(launched, Pending):
            return self._instead(launched)
        tracked = Tracked(launched, self._asked, self._streamed, self.call)
        vars(self.call)[_PENDING] = tracked
        tracked.watch(self.call)
        return self.call

    def _send(self, start: Call) -> None:
        asked = self._asked
        if not asked.one_request and asked.request is not None:
            self._streamed = Fork(self._boundary, _ADAPTER, asked, None)
            self._streamed.start(lambda: None)
            asked.request = requests_in(self._streamed, asked.request)
        if self._departure.delay:
            start = _delayed(asked.callee, self._departure.delay)
        self.call = start(asked.request, **asked.outgoing())

    def _instead(self, outcome: Outcome) -> Any:
        """Return a call that did not happen."""
        if isinstance(outcome, Raised):
            return ended_call(self._asked, outcome.error)
        answer = outcome.value
        return ended_call(self._asked, answer.message if isinstance(answer, Answer) else answer)


def _delayed(callee: Any, delay: float) -> Call:
    """Return what calls after so many seconds, as an interceptor of the library's can."""
    delayed = copy(callee)
    delayed._interceptors = [_Delay(delay), *(callee._interceptors or ())]
    vars(delayed)[_DELAYED] = True
    return delayed  # type: ignore[no-any-return]


class _Delay:
    """An interceptor that waits, for calls of any arity."""

    def __init__(self, delay: float) -> None:
        self._delay = delay

    async def _intercept(self, proceed: Call, details: Any, request: Any) -> Any:
        await asyncio.sleep(self._delay)
        return await proceed(details, request)

    intercept_unary_unary = intercept_unary_stream = _intercept
    intercept_stream_unary = intercept_stream_stream = _intercept


def _tracked(call: Any) -> Tracked | None:
    tracked: Tracked | None = vars(call).get(_PENDING)
    return tracked


def _await(wrapped: Call, call: Any, args: Args, kwargs: Kwargs) -> Any:
    """Await the answer: whoever does joins what it brought."""
    tracked = _tracked(call)
    answer = wrapped(*args, **kwargs)
    return answer if tracked is None else _awaited(tracked, answer)


def _awaited(tracked: Tracked, answer: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    try:
        message = yield from answer
    except (Exception, asyncio.CancelledError):
        if not tracked.take():
            raise
    else:
        if not tracked.take():
            return message
    return tracked.deliver()


def _stream(wrapped: Call, call: Any, args: Args, kwargs: Kwargs) -> Any:
    """Read the messages; at the end, join what the call brought."""
    tracked = _tracked(call)
    messages = wrapped(*args, **kwargs)
    return messages if tracked is None else _streamed(tracked, messages)


async def _streamed(tracked: Tracked, messages: AsyncGenerator[Any, None]) -> AsyncIterator[Any]:
    async with aclosing(messages):
        try:
            async for message in messages:
                yield message
        except (Exception, asyncio.CancelledError):
            if not tracked.take():
                raise
        else:
            if not tracked.take():
                return
    tracked.deliver()


def _read(wrapped: Call, call: Any, args: Args, kwargs: Kwargs) -> Any:
    """Read one message; at the end, join what the call brought."""
    tracked = _tracked(call)
    message = wrapped(*args, **kwargs)
    return message if tracked is None else _one_read(tracked, message)


async def _one_read(tracked: Tracked, message: Awaitable[Any]) -> Any:
    try:
        read = await message
    except (Exception, asyncio.CancelledError):
        if not tracked.take():
            raise
    else:
        if read is not EOF or not tracked.take():
            return read
    return tracked.deliver()


def _code(wrapped: Call, call: Any, args: Args, kwargs: Kwargs) -> Any:
    """Wait for the end of a call, which may have been made another one."""
    tracked = _tracked(call)
    return wrapped(*args, **kwargs) if tracked is None else _coded(tracked, wrapped)


async def _coded(tracked: Tracked, wrapped: Callable[[], Awaitable[Any]]) -> Any:
    code = await wrapped()
    return await wrapped() if tracked.take() else code
