"""What faults are in gRPC: a status, as a call ends with that really fails so."""

from __future__ import annotations

import errno
import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from grpc import StatusCode

from baggage.boundary import CannotEnact, Endpoint, Fault, FaultKind
from baggage.instrumentation._grpc.target import refusal

_BY_NUMBER: Final = {code.value[0]: code for code in StatusCode}
_RESET: Final = f"Stream removed (recvmsg:{os.strerror(errno.ECONNRESET)} ({errno.ECONNRESET}))"


@dataclass(frozen=True, slots=True)
class Status:
    """How a call ended."""

    code: StatusCode
    details: str = ""

    @property
    def debug(self) -> str:
        """What the library adds for people who debug."""
        return f"{self.code.name}:{self.details}" if self.details else self.code.name


OK: Final = Status(StatusCode.OK)
CANCELLED: Final = Status(StatusCode.CANCELLED, "CANCELLED")
"""What the fault of that kind is; the same code may come from a peer, too."""
UNREADABLE: Final = Status(StatusCode.INTERNAL, "Exception deserializing response!")


_UNCONNECTED: Final = (
    "failed to connect to all addresses",
    "errors resolving ",
    "DNS resolution failed",
)
"""How details begin where no connection was made, in the versions of gRPC."""


def unconnected(status: Status) -> bool:
    """Say whether a call that ended so found nobody to connect to."""
    return status.code is StatusCode.UNAVAILABLE and status.details.startswith(_UNCONNECTED)


def number_of(code: object) -> int | None:
    """Return the number of a status code, None for what is none."""
    return code._value_[0] if isinstance(code, StatusCode) else None


def status_of(fault: Fault, endpoint: Endpoint, exceptions: AbstractSet[str]) -> Status:
    """Return the status that a call to this place ends with; raise CannotEnact where there is none.

    `exceptions` are the names that RAISE may ask for.
    """
    if fault.kind is FaultKind.REFUSED:
        return Status(StatusCode.UNAVAILABLE, refusal(endpoint))
    if fault.kind is FaultKind.TIMEOUT:
        return Status(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    if fault.kind is FaultKind.RESET:
        return Status(StatusCode.UNAVAILABLE, _RESET)
    if fault.kind is FaultKind.CANCELLED:
        return CANCELLED
    return asked(fault, exceptions)


def asked(fault: Fault, exceptions: AbstractSet[str] = frozenset()) -> Status:
    """Return the status that a fault names; raise CannotEnact for one that is no failure."""
    number = fault.status
    if fault.kind is FaultKind.RAISE and fault.name in exceptions:
        number = StatusCode.UNKNOWN.value[0] if number is None else number
    elif fault.kind is not FaultKind.STATUS:
        raise CannotEnact(f"gRPC knows no fault {fault}")
    code = None if number is None else _BY_NUMBER.get(number)
    if code is None or code is StatusCode.OK:
        raise CannotEnact(f"{number!r} is not the code of a call that failed")
    return Status(code, (fault.body or b"").decode("utf-8", "replace"))
