"""Calls of the blocking library: those that wait, those that return a future, and streams.

A future or a stream ends its crossing when the call has ended, in whatever thread of the library
notices. What it brought is joined by whoever takes the result, or reads to the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final
from weakref import ref

from grpc import StatusCode

from baggage.boundary import Boundary, Departure, Fork, Outcome, Raised, Returned
from baggage.boundary.outcome import delivered
from baggage.boundary.pending import Pending, launch
from baggage.context import branch
from baggage.instrumentation._grpc.blocking_calls import (
    failed_call,
    failed_rendezvous,
    overwrite,
    rendezvous,
)
from baggage.instrumentation._grpc.client import OPTIONS, Answer, Calling, ClientAdapter, calling
from baggage.instrumentation._grpc.private import channel
from baggage.instrumentation._grpc.status import OK, Status
from baggage.instrumentation._patching import Function, Switch, Wrapper, replace, wrap

_LIBRARY: Final = "grpc"
_PENDING: Final = "_baggage_pending"
_EXCEPTIONS: Final = frozenset(
    {"grpc.RpcError", "grpc._channel._InactiveRpcError", "grpc._channel._MultiThreadedRendezvous"}
)
# What one of its calls is made of is no call of its own.
_BELOW: Final = frozenset({_LIBRARY})
_WAITING: Final = ClientAdapter(_LIBRARY, failed_call, _EXCEPTIONS, _BELOW)
_LATER: Final = ClientAdapter(_LIBRARY, failed_rendezvous, _EXCEPTIONS, _BELOW)

_DEFAULTS: Final = dict.fromkeys(OPTIONS)

Call = Callable[..., Any]
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def instrument_calls(boundary: Boundary, switch: Switch) -> None:
    """Wrap what every stub, every channel and every interceptor ends in."""
    for name, requests in (
        ("_UnaryUnaryMultiCallable", "unary"),
        ("_StreamUnaryMultiCallable", "stream"),
    ):
        owner = getattr(channel, name)
        replace(owner, "__call__", _waiting(boundary, switch, requests, with_call=False))
        replace(owner, "with_call", _waiting(boundary, switch, requests, with_call=True))
        wrap(owner, "future", switch, _starting(boundary, requests, "unary"))
    for name, requests in (
        ("_UnaryStreamMultiCallable", "unary"),
        ("_SingleThreadedUnaryStreamMultiCallable", "unary"),
        ("_StreamStreamMultiCallable", "stream"),
    ):
        owner = getattr(channel, name, None)
        if owner is not None:
            wrap(owner, "__call__", switch, _starting(boundary, requests, "stream"))
    for name in ("_MultiThreadedRendezvous", "_SingleThreadedRendezvous"):
        owner = getattr(channel, name)
        for taking in ("result", "exception", "traceback", "code", "details"):
            wrap(owner, taking, switch, _take)
        wrap(owner, "_next", switch, _step)
        wrap(owner, "add_done_callback", switch, _follow)
        wrap(owner, "add_callback", switch, _follow)


def _waiting(
    boundary: Boundary, switch: Switch, requests: str, *, with_call: bool
) -> Callable[[Function], Function]:
    """Return what makes a method that makes a call, and waits for the answer."""

    def waiting(original: Function) -> Function:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not (switch.on and boundary.departs(_WAITING)):
                return original(self, *args, **kwargs)
            asked = calling(self, args, kwargs, requests=requests, responses="unary")
            departure = None if asked is None else boundary.depart(_WAITING, asked)
            if asked is None or departure is None:
                return original(self, *args, **kwargs)
            return _wait(boundary, asked, departure, with_call=with_call)

        return call

    return waiting


def _wait(boundary: Boundary, asked: Calling, departure: Departure, *, with_call: bool) -> Any:
    """Make a call whose caller waits for the answer."""
    streamed = None if asked.one_request else _stream_requests(boundary, asked)
    try:
        answer = departure.drive(lambda: _send(asked, with_call=with_call))
    finally:
        if streamed is not None:
            streamed.join()
    if not isinstance(answer, Answer):
        return answer  # A meta-application answered by a value of its own.
    if not with_call:
        return answer.message
    return answer.message, answer.call or rendezvous(asked, OK, answer.message)


def _send(asked: Calling, *, with_call: bool) -> Answer:
    """Do what the library's own methods do, and keep what they let go of: how the call ended."""
    options = {**_DEFAULTS, **asked.outgoing()}
    state, core_call = asked.callee._blocking(asked.request, **options)
    ended = channel._end_unary_response_blocking(state, core_call, with_call, None)
    message, call = ended if with_call else (ended, None)
    return Answer(message, state.code, state.trailing_metadata, call)


def _stream_requests(boundary: Boundary, asked: Calling) -> Fork | None:
    """Have requests made in a branch of their own: the library takes them in a thread of its own.

    Returns that branch, to be joined by whoever waits for the answer.
    """
    if asked.one_request or branch() is None:
        return None
    fork = Fork(boundary, _WAITING, asked, None)
    fork.start(lambda: None)
    asked.request = _Requests(asked.request, fork)
    return fork


class _Requests:
    """An iterator of the application's whose every step is taken in a branch."""

    __slots__ = ("_fork", "_requests")

    def __init__(self, requests: Iterator[Any], fork: Fork) -> None:
        self._requests, self._fork = requests, fork

    def __iter__(self) -> _Requests:
        return self

    def __next__(self) -> Any:
        return self._fork.resume(lambda: next(self._requests))


def _starting(boundary: Boundary, requests: str, responses: str) -> Wrapper:
    """Return what makes a call that goes on after it returned."""

    def start(wrapped: Call, callee: Any, args: Args, kwargs: Kwargs) -> Any:
        asked = calling(callee, args, kwargs, requests=requests, responses=responses)
        departure = None if asked is None else boundary.depart(_LATER, asked)
        if asked is None or departure is None:
            return wrapped(*args, **kwargs)
        return _Start(boundary, asked, departure).through(wrapped)

    return start


class _Start:
    """The start of one call that goes on after it returned."""

    __slots__ = ("_asked", "_boundary", "_departure", "_streamed", "call")

    def __init__(self, boundary: Boundary, asked: Calling, departure: Departure) -> None:
        self._boundary, self._asked, self._departure = boundary, asked, departure
        self._streamed: Fork | None = None
        self.call: Any = None

    def through(self, start: Call) -> Any:
        launched = launch(self._departure, partial(self._send, start))
        if not isinstance(launched, Pending):
            return self._instead(launched)
        tracked = _Tracked(launched, self._asked, self._streamed, self.call)
        vars(self.call)[_PENDING] = tracked
        # Not a method of the call's: to refer to it would keep it from being collected, and so
        # cancelled, where the application lets go of it.
        if not _subscribed(tracked.state, tracked.end):
            tracked.end()
        return self.call

    def _send(self, start: Call) -> None:
        if self._departure.delay:
            time.sleep(self._departure.delay)
        self._streamed = _stream_requests(self._boundary, self._asked)
        self.call = start(self._asked.request, **self._asked.outgoing())

    def _instead(self, outcome: Outcome) -> Any:
        """Return the future or stream of a call that did not happen."""
        if isinstance(outcome, Raised):
            if isinstance(outcome.error, channel._MultiThreadedRendezvous):
                return outcome.error
            raise outcome.error
        answer = outcome.value
        if not isinstance(answer, Answer):
            return answer
        return answer.call or rendezvous(self._asked, OK, answer.message)


class _Tracked:
    """A call of the library's that has a crossing."""

    __slots__ = ("_asked", "_call", "_happened", "_pending", "_streamed", "replaced", "state")

    def __init__(self, pending: Pending, asked: Calling, streamed: Fork | None, call: Any) -> None:
        self._pending, self._asked, self._streamed = pending, asked, streamed
        self._call = ref(call)
        self._happened: Outcome | None = None
        self.state = call._state
        self.replaced = False

    def end(self) -> None:
        """End the crossing of a call that has ended."""
        outcome = self._pending.settle(self._tell)
        happened = self._happened
        if happened is None or delivered(outcome) is not delivered(happened):
            self.replaced = self._becomes(outcome)

    def take(self) -> bool:
        """Join what a call brought, if it has ended. Return whether it has ended otherwise now."""
        with self.state.condition:
            if self.state.code is None or self.state.trailing_metadata is None:
                return False
        self.end()
        self._pending.join()
        if self._streamed is not None:
            self._streamed.join()
        return self.replaced

    def follow(self, work: Call) -> Call:
        """Return work that goes on in the call's branch, whatever its thread carries."""
        return lambda *args: self._pending.resume(lambda: work(*args))

    def _tell(self, departure: Departure) -> Outcome:
        state, call = self.state, self._call()
        if state.code is StatusCode.OK:
            message = state.response if self._asked.one_response else None
            answer = Answer(message, state.code, state.trailing_metadata, call)
            self._happened = departure.answered(answer)
        else:
            error = channel._InactiveRpcError(state) if call is None else call
            self._happened = departure.raised(error)
        return self._happened

    def _becomes(self, outcome: Outcome) -> bool:
        """Have the call end as meta-applications want it to, where it can."""
        if isinstance(outcome, Raised) and isinstance(outcome.error, channel._Rendezvous):
            told = outcome.error._state
            overwrite(self.state, Status(told.code, told.details))
        elif isinstance(outcome, Returned) and isinstance(outcome.value, Answer):
            overwrite(self.state, OK, outcome.value.message)
        else:
            return False
        return True


def _subscribed(state: Any, callback: Call) -> bool:
    """Have a callback called first when a call ends; False if it has ended."""
    with state.condition:
        if state.callbacks is None:
            return False
        # The library asks what fails for its `func`.
        state.callbacks.insert(0, partial(callback))
        return True


def _tracked(call: Any) -> _Tracked | None:
    tracked: _Tracked | None = vars(call).get(_PENDING)
    return tracked


def _take(wrapped: Call, call: Any, args: Args, kwargs: Kwargs) -> Any:
    """Take the answer: whoever waits for it joins what it brought."""
    tracked = _tracked(call)
    if tracked is None:
        return wrapped(*args, **kwargs)
    try:
        taken = wrapped(*args, **kwargs)
    except BaseException:
        if not tracked.take():
            raise
    else:
        if not tracked.take():
            return taken
    return wrapped(*args, **kwargs)


def _step(wrapped: Call, call: Any, args: Args, kwargs: Kwargs) -> Any:
    """Take the next message; at the end, join what the call brought."""
    tracked = _tracked(call)
    if tracked is None:
        return wrapped(*args, **kwargs)
    try:
        return wrapped(*args, **kwargs)
    except BaseException:
        if not tracked.take():
            raise
    return wrapped(*args, **kwargs)


def _follow(wrapped: Call, call: Any, args: Args, kwargs: Kwargs) -> Any:
    """Have a callback run in the call's branch."""
    tracked = _tracked(call)
    if tracked is None:
        return wrapped(*args, **kwargs)
    work, *_ = *args, *kwargs.values()
    return wrapped(tracked.follow(work))
