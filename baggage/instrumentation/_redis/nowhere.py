"""Connections of redis-py that lead nowhere, and answer or fail by themselves.

So classes, arguments, causes and the form of answers are the library's own, in any of its versions.
Belongs here: what stands for a socket of redis-py, and which faults one can have.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from baggage.boundary import CannotEnact, Fault, FaultKind
from baggage.instrumentation import _nowhere

Answer = bytes | OSError

_MODULES: Final = ("redis.connection", "redis.asyncio.connection")
_OPTIONS: Final = (
    "host",
    "port",
    "path",
    "encoding",
    "encoding_errors",
    "decode_responses",
    "parser_class",
)
_ERRORS: Final = {
    "BusyLoadingError": b"LOADING Redis is loading the dataset in memory",
    "ClusterDownError": b"CLUSTERDOWN The cluster is down",
    "MasterDownError": (
        b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
    ),
    "NoPermissionError": b"NOPERM this user has no permissions to run the 'xadd' command",
    "OutOfMemoryError": b"OOM command not allowed when used memory > 'maxmemory'.",
    "ReadOnlyError": b"READONLY You can't write against a read only replica.",
    "ResponseError": b"WRONGTYPE Operation against a key holding the wrong kind of value",
}
"""What Redis answers, by the exceptions that redis-py makes of it."""
_KINDS: Final = {"ConnectionError": FaultKind.REFUSED, "TimeoutError": FaultKind.TIMEOUT}


def answer_of(fault: Fault) -> Answer | None:
    """Return what comes of a connection under a fault; None for faults that it can't have."""
    if fault.kind is FaultKind.RAISE:
        name = (fault.name or "").rpartition(".")[2]
        if name in _ERRORS:
            return b"-" + _ERRORS[name] + b"\r\n"
        fault = Fault(_KINDS.get(name, fault.kind))
    if fault.kind is FaultKind.REFUSED:
        return _nowhere.refused()
    if fault.kind is FaultKind.STATUS:
        return None
    return _nowhere.answer_of(fault)


def bulk(value: str) -> bytes:
    """Return a value as Redis answers it."""
    said = value.encode()
    return b"$%d\r\n%s\r\n" % (len(said), said)


def answered(client: Any, command: str, answer: Answer) -> Any:
    """Return or raise what a client makes of an answer to a command, or of a failure."""
    in_tasks = _is_async(client)
    if not hasattr(client, "connection_pool"):  # of a cluster, whose nodes have the connections
        node = client.get_default_node()
        client = node if in_tasks else node.redis_connection
    connection = _connection(getattr(client, "connection_pool", client), in_tasks=in_tasks)
    if in_tasks:
        return _at_once(_aanswered(client, connection, command, answer))
    connection._connect = lambda: _connected(answer)
    parse: Callable[..., Any] = redis.Redis.parse_response
    try:
        connection.connect()
        return parse(client, connection, command)
    finally:
        connection.disconnect()


def _connection(pool: Any, *, in_tasks: bool) -> Any:
    """Return a connection as a pool makes them, as far as its words and its answers go."""
    given = pool.connection_kwargs
    options = {name: given[name] for name in _OPTIONS if name in given}
    kinds = pool.connection_class.__mro__  # One of somebody else's need have no socket at all.
    kind = next((kind for kind in kinds if kind.__module__ in _MODULES), None)
    if kind is None:
        raise CannotEnact(f"redis: {pool.connection_class!r} is none of its connections")
    return kind(
        redis_connect_func=lambda connection: connection._parser.on_connect(connection),
        retry=(AsyncRetry if in_tasks else Retry)(NoBackoff(), 0),
        socket_timeout=None,
        protocol=2,  # The other one is agreed upon with a server.
        **options,
    )


def _is_async(client: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(client, "initialize", None))


def _connected(answer: Answer) -> _Socket:
    if isinstance(answer, ConnectionRefusedError):
        raise answer
    return _Socket(answer)


class _Socket(_nowhere.Socket):
    """A connected socket whose answer is received."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._left = answer

    def recv(self, size: int) -> bytes:
        if isinstance(self._left, OSError):
            raise self._left
        part, self._left = self._left[:size], self._left[size:]
        return part

    def recv_into(self, buffer: Any) -> int:
        part = self.recv(len(buffer))
        buffer[: len(part)] = part
        return len(part)


async def _aanswered(client: Any, connection: Any, command: str, answer: Answer) -> Any:
    answer = _as_a_loop_says(answer, connection)

    async def connect() -> None:
        if isinstance(answer, ConnectionRefusedError):
            raise answer
        connection._reader = reader = asyncio.StreamReader()
        connection._writer = _Writer()
        if isinstance(answer, bytes):
            reader.feed_data(answer)
        else:
            reader.set_exception(answer)

    connection._connect = connect
    try:
        await connection.connect()
        return await redis.asyncio.Redis.parse_response(client, connection, command)
    finally:
        await connection.disconnect(nowait=True)


def _as_a_loop_says(answer: Answer, connection: Any) -> Answer:
    """Return a failure in the words of asyncio, which knows no socket's own."""
    if isinstance(answer, ConnectionRefusedError) and hasattr(connection, "host"):
        where = (connection.host, connection.port)
        return ConnectionRefusedError(answer.errno, f"Connect call failed {where}")
    if isinstance(answer, TimeoutError):
        late, ended = TimeoutError(), asyncio.CancelledError()
        if sys.version_info >= (3, 11, 3):
            late.__cause__ = ended
        else:  # redis-py has deadlines of another library there, which leave it at that
            late.__context__ = ended
        return late
    return answer


class _Writer:
    """A writer that writes nothing."""

    def close(self) -> None:
        """Hold nothing."""

    def is_closing(self) -> bool:
        return False

    async def wait_closed(self) -> None:
        """Wait for nothing."""


def _at_once(steps: Coroutine[Any, Any, Any]) -> Any:
    """Return what comes of a coroutine that waits for nothing."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value
    steps.close()
    raise CannotEnact("redis.asyncio waits for something here")
