"""What faults look like in Celery: what kombu makes of a broker that can't be reached.

A connection of the same transport is made, whose sockets fail by themselves; so classes, arguments
and causes are the library's own, in any of its versions.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Final

from kombu.exceptions import OperationalError

from baggage.boundary import CannotEnact, Fault, FaultKind
from baggage.instrumentation._celery.messages import Sending

_NAMED: Final = frozenset(
    {"kombu.exceptions.OperationalError", "celery.exceptions.OperationalError"}
)


def enact(fault: Fault, request: Any) -> Any:
    """Return or raise what sending a task would under a fault."""
    kind = fault.kind
    if not isinstance(request, Sending):
        raise CannotEnact(f"what has come knows no fault {fault}")
    if kind is FaultKind.DROP:
        return request.drop()
    if kind is FaultKind.RAISE and fault.name in _NAMED:
        kind = FaultKind.REFUSED
    make = _ERRORS.get(kind)
    if make is None:
        raise CannotEnact(f"Celery knows no fault {fault}")
    error = make()
    raise OperationalError(str(error)) from error


def _refused() -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _reset() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def _late() -> OSError:
    return TimeoutError("timed out")


_ERRORS: Final = {
    FaultKind.REFUSED: _refused,
    FaultKind.RESET: _reset,
    FaultKind.TIMEOUT: _late,
}
