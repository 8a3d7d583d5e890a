"""Faults of an XADD are those of redis-py itself: the same as where one really fails."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from baggage.boundary import Boundary, Fault, FaultKind, Inject, Kind
from baggage.testing.apps import Scripted
from baggage.testing.suite import outcome_of
from tests.brokers import unique
from tests.instrumentation.test_redis_streams import boundary, connected, instrumented
from tests.instrumentation.waist import Waist

__all__ = ["boundary", "instrumented"]

Attempt = Callable[..., Any]
_AT_ONCE = struct.pack("ii", 1, 0)


def attempt(*, port: int, **options: Any) -> Any:
    """Add an entry by a client that tries once."""
    client: Any = redis.Redis("127.0.0.1", port, retry=Retry(NoBackoff(), 0), **options)
    try:
        return outcome_of(lambda: client.xadd(unique("orders"), {"n": 1}))
    finally:
        client.close()


def attempt_in_a_task(*, port: int, **options: Any) -> Any:
    async def work() -> Any:
        retry = AsyncRetry(NoBackoff(), 0)
        client: Any = redis.asyncio.Redis(host="127.0.0.1", port=port, retry=retry, **options)
        try:
            return await client.xadd(unique("orders"), {"n": 1})
        except Exception as error:
            return error
        finally:
            await client.aclose()

    return asyncio.run(work())


@contextmanager
def refusing() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def failing(*, resets: bool) -> Iterator[int]:
    """Serve as Redis does up to an XADD: then say nothing, or reset the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while (came := connection.recv(65536)) and b"XADD" not in came:
                    connection.sendall(b"+OK\r\n" * came.count(b"CLIENT\r\n"))
                if resets:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                else:
                    over.wait(300)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join(300)


def told(error: Any) -> list[object]:
    """Return all that an exception tells, and those that it came of."""
    chain: list[object] = []
    while error is not None:
        cause = error.__cause__
        chain += (type(error), error.args, vars(error), cause is not None)
        error = cause or error.__context__
    return [re.sub(r"127\.0\.0\.1[:', ]+\d+", "there", str(each)) for each in chain]


@pytest.fixture(params=[attempt, attempt_in_a_task], ids=["threads", "tasks"])
def trying(request: pytest.FixtureRequest) -> Attempt:
    found: Attempt = request.param
    return found


REAL: dict[FaultKind, Callable[[], Any]] = {
    FaultKind.REFUSED: refusing,
    FaultKind.TIMEOUT: lambda: failing(resets=False),
    FaultKind.RESET: lambda: failing(resets=True),
}


@pytest.mark.parametrize("kind", REAL)
def test_a_fault_is_as_a_real_one(
    instrumented: Waist, boundary: Boundary, trying: Attempt, kind: FaultKind, redis_url: str
) -> None:
    limit = 1 if kind is FaultKind.TIMEOUT else 60
    options = {"protocol": 2, "socket_timeout": limit, "socket_connect_timeout": 60}
    with REAL[kind]() as port:
        real = trying(port=port, **options)
    boundary.register(Scripted(Inject(Fault(kind)), kinds=(Kind.PRODUCER,)))
    with refusing() as port:  # Nobody is contacted.
        enacted = trying(port=port, **options)
    assert isinstance(real, redis.RedisError)
    assert told(enacted) == told(real)


@pytest.mark.parametrize("kind", [FaultKind.TIMEOUT, FaultKind.RESET])
def test_an_answer_that_gets_lost_is_no_answer_though_the_entry_is_there(
    boundary: Boundary, redis_url: str, kind: FaultKind
) -> None:
    name = unique("orders")
    boundary.register(Scripted(Inject(Fault(kind, late=True)), kinds=(Kind.PRODUCER,)))
    with connected(redis_url) as client:
        wanted = redis.TimeoutError if kind is FaultKind.TIMEOUT else redis.ConnectionError
        with pytest.raises(wanted):
            client.xadd(name, {"n": 1})
        assert client.xlen(name) == 1


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("redis.exceptions.OutOfMemoryError", redis.exceptions.OutOfMemoryError),
        ("ReadOnlyError", redis.exceptions.ReadOnlyError),
        ("redis.BusyLoadingError", redis.exceptions.BusyLoadingError),
        ("redis.exceptions.ConnectionError", redis.ConnectionError),
        ("TimeoutError", redis.TimeoutError),
    ],
)
def test_errors_are_known_by_their_names(
    boundary: Boundary, trying: Attempt, name: str, raised: type[Exception]
) -> None:
    scripted = Scripted(Inject(Fault(FaultKind.RAISE, name=name)), kinds=(Kind.PRODUCER,))
    boundary.register(scripted)
    with refusing() as port:
        assert type(trying(port=port)) is raised
    assert scripted.saw[0].injected is not None


@pytest.mark.parametrize(
    "fault", [Fault(FaultKind.RAISE, name="os.system"), Fault(FaultKind.BODY, body=b"")]
)
def test_what_redis_py_does_not_know_does_not_happen(
    boundary: Boundary, trying: Attempt, fault: Fault, redis_url: str
) -> None:
    scripted = Scripted(Inject(fault), kinds=(Kind.PRODUCER,))
    boundary.register(scripted)
    port = int(redis_url.rsplit(":", 1)[1].partition("/")[0])
    assert isinstance(trying(port=port), bytes)
    assert scripted.saw[0].injected is None


@pytest.mark.parametrize("options", [{}, {"protocol": 2}, {"protocol": 3}])
@pytest.mark.parametrize("decoded", [False, True])
def test_an_entry_that_is_dropped_has_an_id_as_any(
    boundary: Boundary, trying: Attempt, decoded: bool, options: dict[str, Any]
) -> None:
    boundary.register(Scripted(Inject(Fault(FaultKind.DROP)), kinds=(Kind.PRODUCER,)))
    with refusing() as port:
        added: Any = trying(port=port, decode_responses=decoded, **options)
    assert type(added) is (str if decoded else bytes)
    assert re.fullmatch(r"(b')?\d{13}-0'?", str(added))
