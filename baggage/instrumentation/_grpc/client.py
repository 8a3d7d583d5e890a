"""The client's side in the waist's terms: a call, its answer, and the adapter for both libraries.

How a library makes calls is in `blocking_client` and `aio_client`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from grpc import StatusCode
from grpc.aio import AioRpcError

from baggage.boundary import Call, CannotEnact, Endpoint, Facts, Fault, FaultKind, Kind, Tellers
from baggage.instrumentation._grpc.message import Arguments, content, digest, length
from baggage.instrumentation._grpc.metadata import Metadata
from baggage.instrumentation._grpc.private import channel, common
from baggage.instrumentation._grpc.status import (
    UNREADABLE,
    Status,
    number_of,
    status_of,
    unconnected,
)
from baggage.instrumentation._grpc.target import endpoint_of, short_of, text_of
from baggage.wire import NAME

if TYPE_CHECKING:
    from baggage.boundary.edit import Edit

TARGET: Final = "_baggage_target"
"""What a multi-callable has of ours where its channel doesn't say where it leads."""
_SOMEWHERE: Final = Endpoint("", 0)
OPTIONS: Final = ("timeout", "metadata", "credentials", "wait_for_ready", "compression")
_KNOWN: Final = frozenset(OPTIONS)


@dataclass(slots=True)
class Calling:
    """One call: what the application asked for, and the metadata that goes out with it.

    `callee` is what the library calls a multi-callable. `one_request` and `one_response` say which
    sides are no streams.
    """

    callee: Any
    request: Any
    options: dict[str, Any]
    one_request: bool
    one_response: bool
    _metadata: Metadata | None = None

    @property
    def metadata(self) -> Metadata:
        """The metadata that goes out: the application's, and what is added."""
        if self._metadata is None:
            self._metadata = Metadata(self.options.get("metadata"))
        return self._metadata

    @property
    def method(self) -> str:
        """The full name of the method, as in "/package.Service/Method"."""
        return text_of(self.callee._method)

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the channel leads; None where it doesn't say."""
        target = getattr(self.callee._channel, "target", None) or vars(self.callee).get(TARGET)
        where: bytes | str | None = target() if callable(target) else target
        return None if where is None else endpoint_of(text_of(where))

    @property
    def timeout(self) -> float | None:
        """How long the caller waits, in seconds."""
        timeout = self.options.get("timeout")
        return float(timeout) if isinstance(timeout, int | float) else None

    def outgoing(self) -> dict[str, Any]:
        """Return the options to call with."""
        if self._metadata is None:
            return self.options
        sent = self._metadata.sent
        if sent is None and "metadata" not in self.options:
            return self.options
        return {**self.options, "metadata": sent}


def calling(
    callee: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, requests: str, responses: str
) -> Calling | None:
    """Return the call that these arguments make, None where the library will refuse them.

    `requests` and `responses` are "unary" or "stream".
    """
    if len(args) == 1 and kwargs.keys() <= _KNOWN:
        return Calling(callee, args[0], kwargs, requests == "unary", responses == "unary")
    options = dict(kwargs)
    name = "request" if requests == "unary" else "request_iterator"
    if len(args) > 1 + len(OPTIONS):
        return None
    request = args[0] if args else options.pop(name, None)
    options.update(zip(OPTIONS, args[1:], strict=False))
    if not options.keys() <= _KNOWN:
        return None
    return Calling(callee, request, options, requests == "unary", responses == "unary")


def _details(error: Any) -> str | None:
    """Return the details of a status without waiting for the end of its call."""
    details: str | None = error._state.details
    return details


@dataclass(slots=True)
class Answer:
    """What came of a call: the one message, None for a stream, and how it ended.

    `call` is what the library tells more of the call by. `details` are those of an error.
    """

    message: Any
    code: StatusCode | None
    trailing: Any = ()
    call: Any = None
    details: str | None = None


def _payload(asked: Calling) -> bytes | None:
    if not asked.one_request:
        return None
    return digest(content(asked.request, asked.callee._request_serializer))


_TELLERS: Final[Tellers] = {
    "method": lambda asked: short_of(asked.method),
    "arguments": lambda asked: Arguments(
        asked.method, asked.request if asked.one_request else None
    ),
    "endpoint": lambda asked: asked.endpoint,
    "timeout": lambda asked: asked.timeout,
    "payload": _payload,
}


class AnswerFacts:
    """What an answer says, where it has one message; of an error, what its details say."""

    __slots__ = ("_code", "_details", "_message")

    def __init__(self, message: Any, code: object, details: str | None = None) -> None:
        """Take the message, None of a stream, and the code, None for one that isn't known."""
        self._message, self._code, self._details = message, code, details

    @property
    def status(self) -> int | None:
        return number_of(self._code)

    @property
    def ok(self) -> bool:
        return self._code is StatusCode.OK

    def digest(self) -> bytes | None:
        if self._details is not None:
            return digest(self._details.encode())
        return digest(content(self._message))

    def size(self) -> int | None:
        return length(self._message)


@dataclass(frozen=True, slots=True)
class ClientAdapter:
    """The adapter of one of the two libraries; `fail` makes the exception that it raises."""

    library: str
    fail: Callable[[Calling, Status], BaseException]
    exceptions: frozenset[str]
    below: frozenset[str] = frozenset()
    kind: Kind = Kind.CLIENT
    packages: frozenset[str] = frozenset({"grpc"})

    def describe(self, request: Calling) -> Call:
        """Describe a call by the full name of its method."""
        return Call.told(self.kind, self.library, request.method, request, _TELLERS)

    def request_carrier(self, request: Calling) -> Metadata:
        """Return the metadata that goes out."""
        return request.metadata

    def response_carrier(self, response: Answer) -> Metadata:
        """Return the trailing metadata."""
        return Metadata(response.trailing)

    def facts(self, response: Answer) -> Facts:
        """Describe an answer. What no callee of ours said may name ports, and tells nothing."""
        details = response.details
        if details is not None and self.response_carrier(response).get(NAME) is None:
            details = None
        return AnswerFacts(response.message, response.code, details)

    def lends(self, request: Calling) -> bool:
        """Say that ids may go with one message whose answer is one: streams are answered late."""
        return request.one_request and request.one_response

    def unsent(self, error: BaseException) -> bool:
        """Say whether a call found no connection, by how it ended.

        A callee may pass such an end of a call of its own on; then its baggage comes along.
        """
        answer = self.answer(error)
        if answer is None or self.response_carrier(answer).get(NAME) is not None:
            return False
        details = error.details() if isinstance(error, AioRpcError) else _details(error)
        return unconnected(Status(answer.code or StatusCode.UNKNOWN, details or ""))

    def answer(self, error: BaseException) -> Answer | None:
        """Return the answer that a status tells of: it brings baggage home as any other."""
        if isinstance(error, AioRpcError):
            trailing = error.trailing_metadata()
            return Answer(None, error.code(), trailing, details=error.details() or "")
        if isinstance(error, channel._InactiveRpcError | channel._Rendezvous):
            # Its methods would wait for the end of a call whose end this is a part of.
            state = error._state
            details = state.details or ""
            return Answer(None, state.code, state.trailing_metadata, details=details)
        return None

    def edited(self, response: Answer, edit: Edit) -> bytes:
        """Return the one message as changed, serialized."""
        from baggage.instrumentation._grpc.edits import serialized  # here: few ever edit

        return serialized(response.message, edit)

    def enact(self, fault: Fault, request: Calling, response: Answer | None = None) -> Answer:
        """Return another message, or raise a status."""
        if fault.kind is not FaultKind.BODY:
            where = request.endpoint or _SOMEWHERE
            raise self.fail(request, status_of(fault, where, self.exceptions))
        if not request.one_response or fault.body is None:
            raise CannotEnact(f"no stream of gRPC has a body: {request.method}")
        message = common.deserialize(fault.body, request.callee._response_deserializer)
        if message is None:
            raise self.fail(request, UNREADABLE)
        trailing, call = (response.trailing, response.call) if response is not None else ((), None)
        return Answer(message, StatusCode.OK, trailing, call)
