"""Calls that arrive at the blocking library's servers, in the threads of the application's pool.

Found where the library hands a method's handler to the pool, after all interceptors: that is on a
thread which must not wait, so what the handler does is wrapped, and nothing is done there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

from baggage.boundary import Arrival, Boundary, Outcome, blank, underway
from baggage.context import branch, enter, leave
from baggage.instrumentation._grpc.private import core, server, utilities
from baggage.instrumentation._grpc.server import (
    Served,
    ServerAdapter,
    aborted,
    answer_of,
    ended,
    failed,
    replied,
    trailing,
)
from baggage.instrumentation._grpc.target import text_of
from baggage.instrumentation._patching import Function, Switch, replace, wrap
from baggage.wire import NAME

_LIBRARY: Final = "grpc"
_KEPT: Final = "_baggage_served"
_ADAPTER: Final = ServerAdapter(_LIBRARY)
_KINDS: Final = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")

Behaviour = Callable[..., Any]


def instrument_servers(boundary: Boundary, switch: Switch) -> None:
    """Wrap where every server finds its handlers, and what starts threads of the library's own."""

    def finding(original: Function) -> Function:
        def find(event: Any, state: Any, known: Any, *args: Any, **kwargs: Any) -> Any:
            handler = original(event, state, known, *args, **kwargs)
            if handler is None or not switch.on:
                return handler
            running = branch()
            if running is not None and running.muted:
                return handler
            return _serving(boundary, _method(event, known), handler)

        return find

    def handling(original: Function) -> Function:
        def handle(*args: Any, **kwargs: Any) -> Any:
            if not switch.on:
                return original(*args, **kwargs)
            return underway.run_inside(_LIBRARY, original, *args, **kwargs)

        return handle

    replace(server, "_find_method_handler", finding)
    # The pool is the application's, but what the library puts there is no branch of anyone's.
    replace(server, "_handle_with_method_handler", handling)
    wrap(server._Server, "start", switch, _own_threads)
    wrap(server._Server, "stop", switch, _own_threads)
    wrap(core.ForkManagedThread, "start", switch, _own_threads)


def _own_threads(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """Have the library start threads that belong to nobody's request."""
    with underway.inside(_LIBRARY):
        return wrapped(*args, **kwargs)


def _method(event: Any, known: Any) -> str:
    """Return the full name of a call's method, which one of the two says."""
    name = getattr(known, "name", None)
    method: str | bytes = (name() if name is not None else None) or event.call_details.method or b""
    return text_of(method)


def _serving(boundary: Boundary, method: str, handler: Any) -> Any:
    """Return a method's handler whose behaviour is an arrival.

    Most handlers serve many calls: what is made of one is kept with it.
    """
    kept = getattr(handler, _KEPT, None)
    if kept is not None and kept[0] is boundary and kept[1] == method:
        return kept[2]
    made = _made(boundary, method, handler)
    with suppress(AttributeError):  # of the application's own class
        object.__setattr__(handler, _KEPT, (boundary, method, made))
    return made


def _made(boundary: Boundary, method: str, handler: Any) -> Any:
    name = _KINDS[2 * bool(handler.request_streaming) + bool(handler.response_streaming)]
    behaviour = getattr(handler, name)
    if getattr(behaviour, "experimental_non_blocking", False):
        return handler  # It answers by a callback that says nothing of exceptions.
    one_request = not handler.request_streaming
    streams = bool(handler.response_streaming)
    serve = _stream if streams else _reply

    def served(request: Any, context: Any) -> Any:
        if not streams and boundary.unasked(_ADAPTER) and not _signed(context):
            return blank.serve(boundary, behaviour, request, context)
        # Whatever the pool's thread carries is nobody's.
        token = enter(None)
        try:
            arrived = Served(method, context, request if one_request else None)
            arrival = boundary.arrive(_ADAPTER, arrived)
            if arrival is None:
                return behaviour(request, context)
            return serve(arrival, context, partial(behaviour, request, context))
        finally:
            leave(token)

    pool = getattr(behaviour, "experimental_thread_pool", None)
    if pool is not None:
        vars(served)["experimental_thread_pool"] = pool
    behaviours = {kind: getattr(handler, kind) for kind in _KINDS} | {name: served}
    return utilities.RpcMethodHandler(
        handler.request_streaming,
        handler.response_streaming,
        handler.request_deserializer,
        handler.response_serializer,
        **behaviours,
    )


def _signed(context: Any) -> bool:
    """Say whether any baggage came with a call."""
    for item in context.invocation_metadata() or ():  # noqa: SIM110 - `any` costs thrice
        if item[0] == NAME:
            return True
    return False


def _reply(arrival: Arrival, context: Any, behave: Callable[[], Any]) -> Any:
    """Serve a call that is answered by one message."""
    token = enter(arrival.branch)
    try:
        outcome = arrival.begin()
        if outcome is None:
            if arrival.delay:
                time.sleep(arrival.delay)
            try:
                message = behave()
            except Exception as error:  # noqa: BLE001 - the application's own
                outcome = _failing(arrival, context, error)
            else:
                outcome = replied(arrival, message, context.code())
        return _finish(arrival, context, outcome)
    finally:
        leave(token)
        arrival.close()


def _stream(arrival: Arrival, context: Any, behave: Callable[[], Any]) -> Iterator[Any]:
    """Serve a call that is answered by a stream."""
    try:
        with arrival.scope():
            outcome = arrival.begin()
            if outcome is None:
                if arrival.delay:
                    time.sleep(arrival.delay)
                try:
                    return _Responses(arrival, context, behave())
                except Exception as error:  # noqa: BLE001 - the application's own
                    outcome = _failing(arrival, context, error)
            responses = iter(_finish(arrival, context, outcome) or ())
    except BaseException:
        arrival.close()
        raise
    arrival.close()
    return responses


class _Responses:
    """The application's stream of messages, whose every step is taken in the arrival's scope."""

    __slots__ = ("_arrival", "_context", "_over", "_responses")

    def __init__(self, arrival: Arrival, context: Any, responses: Iterator[Any]) -> None:
        self._arrival, self._context, self._responses = arrival, context, responses
        self._over = False

    def __iter__(self) -> _Responses:
        return self

    def __next__(self) -> Any:
        arrival = self._arrival
        with arrival.scope():
            try:
                return next(self._responses)
            except StopIteration:
                outcome = replied(arrival, None, self._context.code())
            except Exception as error:  # noqa: BLE001 - the application's own
                outcome = _failing(arrival, self._context, error)
            try:
                _finish(arrival, self._context, outcome)
            finally:
                self._over = True
                arrival.close()
        raise StopIteration

    def close(self) -> None:
        """End a stream that nobody reads any more, as where the caller hung up."""
        if self._over:
            return
        self._over = True
        close = getattr(self._responses, "close", None)
        with self._arrival.scope():
            try:
                if close is not None:
                    close()
            finally:
                self._arrival.close()

    def __del__(self) -> None:
        """End it where the library lets go of it without a word."""
        self.close()


def _failing(arrival: Arrival, context: Any, error: Exception) -> Outcome:
    how = ended if context._state.aborted else failed
    return how(arrival, error, context.code())


def _finish(arrival: Arrival, context: Any, outcome: Outcome) -> Any:
    """Tell the flows, send home what goes there, and answer."""
    outcome = arrival.end(outcome)
    arrival.respond(trailing(context) if arrival.aware else None)
    status = aborted(outcome)
    if status is not None:
        context.abort(status.code, status.details)
    return answer_of(outcome)
