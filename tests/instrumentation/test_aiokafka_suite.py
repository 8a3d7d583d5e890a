"""aiokafka keeps what is promised of every message broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, ClassVar, TypeVar

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from baggage.boundary import Endpoint
from baggage.instrumentation import aiokafka as kafka
from baggage.testing.broker import BrokerSuite, Taken
from tests.brokers import unique
from tests.kafka_cluster import kafka_servers

__all__ = ["kafka_servers"]

T = TypeVar("T")
Job = Callable[[], Coroutine[Any, Any, None]]


class Client:
    """Producer and consumers of an event loop that runs in a thread of its own."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._workers: dict[int, asyncio.Queue[Any]] = {}
        self._next: dict[str, int] = {}
        self.do(self._start())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(300)

    def stop(self) -> None:
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def publish(self, topic: str, body: bytes, headers: Mapping[str, str]) -> object:
        pairs = [(name, value.encode()) for name, value in headers.items()]
        # Both of a pair that is sent twice are told, so that one never overtakes what is sent next.
        sent = await self.producer.send_and_wait(topic, body, partition=0, headers=pairs or None)
        await self.producer.flush()
        return type(sent)

    async def consume(
        self, worker: int, topic: str, work: Callable[[Taken], None], *, again: bool
    ) -> None:
        """Let the task of a worker take the next record, and do the work on it there."""
        done: asyncio.Future[None] = self._loop.create_future()

        async def job(fetch: Callable[[], Coroutine[Any, Any, ConsumerRecord[Any, Any]]]) -> None:
            try:
                record = await fetch()
                headers = {name: value.decode("latin-1") for name, value in record.headers}
                self._next[topic] = record.offset + (0 if again else 1)
                taken = Taken(record.value, headers, record)
                # Elsewhere in this context: the work may wait for what this loop does.
                await asyncio.to_thread(work, taken)
                done.set_result(None)
            except Exception as error:
                done.set_exception(error)

        if worker not in self._workers:
            self._workers[worker] = asyncio.Queue()
            self._tasks.append(asyncio.create_task(self._work(self._workers[worker])))
        self._workers[worker].put_nowait((topic, job))
        await done

    async def _work(self, jobs: asyncio.Queue[Any]) -> None:
        async with self._consumer() as consumer:
            while True:
                topic, job = await jobs.get()
                partition = TopicPartition(topic, 0)
                consumer.assign([partition])
                consumer.seek(partition, self._next.get(topic, 0))
                await job(consumer.getone)

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        async with AIOKafkaConsumer(
            bootstrap_servers=self.servers, fetch_max_wait_ms=20, auto_offset_reset="earliest"
        ) as consumer:
            yield consumer

    async def _start(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self.producer = AIOKafkaProducer(bootstrap_servers=self.servers)
        await self.producer.start()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.producer.stop()


class TestGetone(BrokerSuite):
    """`send_and_wait`, and `getone` in a task that goes on."""

    instrumentation: ClassVar[ModuleType] = kafka
    here = False
    # A consumer of a log goes back by itself, and says nothing of its work.
    test_flows_hear_that_a_message_goes_back_and_that_it_came_again = None  # type: ignore[assignment]
    test_flows_hear_that_the_work_on_a_message_failed = None  # type: ignore[assignment]
    client: ClassVar[Client]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _client(cls, kafka_servers: str) -> Iterator[None]:
        cls.client = Client(kafka_servers)
        yield
        cls.client.stop()

    def destination(self) -> str:
        return unique("orders")

    def publish(self, destination: str, body: bytes = b"some order", headers: Any = None) -> object:
        return self.client.do(self.client.publish(destination, body, headers or {}))

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        worker = threading.get_ident()
        self.client.do(self.client.consume(worker, destination, work, again=again))

    def endpoint(self) -> Endpoint:
        host, _, port = self.client.servers.rpartition(":")
        return Endpoint(host, int(port))
