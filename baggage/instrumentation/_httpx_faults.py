"""What faults look like in httpx: what the library itself makes of a connection that fails.

A call is sent by a transport of httpx over a pool of httpcore whose connections lead nowhere, and
which answer, or fail as a socket does, by themselves. So classes, arguments, causes and the
attributes of answers are the library's own, in any of its versions.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, NoReturn

from baggage.boundary import CannotEnact, Fault, FaultKind
from baggage.instrumentation._nowhere import message

_KINDS: Final = {
    "ConnectError": FaultKind.REFUSED,
    "ReadTimeout": FaultKind.TIMEOUT,
    "TimeoutException": FaultKind.TIMEOUT,
    "ReadError": FaultKind.RESET,
}
_FRAMING: Final = (b"content-length", b"content-encoding")


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Where a call leads to that shall fail: `api` is httpx or httpx2, `core` what it is built on.

    `loop` says whether a client of an event loop calls.
    """

    api: Any
    core: str
    loop: bool

    def transport(self, fault: Fault) -> Any:
        """Return a transport of the library that does as the fault says."""
        core = import_module(self.core)
        line = self._line(fault, core)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.loop:
            kind, line = self.api.AsyncHTTPTransport, _AsyncLine(line)
            pool = core.AsyncConnectionPool(ssl_context=context, network_backend=line)
        else:
            kind = self.api.HTTPTransport
            pool = core.ConnectionPool(ssl_context=context, network_backend=line)
        transport = object.__new__(kind)
        transport._pool = pool
        return transport

    def raises(self, fault: Fault, request: Any) -> None:
        """Raise a fault that no connection makes: an exception by its name, a cancelled task."""
        if fault.kind is FaultKind.CANCELLED and self.loop:
            raise asyncio.CancelledError
        if fault.kind is not FaultKind.RAISE:
            return
        name = self._short(fault)
        if name in _KINDS or name in _DIALS or hasattr(import_module(self.core), name):
            return
        kind = getattr(self.api, name)
        raise kind(f"{name} on {request.method} {request.url}", request=request)

    def _short(self, fault: Fault) -> str:
        """Return the name of one of the exceptions that the library's calls raise."""
        module, _, name = (fault.name or "").rpartition(".")
        kind = getattr(self.api, name, None) if module == self.api.__name__ else None
        if not (isinstance(kind, type) and issubclass(kind, self.api.RequestError)):
            raise CannotEnact(f"no call of {self.api.__name__} raises {fault.name!r}")
        return name

    def _line(self, fault: Fault, core: Any) -> Any:
        kind, name = fault.kind, ""
        if kind is FaultKind.RAISE:
            name = self._short(fault)
            kind = _KINDS.get(name, kind)
        if kind is FaultKind.STATUS and fault.status is not None:
            return _Line(answer=message(fault.status, fault.body or b""))
        causes = _LOOP if self.loop else _PLAIN
        if kind is FaultKind.REFUSED:
            return _Line(connect=lambda where: _fail(core.ConnectError, causes.refuse, where))
        if kind is FaultKind.TIMEOUT:
            return _Line(read=lambda: _fail(core.ReadTimeout, causes.time_out))
        if kind is FaultKind.RESET:
            return _Line(read=lambda: _fail(core.ReadError, causes.reset))
        if kind is not FaultKind.RAISE:
            raise CannotEnact(f"{self.api.__name__} knows no fault {fault}")
        if name in _DIALS:
            return _DIALS[name](core, causes)
        return _Line(connect=lambda _: _raise(getattr(core, name)))


def changed(api: Any, response: Any, body: Any, content: bytes) -> Any:
    """Return an answer like another one, but for its body, which reads as `content`."""
    headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _FRAMING]
    if "content-length" in response.headers:
        headers.append((b"Content-Length", str(len(content)).encode()))
    return api.Response(
        response.status_code, headers=headers, stream=body, extensions=response.extensions
    )


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns, or raise what it raises, without leaving this step.

    That works for what only makes way for others, and waits for none of them.
    """
    try:
        while work.send(None) is None:
            pass
    except StopIteration as end:
        return end.value
    work.close()
    raise CannotEnact("this event loop waits before it fails")


@dataclass(frozen=True, slots=True)
class _Causes:
    """What the system raises where connections fail, as a kind of clients hears it."""

    refuse: Callable[[Any], NoReturn]
    time_out: Callable[[], NoReturn]
    reset: Callable[[], NoReturn]


def _refuse(_: object) -> NoReturn:
    raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _time_out() -> NoReturn:
    raise TimeoutError("timed out")


def _reset() -> NoReturn:
    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def _refuse_in_a_loop(where: object) -> NoReturn:
    text = f"Connect call failed {where!r}"
    try:
        raise ConnectionRefusedError(errno.ECONNREFUSED, text)
    except ConnectionRefusedError as refused:
        failed = OSError("All connection attempts failed")
        raise failed from refused


def _time_out_in_a_loop() -> NoReturn:
    try:
        raise asyncio.CancelledError("Cancelled via cancel scope; reason: deadline exceeded")
    except asyncio.CancelledError:
        raise TimeoutError  # noqa: B904 - as anyio's deadlines do


def _reset_in_a_loop() -> NoReturn:
    broken: Exception = import_module("anyio").BrokenResourceError()
    try:
        _reset()
    except ConnectionResetError as reset:
        raise broken from reset


_PLAIN: Final = _Causes(_refuse, _time_out, _reset)
_LOOP: Final = _Causes(_refuse_in_a_loop, _time_out_in_a_loop, _reset_in_a_loop)


def _fail(kind: type[Exception], cause: Callable[..., NoReturn], *about: object) -> NoReturn:
    """Raise an exception of httpcore in the way that it does itself."""
    try:
        cause(*about)
    except Exception as raised:
        raise kind(raised) from raised


def _raise(kind: type[Exception]) -> NoReturn:
    raise kind


_DIALS: Final[dict[str, Callable[[Any, _Causes], Any]]] = {
    "ConnectTimeout": lambda core, causes: _Line(
        connect=lambda _: _fail(core.ConnectTimeout, causes.time_out)
    ),
    "WriteTimeout": lambda core, causes: _Line(
        write=lambda: _fail(core.WriteTimeout, causes.time_out)
    ),
    "RemoteProtocolError": lambda _core, _causes: _Line(),  # ends without an answer
}


class _Line:
    """A network of one connection, which takes anything, and answers with these bytes.

    `connect`, `write` and `read` raise, where these shall fail.
    """

    def __init__(
        self,
        connect: Callable[[Any], Any] | None = None,
        write: Callable[[], Any] | None = None,
        read: Callable[[], Any] | None = None,
        answer: bytes = b"",
    ) -> None:
        self._connect, self._write, self._read = connect, write, read
        self._answer = answer

    def connect_tcp(self, host: str, port: int, **_: object) -> _Line:
        """Connect, or fail to."""
        if self._connect is not None:
            self._connect((host, port))
        return self

    def start_tls(self, **_: object) -> _Line:
        """Verify nothing: nobody is there."""
        return self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read the answer, then the end."""
        if self._read is not None:
            self._read()
        answer, self._answer = self._answer, b""
        return answer

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Drop it."""
        if self._write is not None:
            self._write()

    def close(self) -> None:
        """Hold nothing."""

    def get_extra_info(self, info: str) -> None:
        """Know nothing."""


class _AsyncLine:
    """The same, for a client of an event loop."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    async def connect_tcp(self, host: str, port: int, **_: object) -> _AsyncLine:
        """Connect, or fail to."""
        self._line.connect_tcp(host, port)
        return self

    async def start_tls(self, **_: object) -> _AsyncLine:
        """Verify nothing: nobody is there."""
        return self

    async def read(self, max_bytes: int, **_: object) -> bytes:
        """Read the answer, then the end."""
        return self._line.read(max_bytes)

    async def write(self, buffer: bytes, **_: object) -> None:
        """Drop it."""
        self._line.write(buffer)

    async def aclose(self) -> None:
        """Hold nothing."""

    def get_extra_info(self, info: str) -> None:
        """Know nothing."""
