"""Clients of a cluster of Redis publish and consume as others do."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import redis
import redis.asyncio

from baggage.boundary import Boundary, Fault, FaultKind, Inject, Kind
from baggage.context import Branch, attached, pack, unpack
from baggage.testing.apps import Scripted
from baggage.testing.suite import eventually
from tests.brokers import unique
from tests.instrumentation.test_redis_streams import boundary, connected, instrumented
from tests.shared_server import Server, home, joined, port

__all__ = ["boundary", "instrumented"]

SLOTS: Final = 16384
PATIENT: Final[Any] = {"socket_timeout": 300, "socket_connect_timeout": 300}


def _command(home: Path) -> Sequence[str]:
    # A cluster's own port is 10,000 above, where the system gives none away.
    ports = f"port {port(home, 'redis')}\ncluster-port {port(home, 'cluster')}\n"
    options = f"{ports}cluster-enabled yes\nsave ''\ndir {home}\n"
    (home / "redis.conf").write_text(f"bind 127.0.0.1\n{options}")
    return ["redis-server", str(home / "redis.conf")]


def _address(home: Path, said: str) -> str | None:
    return str(port(home, "redis")) if "Ready to accept connections" in said else None


CLUSTER: Final = Server("redis-cluster", _command, _address)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Give the port of a cluster's only node."""
    if shutil.which("redis-server") is None:
        pytest.skip("no Redis: 'redis-server' is not installed")
    with joined(CLUSTER, home(CLUSTER, tmp_path_factory)) as at:
        with connected(f"redis://127.0.0.1:{at}") as client:
            with suppress(redis.ResponseError):  # another process has done so
                client.cluster("ADDSLOTSRANGE", 0, SLOTS - 1)
            eventually(lambda: client.cluster("INFO")["cluster_state"] == "ok")
        yield int(at)


def entries(answer: Any) -> Any:
    ((_, found),) = answer.items() if isinstance(answer, dict) else answer
    return found[0] if isinstance(found[0], list) else found


def test_a_consumer_knows_what_the_producer_knew(boundary: Boundary, node: int) -> None:
    name = unique("orders")
    client: Any = redis.RedisCluster("127.0.0.1", node, **PATIENT)
    with attached(Branch()):
        pack("tenant", "a")
        client.xadd(name, {"n": 1})
    seen = [(fields, unpack("tenant")) for _, fields in entries(client.xread({name: "0"}))]
    assert seen == [({b"n": b"1"}, ("a",))]
    client.close()


def test_a_task_knows_what_the_producer_knew(boundary: Boundary, node: int) -> None:
    name = unique("orders")

    async def work() -> None:
        async with redis.asyncio.RedisCluster("127.0.0.1", node, **PATIENT) as opened:
            client: Any = opened
            with attached(Branch()):
                pack("tenant", "a")
                await client.xadd(name, {"n": 1})
            found = entries(await client.xread({name: "0"}))
            assert [(fields, unpack("tenant")) for _, fields in found] == [({b"n": b"1"}, ("a",))]

    asyncio.run(work())


@pytest.mark.parametrize("tasks", [False, True])
def test_faults_befall_a_cluster_s_client(boundary: Boundary, node: int, tasks: bool) -> None:
    name = unique("orders")

    async def aadd() -> Any:
        async with redis.asyncio.RedisCluster("127.0.0.1", node, **PATIENT) as client:
            return await client.xadd(name, {"n": 1})

    def add() -> Any:
        if tasks:
            return asyncio.run(aadd())
        client = redis.RedisCluster("127.0.0.1", node, **PATIENT)
        try:
            return client.xadd(name, {"n": 1})
        finally:
            client.close()

    for kind, raised in (
        (FaultKind.REFUSED, redis.ConnectionError),
        (FaultKind.TIMEOUT, redis.TimeoutError),
    ):
        boundary.register(Scripted(Inject(Fault(kind)), kinds=(Kind.PRODUCER,)))
        with pytest.raises(raised):
            add()
    boundary.register(Scripted(Inject(Fault(FaultKind.DROP)), kinds=(Kind.PRODUCER,)))
    assert type(add()) is bytes
    (scripted,) = boundary.apps
    boundary.unregister(scripted.name)
    assert type(add()) is bytes
    with connected(f"redis://127.0.0.1:{node}") as client:
        assert client.xlen(name) == 1
