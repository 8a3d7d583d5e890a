"""What clients of brokers start to serve all callers is no branch of the one who came first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aiokafka
import pika
import pytest

from baggage.boundary import Boundary, Kind, Policy
from baggage.context import Branch, attached
from baggage.instrumentation import aiokafka as aiokafka_instrumentation
from baggage.instrumentation import asyncio as asyncio_instrumentation
from baggage.instrumentation import pika as pika_instrumentation
from baggage.instrumentation import threading as threading_instrumentation
from baggage.instrumentation._patching import Switch
from baggage.testing.apps import Recorder
from tests.kafka_cluster import kafka_servers

__all__ = ["kafka_servers"]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
    boundary, switch = Boundary(Policy(service="shop", strict=True), (recorder,)), Switch()
    for each in (
        threading_instrumentation,
        asyncio_instrumentation,
        pika_instrumentation,
        aiokafka_instrumentation,
    ):
        each.instrument(boundary, switch)
    yield recorder
    switch.on = False


def test_a_connection_of_pika_starts_no_branch(amqp_url: str, recorder: Recorder) -> None:
    with attached(Branch()):
        pika.BlockingConnection(pika.URLParameters(amqp_url)).close()
    assert recorder.ended == []


def test_a_producer_of_aiokafka_starts_no_branch(kafka_servers: str, recorder: Recorder) -> None:
    async def serve() -> None:
        with attached(Branch()):
            before = list(recorder.ended)
            producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka_servers)
            await producer.start()
            await producer.stop()
            assert recorder.ended == before

    asyncio.run(serve())
