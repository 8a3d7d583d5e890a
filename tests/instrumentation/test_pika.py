"""pika keeps what every broker has to, against a real RabbitMQ."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from baggage.boundary import Endpoint
from baggage.instrumentation import pika as instrumentation
from baggage.testing import BrokerSuite, Taken
from baggage.testing._broker import BODY, NO_HEADERS, BrokerBase
from tests.brokers import unique


class Blocking(BrokerBase):
    """A channel for each thread; workers consume by callbacks."""

    instrumentation: ClassVar = instrumentation

    @pytest.fixture(autouse=True)
    def _connected(self, amqp_url: str, _workers: None) -> Iterator[None]:
        self.url = amqp_url
        self.local = threading.local()
        with ExitStack() as self.connections:
            yield

    url: str

    @property
    def channel(self) -> BlockingChannel:
        """The channel of this thread."""
        if not hasattr(self.local, "channel"):
            connection = pika.BlockingConnection(pika.URLParameters(self.url))
            self.connections.callback(connection.close)
            self.local.channel = connection.channel()
            self.local.channel.basic_qos(prefetch_count=1)
        return self.local.channel

    def destination(self) -> str:
        name = unique("orders")
        self.channel.queue_declare(name, arguments={"x-expires": 60_000})
        return name

    def publish(
        self, destination: str, body: bytes = BODY, headers: Mapping[str, str] = NO_HEADERS
    ) -> object:
        properties = pika.BasicProperties(headers=dict(headers)) if headers else None
        return self.channel.basic_publish("", destination, body, properties)

    def endpoint(self) -> Endpoint:
        parameters = pika.URLParameters(self.url)
        return Endpoint(parameters.host, parameters.port)

    def settle(self, tag: int, *, again: bool) -> None:
        if again:
            self.channel.basic_nack(tag)
        else:
            self.channel.basic_ack(tag)


class TestCallbacks(Blocking, BrokerSuite):
    """`basic_consume` and `start_consuming`."""

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        def called(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            channel.stop_consuming()
            try:
                work(Taken(body, properties.headers or {}, properties))
            finally:
                self.settle(method.delivery_tag, again=again)

        self.channel.basic_consume(destination, called)
        self.channel.start_consuming()


class TestGetting(Blocking, BrokerSuite):
    """`basic_get`."""

    test_flows_hear_that_the_work_on_a_message_failed = None  # type: ignore[assignment]

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        while True:
            method, properties, body = self.channel.basic_get(destination)
            if method is not None:
                break
        assert body is not None
        assert properties is not None
        try:
            work(Taken(body, properties.headers or {}, properties))
        finally:
            self.settle(method.delivery_tag, again=again)


class TestIterating(Blocking, BrokerSuite):
    """`consume`, a generator."""

    test_flows_hear_that_the_work_on_a_message_failed = None  # type: ignore[assignment]

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        for method, properties, body in self.channel.consume(destination):
            assert method is not None
            try:
                work(Taken(body, properties.headers or {}, properties))
            finally:
                self.settle(method.delivery_tag, again=again)
                self.channel.cancel()
            return
