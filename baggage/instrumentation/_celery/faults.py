"""What faults look like in Celery: what it makes itself of a broker that can't be reached.

A task is sent over a connection like the application's, whose sockets lead nowhere; so classes,
arguments and causes are the library's own, in any of its versions.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport import pyamqp

from baggage.boundary import CannotEnact, Fault, FaultKind
from baggage.instrumentation._celery.messages import Sending

Fail: TypeAlias = Callable[[], OSError]
_NAMES: Final = frozenset(
    {"kombu.exceptions.OperationalError", "celery.exceptions.OperationalError"}
)
_ONCE: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def enact(fault: Fault, request: Any) -> Any:
    """Return or raise what sending a task would under a fault."""
    if not isinstance(request, Sending):
        raise CannotEnact(f"a task that has come knows no fault {fault}")
    if fault.kind is FaultKind.DROP:
        return request.drop()
    refused = fault.kind is FaultKind.RAISE and fault.name in _NAMES
    fail = _ERRORS.get(FaultKind.REFUSED if refused else fault.kind)
    if fail is None:
        raise CannotEnact(f"Celery knows no fault {fault}")
    connection = _astray(request.app, fail)
    if connection is None:
        error = fail()
        raise OperationalError(str(error)) from error
    with connection:
        return request.by(connection, retry=False)


def _refused() -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _reset() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def _late() -> OSError:
    return TimeoutError("timed out")


_ERRORS: Final[dict[FaultKind, Fail]] = {
    FaultKind.REFUSED: _refused,
    FaultKind.RESET: _reset,
    FaultKind.TIMEOUT: _late,
}


def _astray(app: Celery, fail: Fail) -> Any | None:
    """Return a connection like an application's that fails; None for a transport without one."""
    connection = app.connection_for_write()
    kind = connection.get_transport_cls()
    transport: type | None = None
    if issubclass(kind, pyamqp.Transport):
        transport = _amqp(kind, fail)
    elif kind.driver_type == "redis" and _is_plain(kind):
        transport = _redis(kind, fail)
    if transport is None:
        return None
    options = {**connection.transport_options, **_ONCE}
    return connection.clone(transport=transport, transport_options=options)


def _amqp(kind: Any, fail: Fail) -> type:
    class Connection(kind.Connection):  # type: ignore[misc]
        def Transport(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - its name there
            return _leading_nowhere(super().Transport(*args, **kwargs), fail)

    return type("Transport", (kind,), {"Connection": Connection})


def _leading_nowhere(transport: Any, fail: Fail) -> Any:
    def connect(*_: object) -> None:
        raise fail()

    transport._connect = connect
    return transport


def _is_plain(kind: Any) -> bool:
    """Say whether a transport connects to one server, not by way of others that know it."""
    return hasattr(getattr(kind.Channel.connection_class, "_connect", None), "__code__")


def _redis(kind: Any, fail: Fail) -> type:
    from redis.backoff import NoBackoff  # here: it's installed where the transport is in use
    from redis.retry import Retry

    def astray(connecting: Any) -> type:
        class Connection(connecting):  # type: ignore[misc]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.retry = Retry(NoBackoff(), 0)

            def _connect(self) -> None:
                raise fail()

        return Connection

    class Channel(kind.Channel):  # type: ignore[misc]
        connection_class = astray(kind.Channel.connection_class)
        connection_class_ssl = astray(kind.Channel.connection_class_ssl)

    return type("Transport", (kind,), {"Channel": Channel})
