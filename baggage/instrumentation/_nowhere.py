"""Sockets that lead nowhere, and give an answer or fail by themselves.

What a library makes of them is its own: classes, arguments, causes and attributes, in any of its
versions. Belongs here: what stands for a socket, and which faults one can have. Does not: how a
library gets at its sockets.
"""

from __future__ import annotations

import errno
import io
import os
from http import HTTPStatus
from typing import Any, Final, NoReturn

from baggage.boundary import CannotEnact, Fault, FaultKind

# As long as a chunk says that it is, and then the connection ends.
BROKEN_BODY: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbroken"


def refused() -> ConnectionRefusedError:
    """Return what connecting raises where nobody listens."""
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def answer_of(fault: Fault) -> bytes | OSError | None:
    """Return what a socket says under a fault, or raises; None for faults that aren't a socket's.

    A refused connection has no socket.
    """
    if fault.kind is FaultKind.STATUS and fault.status is not None:
        return message(fault.status, fault.body or b"")
    if fault.kind is FaultKind.TIMEOUT:
        return TimeoutError("timed out")
    if fault.kind is FaultKind.RESET:
        return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    return None


def message(status: int, body: bytes) -> bytes:
    """Return an answer as it comes over HTTP; raise CannotEnact for what is no final status."""
    if not 200 <= status <= 999:
        raise CannotEnact(f"{status} is not the status of an answer")
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Socket:
    """A connected socket that takes anything, and answers with these bytes or this failure."""

    def __init__(self, answer: bytes | OSError) -> None:
        """Keep the answer; each file that is made of the socket starts at its beginning."""
        self._answer = answer

    def sendall(self, content: Any) -> None:
        """Drop it, unless the connection was refused."""
        if isinstance(self._answer, ConnectionRefusedError):
            raise self._answer

    def settimeout(self, timeout: float | None) -> None:
        """Wait for nothing."""

    def setsockopt(self, *_: object) -> None:
        """Have no options."""

    def shutdown(self, how: int) -> None:
        """Hold nothing."""

    def makefile(self, mode: str) -> io.BufferedIOBase:
        """Open the answer."""
        if isinstance(self._answer, bytes):
            return io.BytesIO(self._answer)
        return io.BufferedReader(_Failing(self._answer))

    def close(self) -> None:
        """Hold nothing."""


class _Failing(io.RawIOBase):
    """A file whose reading fails."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> NoReturn:
        raise self._error
