"""Real message brokers, one of each for all processes of a test run.

`BAGGAGE_REDIS_URL` and `BAGGAGE_AMQP_URL` name ones that run already. What tests put there is
theirs by its name: queues and keys are named by `unique`.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.shared_server import Server, home, joined, port

_PATIENCE: Final = {
    "redis": "socket_timeout=300&socket_connect_timeout=300",
    "amqp": "socket_timeout=300&stack_timeout=300&heartbeat=600",
}
_RABBITMQ: Final = "/usr/lib/rabbitmq/bin/rabbitmq-server"
# It leaves a daemon that maps names to ports: this run's own, which ends with it.
_RABBITMQ_RUN: Final = """
trap 'kill $server; wait $server; epmd -kill >/dev/null 2>&1' TERM
"$0" & server=$!
wait $server
"""


def unique(name: str) -> str:
    """Return a name that nobody else uses."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


def patient(url: str) -> str:
    """Return a broker's URL for redis-py or pika, which wait for it for seconds unless told."""
    return f"{url}{'&' if '?' in url else '?'}{_PATIENCE[url.partition(':')[0]]}"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a real Redis server, or skip with the reason."""
    if url := os.environ.get("BAGGAGE_REDIS_URL"):
        yield url
        return
    if shutil.which("redis-server") is None:
        pytest.skip("no Redis: 'redis-server' is not installed")
    with joined(REDIS, home(REDIS, tmp_path_factory)) as address:
        yield address


@pytest.fixture(scope="session")
def amqp_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a real RabbitMQ server, or skip with the reason."""
    if url := os.environ.get("BAGGAGE_AMQP_URL"):
        yield url
        return
    if not os.access(_RABBITMQ, os.X_OK):
        pytest.skip("no RabbitMQ: Debian's package 'rabbitmq-server' is not installed")
    with joined(RABBITMQ, home(RABBITMQ, tmp_path_factory)) as address:
        yield address


def _redis_command(home: Path) -> Sequence[str]:
    at = port(home, "redis")
    (home / "redis.conf").write_text(f'bind 127.0.0.1\nport {at}\nsave ""\nappendonly no\n')
    return ["redis-server", str(home / "redis.conf")]


def _rabbitmq_environment(home: Path) -> Mapping[str, str]:
    at = port(home, "amqp")
    (home / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{at}\n")
    return {
        "HOME": str(home),  # for a cookie of its own
        "RABBITMQ_NODENAME": f"baggage{at}@localhost",
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_MNESIA_BASE": str(home),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_DIST_PORT": str(port(home, "dist")),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(port(home, "epmd")),
        # Few schedulers, and no busy waiting: tests have the machine to themselves.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1 +sbwt none",
    }


def _redis_address(home: Path, said: str) -> str | None:
    ready = "Ready to accept connections" in said
    return f"redis://127.0.0.1:{port(home, 'redis')}/0" if ready else None


def _amqp_address(home: Path, said: str) -> str | None:
    ready = "Server startup complete" in said
    return f"amqp://guest:guest@127.0.0.1:{port(home, 'amqp')}/%2f" if ready else None


REDIS: Final = Server("redis", _redis_command, _redis_address)
RABBITMQ: Final = Server(
    "rabbitmq",
    lambda home: ["/bin/sh", "-c", _RABBITMQ_RUN, _RABBITMQ],
    _amqp_address,
    _rabbitmq_environment,
)
