"""Calls of the blocking library that ended without a network: what faults leave behind.

The classes are the library's own, over a state that is final.
"""

from __future__ import annotations

from typing import Any

from baggage.instrumentation._grpc.client import Calling
from baggage.instrumentation._grpc.private import channel
from baggage.instrumentation._grpc.status import Status


def failed_call(_: Calling, status: Status) -> BaseException:
    """Return what a blocking call raises that ended so."""
    error: BaseException = channel._InactiveRpcError(_state(status))
    return error


def failed_rendezvous(calling: Calling, status: Status) -> BaseException:
    """Return the future, or the stream, of a call that ended so: it is what it raises, too."""
    error: BaseException = rendezvous(calling, status)
    return error


def rendezvous(calling: Calling, status: Status, message: Any = None) -> Any:
    """Return a future, or a stream, that has ended, with a message or without."""
    state = _state(status)
    state.response = message
    deserializer = calling.callee._response_deserializer
    return channel._MultiThreadedRendezvous(state, _Nothing(), deserializer, None)


def overwrite(state: Any, status: Status, message: Any = None) -> None:
    """Make a call that has ended look as if it had ended otherwise."""
    other = _state(status)
    with state.condition:
        state.code, state.details = other.code, other.details
        state.debug_error_string = other.debug_error_string
        state.response = message
        state.trailing_metadata = state.trailing_metadata if message is not None else ()
        state.condition.notify_all()


def _state(status: Status) -> Any:
    state = channel._RPCState((), (), (), status.code, status.details)
    state.debug_error_string = status.debug
    state.callbacks = None  # as where all have been called
    return state


class _Nothing:
    """The core's side of a call that never was."""

    def cancel(self, *_: object) -> None:
        """Cancel nothing."""
