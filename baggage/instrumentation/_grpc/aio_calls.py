"""Calls of the event loop's library that ended without a network: what faults leave behind.

The classes are the library's own, over a core's side that says what is final.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from baggage.instrumentation._grpc.client import Calling
from baggage.instrumentation._grpc.private import aio_call, common, core
from baggage.instrumentation._grpc.status import CANCELLED, OK, Status

_CLASSES: Final = {
    (True, True): "UnaryUnaryCall",
    (True, False): "UnaryStreamCall",
    (False, True): "StreamUnaryCall",
    (False, False): "StreamStreamCall",
}
_FAILED: Final = aio_call._NON_OK_CALL_REPRESENTATION
_CANCELLED: Final = "Locally cancelled by application!"


def failure(_: Calling, status: Status) -> BaseException:
    """Return what awaiting a call raises that ended so."""
    if status is CANCELLED:
        return asyncio.CancelledError()
    return AioRpcError(
        status.code, Metadata(), Metadata(), details=status.details, debug_error_string=status.debug
    )


def ended_call(calling: Calling, how: BaseException | Any) -> Any:
    """Return a call that has ended: with an exception, or with a message."""
    error = how if isinstance(how, BaseException) else None
    call = getattr(aio_call, _CLASSES[calling.one_request, calling.one_response])
    ended = call.__new__(call)
    ended._loop = calling.callee._loop
    ended._cython_call = _Ended(error)
    ended._metadata = ()
    ended._request_serializer = calling.callee._request_serializer
    ended._response_deserializer = calling.callee._response_deserializer
    if not calling.one_request:
        ended._init_stream_request_mixin(None)
        ended._metadata_sent.set()
    if calling.one_response:
        ended._init_unary_response_mixin(_response(ended._loop, how, error))
    else:
        ended._init_stream_response_mixin(_done(ended._loop))
    return ended


def become(call: Any, ended: Any) -> None:
    """Make a call that has ended look as if it had ended like another one."""
    if hasattr(call, "_interceptors_task"):
        call._interceptors_task = _done(ended._loop, ended)
        return
    call._cython_call = ended._cython_call
    if hasattr(ended, "_call_response"):
        call._call_response = ended._call_response


def error_of(core_call: Any) -> BaseException | None:
    """Return what a call that has ended raises, None for success."""
    # Without a status it was cancelled before it was sent.
    if core_call.is_locally_cancelled() or core_call._status is None:
        return asyncio.CancelledError()
    if core_call.is_ok():
        return None
    error: BaseException = aio_call._create_rpc_error(
        core_call._initial_metadata, core_call._status
    )
    return error


def _response(loop: asyncio.AbstractEventLoop, how: Any, error: BaseException | None) -> Any:
    """Return what a call waits for: the end of messages is what makes it tell its status."""
    if error is None or isinstance(error, AioRpcError | asyncio.CancelledError):
        return _done(loop, how if error is None else core.EOF)
    response = loop.create_future()
    response.set_exception(error)
    response.exception()  # Nobody need fetch it.
    return response


def _done(loop: asyncio.AbstractEventLoop, result: Any = None) -> asyncio.Future[Any]:
    done: asyncio.Future[Any] = loop.create_future()
    done.set_result(result)
    return done


class _Ended:
    """The core's side of a call that has ended."""

    def __init__(self, error: BaseException | None) -> None:
        self._cancelled = isinstance(error, asyncio.CancelledError)
        self._error = error
        status, trailing = OK, ()
        if isinstance(error, AioRpcError):
            status = Status(error.code(), error.details() or "")
            trailing = tuple(error.trailing_metadata() or ())
        elif error is not None:
            known = StatusCode.CANCELLED if self._cancelled else StatusCode.UNKNOWN
            status = Status(known, _CANCELLED if self._cancelled else str(error))
        self._code = status.code
        number = common.STATUS_CODE_TO_CYGRPC_STATUS_CODE[status.code]
        debug = None if self._cancelled else status.debug if error is not None else ""
        self._status = core.AioRpcStatus(number, status.details, trailing, debug)
        self._initial_metadata = ()

    def done(self) -> bool:
        return True

    def cancelled(self) -> bool:
        return bool(self._status.code() == core.StatusCode.cancelled)

    def is_locally_cancelled(self) -> bool:
        return self._cancelled

    def is_ok(self) -> bool:
        return bool(self._status.code() == core.StatusCode.ok)

    def time_remaining(self) -> None:
        return None

    def add_done_callback(self, callback: Callable[[], object]) -> None:
        callback()

    async def status(self) -> Any:
        return self._status

    async def initial_metadata(self) -> Any:
        return self._initial_metadata

    async def receive_serialized_message(self) -> Any:
        if self._error is not None and not isinstance(
            self._error, AioRpcError | asyncio.CancelledError
        ):
            raise self._error
        return core.EOF

    def __repr__(self) -> str:
        # The class is the core's, and so is the order, details first.
        form = aio_call._OK_CALL_REPRESENTATION if self.is_ok() else _FAILED
        words = (self._status.details(), self._code, self._status.debug_error_string())
        return str(form).format("_AioCall", *words)
