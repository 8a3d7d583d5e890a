"""Asynchronous channels of pika keep what every broker has to, over two event loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from queue import SimpleQueue
from typing import Any, ClassVar

import pika
import pytest
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel

from baggage.boundary import Endpoint
from baggage.context import unpack
from baggage.instrumentation import pika as instrumentation
from baggage.testing import BrokerSuite, Taken
from baggage.testing._broker import BODY, NO_HEADERS, BrokerBase
from baggage.testing.suite import outcome_of
from tests.brokers import patient, unique


class Loop:
    """A connection that has a thread with an event loop to itself, and a channel of it."""

    def __init__(self, url: str, *, select: bool) -> None:
        self.opened: SimpleQueue[Any] = SimpleQueue()
        self.parameters = pika.URLParameters(url)
        self.select = select
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.connection = self.opened.get(timeout=300)
        self.channel: Channel = self.opened.get(timeout=300)

    def run(self) -> None:
        kind = pika.SelectConnection if self.select else AsyncioConnection
        options = {} if self.select else {"custom_ioloop": asyncio.new_event_loop()}
        connection = kind(
            self.parameters,
            on_open_callback=self.connected,
            on_close_callback=lambda connection, _: connection.ioloop.stop(),
            **options,
        )
        connection.ioloop.run_forever() if not self.select else connection.ioloop.start()
        connection.ioloop.close()

    def connected(self, connection: Any) -> None:
        self.opened.put(connection)
        connection.channel(on_open_callback=self.open)

    def open(self, channel: Channel) -> None:
        channel.basic_qos(prefetch_count=1, callback=lambda _: self.opened.put(channel))

    def soon(self, step: Callable[[], object]) -> None:
        """Take a step in the loop."""
        ioloop = self.connection.ioloop
        (ioloop.add_callback_threadsafe if self.select else ioloop.call_soon_threadsafe)(step)

    def do(self, step: Callable[[], Any]) -> Any:
        """Take a step in the loop; return or raise what it does."""
        told: SimpleQueue[Any] = SimpleQueue()
        self.soon(lambda: told.put(outcome_of(step)))
        return _told(told)

    def close(self) -> None:
        self.soon(self.connection.close)
        self.thread.join(300)


def _told(told: SimpleQueue[Any]) -> Any:
    outcome = told.get(timeout=300)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


class Asynchronous(BrokerBase):
    """A loop to publish by and one to consume by."""

    instrumentation: ClassVar = instrumentation
    here: ClassVar = False
    select: ClassVar = False

    @pytest.fixture(autouse=True)
    def _connected(self, amqp_url: str) -> Iterator[None]:
        self.url = patient(amqp_url)
        self.publishing = Loop(self.url, select=self.select)
        self.consuming = Loop(self.url, select=self.select)
        yield
        self.publishing.close()
        self.consuming.close()

    url: str
    publishing: Loop
    consuming: Loop

    def destination(self) -> str:
        name, told = unique("orders"), SimpleQueue[Any]()
        declare = partial(
            self.publishing.channel.queue_declare,
            name,
            arguments={"x-expires": 600_000},
            callback=lambda _: told.put(None),
        )
        self.publishing.soon(declare)
        _told(told)
        return name

    def publish(
        self, destination: str, body: bytes = BODY, headers: Mapping[str, str] = NO_HEADERS
    ) -> object:
        properties = pika.BasicProperties(headers=dict(headers)) if headers else None
        channel = self.publishing.channel
        if threading.current_thread() in (self.publishing.thread, self.consuming.thread):
            return self.consuming.channel.basic_publish("", destination, body, properties)

        def publish() -> None:
            channel.basic_publish("", destination, body, properties)

        return self.publishing.do(publish)

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        told: SimpleQueue[Any] = SimpleQueue()

        def called(channel: Channel, method: Any, properties: Any, body: bytes) -> None:
            channel.basic_cancel(method.consumer_tag)
            try:
                work(Taken(body, properties.headers or {}, properties))
            finally:
                if again:
                    channel.basic_reject(method.delivery_tag)
                else:
                    channel.basic_ack(method.delivery_tag)
            told.put(None)

        self.consuming.do(partial(self._consume, destination, called, told))
        _told(told)

    def _consume(self, destination: str, called: Any, told: SimpleQueue[Any]) -> None:
        """Consume by a callback, and tell what it raises: pika would close the connection."""
        channel: Any = self.consuming.channel
        tag = channel.basic_consume(destination, called)
        consumer = channel._consumers[tag]

        def hearing(*message: Any) -> None:
            error = outcome_of(lambda: consumer(*message))
            if error is not None:
                told.put(error)

        channel._consumers[tag] = hearing

    def endpoint(self) -> Endpoint:
        parameters = pika.URLParameters(self.url)
        return Endpoint(parameters.host, parameters.port)


class TestAsyncio(Asynchronous, BrokerSuite):
    """AsyncioConnection."""

    def test_tasks_that_callbacks_start_work_each_in_its_messages_context(self) -> None:
        orders, channel = self.destination(), self.consuming.channel
        seen: SimpleQueue[object] = SimpleQueue()

        async def work(body: bytes, *, again: int = 2) -> None:
            for _ in range(again):
                await asyncio.sleep(0)
                seen.put((body, unpack("tenant")))

        def called(channel: Channel, method: Any, properties: Any, body: bytes) -> None:
            channel.basic_ack(method.delivery_tag)
            tasks.append(asyncio.get_running_loop().create_task(work(body)))

        tasks: list[object] = []
        for tenant in ("a", "b", "c"):
            with self.request(tenant):
                self.publish(orders, tenant.encode())
        self.consuming.do(lambda: channel.basic_consume(orders, called))
        found = [seen.get(timeout=300) for _ in range(6)]
        assert sorted(found, key=repr) == [
            (tenant.encode(), (tenant,)) for tenant in ("a", "b", "c") for _ in range(2)
        ]


class TestSelect(Asynchronous, BrokerSuite):
    """SelectConnection."""

    select = True
