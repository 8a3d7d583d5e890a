"""What faults look like in pika: what publishing raises where the connection or the broker fails.

They befall one message: the connection stays as it is, so that what comes after is not struck too.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, Final

from pika import exceptions, spec
from pika.adapters.blocking_connection import ReturnedMessage
from pika.heartbeat import HeartbeatChecker

from baggage.boundary import CannotEnact, Fault, FaultKind

_NOBODY: Final = "baggage-dropped"
"""A routing key that no queue has."""
_CLOSED: Final = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"


def enact(fault: Fault, asked: Any) -> None:
    """Return or raise what it would to publish `asked`; raise CannotEnact for an unknown fault.

    That is a `Publishing` of `_pika_messages`.
    """
    if fault.kind is FaultKind.DROP:
        _drop(asked)
        return
    name = _NAMES.get(fault.kind) or _short(fault)
    if not asked.blocking:
        # Whoever publishes there doesn't wait for anything, and knows a closed channel alone.
        if fault.kind is FaultKind.REFUSED or name == "ChannelWrongStateError":
            raise exceptions.ChannelWrongStateError("Channel is closed.")
        raise CannotEnact(f"publishing on an asynchronous channel knows no fault {fault}")
    make = _MADE.get(name)
    if make is None:
        raise CannotEnact(f"pika knows no fault {fault}")
    raise make(asked)


def confirmed(asked: Any) -> bool:
    """Say whether the application counts what it publishes, by what the broker confirms."""
    if asked.blocking:
        return False  # It counts by itself.
    channel = asked.channel
    return bool(channel.callbacks.pending(channel.channel_number, spec.Basic.Ack))


def _drop(asked: Any) -> None:
    channel = asked.channel
    channel._raise_if_not_open()
    if confirmed(asked):
        # The broker confirms it all the same, so that the application goes on counting right.
        nowhere = spec.Basic.Publish(exchange="", routing_key=_NOBODY)
        channel._send_method(nowhere, (spec.BasicProperties(), b""))


def _short(fault: Fault) -> str:
    """Return the name of one of the library's exceptions within its module."""
    if fault.kind is not FaultKind.RAISE:
        raise CannotEnact(f"pika knows no fault {fault}")
    module, _, name = (fault.name or "").rpartition(".")
    if module != "pika.exceptions":
        raise CannotEnact(f"{fault.name!r} is no exception of pika")
    return name


def _lost(_: Any) -> Any:
    reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    return exceptions.StreamLostError(f"Stream connection lost: {reset!r}")


def _timed_out(asked: Any) -> Any:
    seconds = asked.channel.connection.params.heartbeat or 60
    return exceptions.AMQPHeartbeatTimeout(HeartbeatChecker._STALE_CONNECTION % seconds)


def _unroutable(asked: Any) -> Any:
    method = spec.Basic.Return(312, "NO_ROUTE", asked.exchange, asked.routing_key)
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body
    properties = asked.given or spec.BasicProperties()
    return exceptions.UnroutableError([ReturnedMessage(method, properties, body)])


_NAMES: Final = {
    FaultKind.REFUSED: "ConnectionClosedByBroker",
    FaultKind.RESET: "StreamLostError",
    FaultKind.TIMEOUT: "AMQPHeartbeatTimeout",
}
_MADE: Final[dict[str, Callable[[Any], Any]]] = {
    "AMQPConnectionError": lambda _: exceptions.ConnectionClosedByBroker(320, _CLOSED),
    "ConnectionClosedByBroker": lambda _: exceptions.ConnectionClosedByBroker(320, _CLOSED),
    "ConnectionClosed": lambda _: exceptions.ConnectionClosedByBroker(320, _CLOSED),
    "StreamLostError": _lost,
    "AMQPHeartbeatTimeout": _timed_out,
    "ConnectionBlockedTimeout": lambda _: exceptions.ConnectionBlockedTimeout(
        "Blocked connection timeout expired."
    ),
    "ChannelWrongStateError": lambda _: exceptions.ChannelWrongStateError("Channel is closed."),
    "ChannelClosedByBroker": lambda asked: exceptions.ChannelClosedByBroker(
        404, f"NOT_FOUND - no exchange '{asked.exchange}' in vhost '/'"
    ),
    "NackError": lambda _: exceptions.NackError([]),
    "UnroutableError": _unroutable,
}
