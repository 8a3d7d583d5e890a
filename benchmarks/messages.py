"""Messages to publish and to consume, as applications do: each function says where its broker is.

What is published stands where the process stands, what is consumed in a context of its own, as in a
worker that stands in no request. The work on a message is none.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final
from uuid import uuid4

from benchmarks.measure import Prepared, Run

_BODY: Final = b'{"order": 1234, "items": ["a book", "a lamp"], "express": true}'
_NAME: Final = "orders"
_AT_ONCE: Final = 10
"""So many entries are read from a stream at a time."""


def celery_send(at: str) -> Run:
    task = _celery(at)

    def run(calls: int) -> None:
        for _ in range(calls):
            task.delay("a book", 2)

    return Prepared(lambda _: task.app.control.purge(), run)


def celery_run(at: str) -> Run:
    """Run tasks in a worker of this process, which is held up until they lie with the broker."""
    from celery import signals
    from celery.contrib.testing.worker import start_worker

    go, done = threading.Event(), threading.Event()
    task = _celery(at)

    @task.app.task(name="gate", ignore_result=True)
    def gate() -> None:
        go.wait()

    @task.app.task(name="last", ignore_result=True)
    def last() -> None:
        done.set()

    signals.setup_logging.connect(_say_nothing)
    worker = start_worker(task.app, perform_ping_check=False)
    worker.__enter__()

    def ready(calls: int) -> None:
        go.clear()
        done.clear()
        gate.delay()
        for _ in range(calls):
            task.delay("a book", 2)
        last.delay()

    def run(_: int) -> None:
        assert worker  # which stops when nothing refers to it
        go.set()
        done.wait()

    return Prepared(ready, run)


def _celery(at: str) -> Any:
    from celery import Celery

    app = Celery("benchmark", broker=at)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        task_default_queue=_own(_NAME),
        worker_enable_remote_control=False,
    )

    @app.task(name="pack", ignore_result=True)
    def pack(what: str, times: int) -> str:
        return what * times

    return pack


def _say_nothing(**_: object) -> None:
    """Be asked, so that Celery doesn't set logging up by itself."""


def pika_publish(at: str) -> Run:
    """Publish to no queue: what the broker has to do is to read it."""
    import pika

    channel, nowhere = pika.BlockingConnection(pika.URLParameters(at)).channel(), _own("nowhere")
    return lambda calls: _publish(channel, nowhere, calls)


def pika_consume(at: str) -> Run:
    """Acknowledge each message in a consumer's callback."""
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(at))
    channel, queue, seen = connection.channel(), _own(_NAME), 0
    channel.queue_declare(queue, exclusive=True)  # for it is deleted with the connection then

    def worked(channel: Any, method: Any, *_: Any) -> None:
        nonlocal seen
        seen += 1
        channel.basic_ack(method.delivery_tag)

    def consume(calls: int) -> None:
        nonlocal seen
        seen = 0
        consumer = channel.basic_consume(queue, worked)
        while seen < calls:
            connection.process_data_events(None)
        channel.basic_cancel(consumer)

    def ready(calls: int) -> None:
        producer = connection.channel()
        _publish(producer, queue, calls)
        producer.close()  # what was published is there when this is answered

    return Prepared(ready, _apart(consume))


def _publish(channel: Any, queue: str, calls: int) -> None:
    from pika import BasicProperties

    for _ in range(calls):
        channel.basic_publish("", queue, _BODY, BasicProperties("application/json"))


def redis_add(at: str) -> Run:
    from redis import Redis

    client, stream = Redis.from_url(at), _own(_NAME)

    def run(calls: int) -> None:
        for _ in range(calls):
            client.xadd(stream, {"id": "1234", "body": _BODY}, maxlen=1000)

    return run


def redis_read(at: str) -> Run:
    """Work through entries ten at a time, and acknowledge these by one command."""
    from redis import Redis

    client, stream = Redis.from_url(at), _own(_NAME)

    def ready(calls: int) -> None:
        client.delete(stream)
        client.xgroup_create(stream, "packers", mkstream=True)
        for _ in range(calls):
            client.xadd(stream, {"id": "1234", "body": _BODY})

    def consume(calls: int) -> None:
        left = calls
        while left > 0:
            read: Any = client.xreadgroup("packers", "one", {stream: ">"}, count=_AT_ONCE)
            for _, entries in read:
                worked = []
                for entry in entries:
                    worked.append(entry[0])  # noqa: PERF401 - a comprehension takes no entry
                client.xack(stream, "packers", *worked)
                left -= len(worked)

    return Prepared(ready, _apart(consume))


def aiokafka_send(at: str) -> Run:
    (loop, producer), topic = _producer(at), _own(_NAME)
    return lambda calls: loop.run_until_complete(_send(producer, topic, calls))


def aiokafka_getone(at: str) -> Run:
    return _aiokafka(at, _by_one)


def aiokafka_getmany(at: str) -> Run:
    return _aiokafka(at, _by_many)


def _aiokafka(at: str, consume: Callable[[Any, int], Coroutine[Any, Any, None]]) -> Run:
    """Consume in a loop of its own, which stands still while records are sent."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    topic = _own(_NAME)
    sending, producer = _producer(at)
    sending.run_until_complete(_send(producer, topic, 1))
    loop = asyncio.new_event_loop()

    async def start() -> Any:
        consumer = AIOKafkaConsumer(bootstrap_servers=at, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign(
            [
                TopicPartition(topic, each)
                for each in producer.client.cluster.partitions_for_topic(topic)
            ]
        )
        return consumer

    consumer = loop.run_until_complete(start())
    loop.run_until_complete(_by_one(consumer, 1))

    def run(calls: int) -> None:
        loop.run_until_complete(loop.create_task(consume(consumer, calls), context=Context()))

    return Prepared(lambda calls: sending.run_until_complete(_send(producer, topic, calls)), run)


async def _by_one(consumer: Any, calls: int) -> None:
    for _ in range(calls):
        await consumer.getone()


async def _by_many(consumer: Any, calls: int) -> None:
    left = calls
    while left > 0:
        fetched = await consumer.getmany(timeout_ms=10_000)
        for records in fetched.values():
            for _ in records:
                left -= 1


def _producer(at: str) -> tuple[asyncio.AbstractEventLoop, Any]:
    from aiokafka import AIOKafkaProducer

    loop = asyncio.new_event_loop()

    async def start() -> Any:
        producer = AIOKafkaProducer(bootstrap_servers=at)
        await producer.start()
        return producer

    return loop, loop.run_until_complete(start())


async def _send(producer: Any, topic: str, calls: int) -> None:
    for _ in range(calls):
        await producer.send(topic, _BODY)
    await producer.flush()


def _apart(consume: Run) -> Run:
    """Return what consumes in no request, whatever the process stands in."""
    return lambda calls: Context().run(consume, calls)


def _own(name: str) -> str:
    """Return a name that nobody else uses."""
    return f"{name}-{uuid4().hex[:12]}"
