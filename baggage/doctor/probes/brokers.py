"""Self-tests of what sends messages by brokers: each in a queue, stream or topic of its own.

It is gone afterwards, but for a topic: clients as a rule may not delete one.

Where no broker is named, one that needs no server is used, or a server of our own on a socket that
nobody else sees; where there is neither, nothing is tried.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from baggage.doctor.probes.loopback import PATIENCE
from baggage.doctor.probes.probe import NotTried, Peers, behind
from baggage.doctor.probes.queues import worked

_STREAM: Final = f"baggage-doctor-{uuid.uuid4().hex}"


def by_celery(_: Peers) -> str:
    """Call a task, whose worker is a thread, by a broker in memory."""
    from celery import Celery

    results = Path("results").absolute()  # the directory is this process's own
    results.mkdir(exist_ok=True)
    app = Celery("baggage-doctor", broker="memory://", backend=f"file://{results}")
    app.set_default()  # for the worker's thread
    look = app.task(name="baggage-doctor.look")(behind)
    quiet = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
    worker = app.WorkController(pool="solo", concurrency=1, **quiet)
    threading.Thread(target=worker.start, daemon=True).start()  # it takes seconds to stop
    # A worker of this kind takes the whole process for one that runs tasks and nothing else.
    return str(look.delay().get(timeout=PATIENCE, disable_sync_subtasks=False))


def by_pika(peers: Peers) -> str:
    """Publish to a queue, and get from it."""
    import pika

    if not peers.amqp:
        raise NotTried("no server: name one by --amqp-url")

    def connected() -> Any:
        return pika.BlockingConnection(pika.URLParameters(peers.amqp))

    with connected() as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=False, auto_delete=True).method.queue

        def get() -> str:
            with connected() as another:  # a connection is for one thread
                taking = another.channel()
                _until(lambda: taking.basic_get(queue, auto_ack=True)[0])
                return behind()

        channel.basic_publish("", queue, b"message")
        try:
            return worked(get)
        finally:
            channel.queue_delete(queue)


def by_redis(peers: Peers) -> str:
    """Add to a stream, and read it."""
    import redis

    def read(client: Any) -> str:
        (_, entries), *_ = client.xread({_STREAM: "0"}, count=1, block=int(PATIENCE * 1000))
        for _ in entries:
            return behind()
        raise LookupError("the stream is empty")

    with _redis(peers) as url, redis.Redis.from_url(url) as client:
        client.xadd(_STREAM, {"key": "value"})
        try:
            return worked(lambda: read(client))
        finally:
            client.delete(_STREAM)


@contextmanager
def _redis(peers: Peers) -> Iterator[str]:
    """Give the URL of a server: the one that was named, or one that can be had."""
    if peers.redis:
        yield peers.redis
        return
    program = shutil.which("redis-server")
    if program is None:
        raise NotTried("no server: name one by --redis-url, or install redis-server")
    socket = Path("redis.socket").absolute()  # as above
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
        try:
            _until(socket.exists)
            yield f"unix://{socket}"
        finally:
            server.terminate()


def by_aiokafka(peers: Peers) -> str:
    """Send to a topic, and iterate over it."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def through(servers: str) -> str:
        producer = AIOKafkaProducer(bootstrap_servers=servers)
        consumer = AIOKafkaConsumer(
            _STREAM, bootstrap_servers=servers, auto_offset_reset="earliest"
        )
        await producer.start()
        await producer.send_and_wait(_STREAM, b"message")
        await producer.stop()
        await consumer.start()
        try:
            await asyncio.wait_for(consumer.getone(), PATIENCE)
            return behind()
        finally:
            await consumer.stop()

    with _kafka(peers) as servers:
        return asyncio.run(through(servers))


@contextmanager
def _kafka(peers: Peers) -> Iterator[str]:
    """Give the addresses of a cluster: the one that was named, or librdkafka's for tests."""
    if peers.kafka:
        yield peers.kafka
        return
    try:
        import confluent_kafka
    except ImportError as error:
        reason = "no server: name one by --kafka, or install confluent-kafka, which has a mock"
        raise NotTried(reason) from error
    owner = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    brokers = owner.list_topics(timeout=PATIENCE).brokers.values()
    yield ",".join(f"{each.host}:{each.port}" for each in brokers)
    owner.flush(1)


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the broker does not answer")
        threading.Event().wait(0.01)
