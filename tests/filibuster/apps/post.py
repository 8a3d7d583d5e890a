"""A small library for calls, and its two adapters: requests and replies with headers and bodies.

There is a plain client, whose users look at the status, and a `strict` one that raises for errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from baggage.boundary import (
    UNKNOWN_SITE,
    Call,
    CallSite,
    CannotEnact,
    Endpoint,
    Facts,
    Fault,
    FaultKind,
    Kind,
)
from baggage.boundary.edit import Edit

PLAIN: Final = "post"
STRICT: Final = "post.strict"


class Headers(dict[str, str]):
    """Headers by lower-case name; their own carrier."""

    def set(self, name: str, value: str) -> None:
        self[name] = value


@dataclass(frozen=True)
class Request:
    """What is asked of a service; `place` is the function that asks, "" for whichever it is."""

    target: str
    operation: str
    body: bytes = b""
    timeout: float | None = None
    place: str = ""
    headers: Headers = field(default_factory=Headers, compare=False)


@dataclass(frozen=True)
class Reply:
    """What a service answers."""

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=Headers, compare=False)

    @property
    def ok(self) -> bool:
        return self.status < 400


class PostError(Exception):
    """A call did not lead to a reply that its client takes for one."""


class Refused(PostError):
    """Nobody took the request."""


class TooLate(PostError):
    """The reply did not come in time."""


class Torn(PostError):
    """The connection was lost."""


class Unwell(PostError):
    """The strict client got an error."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class _Facts:
    reply: Reply

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def ok(self) -> bool:
        return self.reply.ok

    def digest(self) -> bytes:
        return digest(self.reply.body)

    def size(self) -> int:
        return len(self.reply.body)


_RAISED: Final[Mapping[FaultKind, type[PostError]]] = {
    FaultKind.REFUSED: Refused,
    FaultKind.TIMEOUT: TooLate,
    FaultKind.RESET: Torn,
}


@dataclass(frozen=True, slots=True)
class PostAdapter:
    """The adapter, in either role."""

    kind: Kind = Kind.CLIENT
    library: str = PLAIN
    packages: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def describe(self, request: Request) -> Call:
        arrives = not self.kind.departs
        return Call(
            kind=self.kind,
            library=self.library,
            operation=request.operation,
            method="send",
            endpoint=None if arrives else Endpoint(request.target, 80),
            timeout=request.timeout,
            payload=digest(request.body),
            site=CallSite("app", request.place) if request.place else UNKNOWN_SITE,
            arrived=request.headers if arrives else {},
        )

    def request_carrier(self, request: Request) -> Headers:
        return request.headers

    def response_carrier(self, response: Reply) -> Headers:
        return response.headers

    def facts(self, response: Reply) -> Facts:
        return _Facts(response)

    def edited(self, response: Reply, edit: Edit) -> bytes:
        return edit.of(response.body)

    def answer(self, error: BaseException) -> Reply | None:
        return error.reply if isinstance(error, Unwell) else None

    def enact(self, fault: Fault, request: Request, response: Reply | None = None) -> Reply:
        if fault.kind is FaultKind.TIMEOUT and request.timeout is None:
            raise CannotEnact("it would be waited for without end")
        if fault.kind in _RAISED:
            raise _RAISED[fault.kind](fault.kind.value)
        if fault.kind is FaultKind.STATUS and fault.status is not None:
            return checked(self.library, Reply(fault.status, fault.body or b""))
        if fault.kind is FaultKind.BODY and fault.body is not None:
            status = 200 if response is None else response.status
            return checked(self.library, Reply(status, fault.body))
        raise CannotEnact(f"{self.library} knows no fault {fault}")


def checked(library: str, reply: Reply) -> Reply:
    """Return what a client's user gets for a reply."""
    if library == STRICT and not reply.ok:
        raise Unwell(reply)
    return reply


CLIENTS: Final = {library: PostAdapter(library=library) for library in (PLAIN, STRICT)}
SERVER: Final = PostAdapter(Kind.SERVER)
