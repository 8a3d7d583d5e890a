"""Calls that arrive at the event loop's servers: coroutines, asynchronous generators, functions.

Found where the library looks for a method's handler, after all interceptors. Functions that are no
coroutines run in a thread of a pool; what stands in for a handler is of its kind, so that the
library treats it alike.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import wrapt

from baggage.boundary import Arrival, Boundary, underway
from baggage.context import Branch, branch, enter, leave
from baggage.instrumentation._grpc.aio_context import AsyncContext, BlockingContext
from baggage.instrumentation._grpc.aio_threads import OwnJobs, OwnSteps
from baggage.instrumentation._grpc.private import aio_server, core, utilities
from baggage.instrumentation._grpc.server import Served, ServerAdapter, replied
from baggage.instrumentation._patching import Switch, wrap

_LIBRARY: Final = "grpc.aio"
_OWN: Final = frozenset({_LIBRARY})
_ADAPTER: Final = ServerAdapter(_LIBRARY)
_KINDS: Final = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def instrument_servers(boundary: Boundary, switch: Switch) -> None:
    """Wrap where every server finds its handlers, and what starts threads of the library's own."""

    def find(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        finding = wrapped(*args, **kwargs)
        return _found(boundary, str(args[0]), finding) if switch.on and args else finding

    def schedule(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        if switch.on and not _muted() and not underway.within(branch(), _OWN):
            # In the task of a server that was started before: from here on it's as in `_start`.
            enter(Branch())
            underway.begin((branch(), _LIBRARY))
        return wrapped(*args, **kwargs)

    def stream(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        if not switch.on or len(args) != 3:
            return wrapped(*args, **kwargs)
        messages, loop, pool = args
        return wrapped(messages, loop, OwnJobs(_LIBRARY, loop, pool))

    wrapt.wrap_function_wrapper(core, "_find_method_handler", find)
    wrapt.wrap_function_wrapper(core, "generator_to_async_generator", stream)
    wrapt.wrap_function_wrapper(core, "_schedule_rpc_coro", schedule)
    wrap(aio_server.Server, "__init__", switch, _own_threads)
    wrap(aio_server.Server, "start", switch, _start)
    wrap(aio_server.Server, "stop", switch, _stop)


def _muted() -> bool:
    """Say whether the server is of those that nobody shall see."""
    running = branch()
    return running is not None and running.muted


def _own_threads(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    with underway.inside(_LIBRARY):
        return wrapped(*args, **kwargs)


async def _start(wrapped: Callable[..., Awaitable[Any]], _: Any, args: Any, kwargs: Any) -> Any:
    """Start a server in a branch of its own: its tasks carry what is carried here, for good."""
    if _muted():
        return await wrapped(*args, **kwargs)
    token = enter(Branch())
    try:
        with underway.inside(_LIBRARY):
            return await wrapped(*args, **kwargs)
    finally:
        leave(token)


async def _stop(wrapped: Callable[..., Awaitable[Any]], _: Any, args: Any, kwargs: Any) -> Any:
    with underway.inside(_LIBRARY):
        return await wrapped(*args, **kwargs)


async def _found(boundary: Boundary, method: str, finding: Awaitable[Any]) -> Any:
    handler = await finding
    if handler is None or _muted():
        return handler
    name = _KINDS[2 * bool(handler.request_streaming) + bool(handler.response_streaming)]
    behaviour = getattr(handler, name)
    arriving = _Arriving(boundary, method, behaviour, one_request=not handler.request_streaming)
    behaviours = {kind: getattr(handler, kind) for kind in _KINDS}
    behaviours[name] = _serving(arriving, streams=bool(handler.response_streaming))
    return utilities.RpcMethodHandler(
        handler.request_streaming,
        handler.response_streaming,
        handler.request_deserializer,
        handler.response_serializer,
        **behaviours,
    )


def _serving(arriving: _Arriving, *, streams: bool) -> Callable[..., Any]:
    """Return what serves a method's calls, of the kind that its behaviour is of."""
    behaviour = arriving.behaviour
    if inspect.iscoroutinefunction(behaviour):

        async def coroutine(request: Any, context: Any) -> Any:
            arrival = arriving.arrive(request, context)
            if arrival is None:
                return await behaviour(request, context)
            return await _coroutine(arrival, behaviour, request, context)

        return coroutine
    if inspect.isasyncgenfunction(behaviour):

        async def generator(request: Any, context: Any) -> AsyncIterator[Any]:
            arrival = arriving.arrive(request, context)
            if arrival is None:
                messages = behaviour(request, context)
            else:
                messages = _generator(arrival, behaviour, request, context)
            async with aclosing(messages):
                async for message in messages:
                    yield message

        return generator

    def function(request: Any, context: Any) -> Any:
        # Whatever the pool's thread carries is nobody's.
        token = enter(None)
        try:
            arrival = arriving.arrive(request, context)
            if arrival is None:
                return behaviour(request, context)
            serve = _stream if streams else _function
            steps = request if arriving.one_request else OwnSteps(_LIBRARY, request)
            return serve(arrival, behaviour, steps, context)
        finally:
            leave(token)

    return function


@dataclass(frozen=True, slots=True)
class _Arriving:
    """A method whose calls arrive."""

    boundary: Boundary
    method: str
    behaviour: Callable[..., Any]
    one_request: bool

    def arrive(self, request: Any, context: Any) -> Arrival | None:
        """Return the arrival of one call, whatever its task carries."""
        token = enter(None)
        try:
            served = Served(self.method, context, request if self.one_request else None)
            return self.boundary.arrive(_ADAPTER, served)
        finally:
            leave(token)


async def _coroutine(
    arrival: Arrival, behaviour: Callable[..., Any], request: Any, context: Any
) -> Any:
    watched = AsyncContext(context, arrival)
    try:
        with arrival.scope():
            outcome = arrival.begin()
            if outcome is None:
                if arrival.delay:
                    await asyncio.sleep(arrival.delay)
                try:
                    message = await behaviour(request, watched)
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - its own
                    outcome = watched.failing(error)
                else:
                    outcome = replied(arrival, message, watched.told_code)
            return await watched.finish(outcome)
    finally:
        arrival.close()


async def _generator(
    arrival: Arrival, behaviour: Callable[..., Any], request: Any, context: Any
) -> AsyncIterator[Any]:
    watched = AsyncContext(context, arrival)
    try:
        with arrival.scope():
            outcome = arrival.begin()
            if arrival.delay:
                await asyncio.sleep(arrival.delay)
        messages: Any = None if outcome is not None else behaviour(request, watched)
        while outcome is None:
            with arrival.scope():
                try:
                    message = await anext(messages)
                except StopAsyncIteration:
                    outcome = replied(arrival, None, watched.told_code)
                    break
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - its own
                    outcome = watched.failing(error)
                    break
            yield message
        with arrival.scope():
            await watched.finish(outcome)
    finally:
        arrival.close()


def _function(arrival: Arrival, behaviour: Callable[..., Any], request: Any, context: Any) -> Any:
    """Serve a call by a function, in a thread of a pool."""
    watched = BlockingContext(context, arrival)
    try:
        with arrival.scope():
            outcome = arrival.begin()
            if outcome is None:
                if arrival.delay:
                    time.sleep(arrival.delay)
                try:
                    message = behaviour(request, watched)
                except Exception as error:  # noqa: BLE001 - the application's own
                    outcome = watched.failing(error)
                else:
                    outcome = replied(arrival, message, watched.told_code)
            return watched.finish(outcome)
    finally:
        arrival.close()


def _stream(
    arrival: Arrival, behaviour: Callable[..., Any], request: Any, context: Any
) -> Iterator[Any]:
    """Serve a call by a generator, whose every step is taken in a thread of a pool."""
    watched = BlockingContext(context, arrival)
    try:
        with arrival.scope():
            outcome = arrival.begin()
            if arrival.delay:
                time.sleep(arrival.delay)
            messages = iter(()) if outcome is not None else behaviour(request, watched)
        while outcome is None:
            with arrival.scope():
                try:
                    message = next(messages)
                except StopIteration:
                    outcome = replied(arrival, None, watched.told_code)
                    break
                except Exception as error:  # noqa: BLE001 - the application's own
                    outcome = watched.failing(error)
                    break
            yield message
        with arrival.scope():
            watched.finish(outcome)
    finally:
        arrival.close()
