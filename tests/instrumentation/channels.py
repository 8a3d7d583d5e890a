"""Channels of pika for tests, one for each thread, against a real RabbitMQ."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import ClassVar

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from baggage.boundary import Endpoint
from baggage.instrumentation import pika as instrumentation
from baggage.testing._broker import BODY, NO_HEADERS, BrokerBase
from tests.brokers import patient, unique


class Blocking(BrokerBase):
    """A channel for each thread; workers consume by callbacks."""

    instrumentation: ClassVar = instrumentation

    @pytest.fixture(autouse=True)
    def _connected(self, amqp_url: str, _workers: None) -> Iterator[None]:
        self.url = patient(amqp_url)
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
        self.channel.queue_declare(name, arguments={"x-expires": 600_000})
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
