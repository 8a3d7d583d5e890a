"""aiokafka against a cluster of librdkafka's."""

from __future__ import annotations

import asyncio
import gc
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from weakref import ref

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, NodeNotReadyError, RequestTimedOutError

import baggage
from baggage.boundary import (
    Boundary,
    Fault,
    FaultKind,
    Inject,
    Kind,
    Returned,
    batch,
    delivery_of,
)
from baggage.context import Branch, attached, branch, pack, unpack
from baggage.instrumentation import aiokafka as instrumentation
from baggage.testing.apps import Recorder, Scripted
from tests.brokers import unique
from tests.instrumentation.waist import Waist
from tests.kafka_cluster import kafka_servers

__all__ = ["kafka_servers"]


@pytest.fixture(scope="module")
def instrumented() -> Waist:
    return Waist(instrumentation)


@pytest.fixture
def boundary(instrumented: Waist) -> Iterator[Boundary]:
    with instrumented.on() as boundary:
        yield boundary


class Channel:
    """A topic of one partition, and who writes to it and reads from it."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str) -> None:
        self.producer, self.consumer, self.topic = producer, consumer, topic

    async def send(self, value: bytes = b"v", **more: Any) -> Any:
        return await self.producer.send_and_wait(self.topic, value, partition=0, **more)

    async def send_for(self, tenant: str, **more: Any) -> Any:
        with attached(Branch()):
            pack("tenant", tenant)
            return await self.send(**more)

    async def several(self, count: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < count:
            for records in (await self.consumer.getmany(timeout_ms=500)).values():
                found += records
        return found


@asynccontextmanager
async def channel(servers: str) -> AsyncIterator[Channel]:
    topic = unique("orders")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer, consumer:
        await producer.partitions_for(topic)
        consumer.assign([TopicPartition(topic, 0)])
        yield Channel(producer, consumer, topic)


@pytest.fixture
def run(kafka_servers: str) -> Callable[[Callable[[Channel], Awaitable[None]]], None]:
    def runs(work: Callable[[Channel], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with channel(kafka_servers) as opened:
                await work(opened)

        asyncio.run(asyncio.wait_for(whole(), 300))

    return runs


Run = Callable[[Callable[[Channel], Awaitable[None]]], None]


def test_a_consumer_knows_what_the_producer_knew(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        await topic.send_for("blue", headers=[("mine", b"1")])
        record = await topic.consumer.getone()
        assert unpack("tenant") == ("blue",)
        assert (record.value, record.headers[0]) == (b"v", ("mine", b"1"))

    run(work)


def test_a_warm_consumer_leaves_one_record_for_the_next(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        await topic.send_for("blue")
        await topic.send()
        await topic.send_for("red")
        seen = []
        async for _ in topic.consumer:
            seen.append(unpack("tenant"))
            pack("leaks", 1)
            assert unpack("leaks") == (1,)
            if len(seen) == 3:
                break
        assert seen == [("blue",), (), ("red",)]

    run(work)


def test_a_loop_over_records_takes_one_by_one(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        for tenant in ("blue", "red"):
            await topic.send_for(tenant)
        await topic.send()
        seen: list[object] = []
        while len(seen) < 3:
            fetched = await topic.consumer.getmany(timeout_ms=500)
            for records in fetched.values():
                for record in records:
                    seen.append(unpack("tenant"))
                    assert record.headers == ()
        assert seen == [("blue",), ("red",), ()]

    run(work)


def test_what_is_read_at_once_is_a_list_as_ever(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        await topic.send_for("blue")
        fetched = await topic.consumer.getmany(timeout_ms=300_000)
        (records,) = fetched.values()
        assert isinstance(records, list)
        assert pickle.loads(pickle.dumps(records[:])) == [*records]

    run(work)


def test_a_batch_is_a_declared_join(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        for tenant in ("blue", "red"):
            await topic.send_for(tenant)
        records = await topic.several(2)
        assert branch() is None or branch().idle  # type: ignore[union-attr]
        deliveries = [delivery for record in records if (delivery := delivery_of(record))]
        with batch(deliveries):
            assert sorted(map(str, unpack("tenant"))) == ["blue", "red"]

    run(work)


@pytest.mark.parametrize("garbage", [b"%%%", b"\xff\xfe", b"", b"baggage.v1=AAAA"])
def test_garbage_harms_nothing(boundary: Boundary, run: Run, garbage: bytes) -> None:
    async def work(topic: Channel) -> None:
        headers = [("baggage", garbage), ("baggage-message", garbage)]
        await topic.producer.send_and_wait(topic.topic, b"v", partition=0, headers=headers)
        record = await topic.consumer.getone()
        assert (record.value, list(record.headers)) == (b"v", headers[:1])
        assert unpack("tenant") == ()

    run(work)


def test_the_application_keeps_its_list_of_headers(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        headers = [("mine", b"1")]
        await topic.send_for("blue", headers=headers)
        assert headers == [("mine", b"1")]

    run(work)


def test_a_record_that_is_just_small_enough_is_sent_without_context(
    boundary: Boundary, kafka_servers: str
) -> None:
    async def work() -> None:
        limited = AIOKafkaProducer(bootstrap_servers=kafka_servers, max_request_size=1000)
        async with limited as producer:
            with attached(Branch()):
                pack("tenant", "blue" * 50)
                await producer.send_and_wait(unique("limited"), b"v" * 900, partition=0)
                with pytest.raises(MessageSizeTooLargeError) as refused:
                    await producer.send(unique("limited"), b"v" * 1000, partition=0)
                assert refused.value.__context__ is None

    asyncio.run(work())


def test_records_go_with_whoever_holds_them(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        await topic.send_for("blue")
        (record,) = await topic.several(1)
        held = ref(record)
        gc.disable()
        try:
            del record
            assert held() is None
        finally:
            gc.enable()

    run(work)


def test_flows_see_both_sides(boundary: Boundary, run: Run) -> None:
    recorder = Recorder()
    boundary.register(recorder)

    async def work(topic: Channel) -> None:
        with attached(Branch()):
            await topic.send(headers=[("b3", b"0")])
        await topic.consumer.getone()
        sent, came = (crossed.call for crossed in recorder.begun)
        assert (sent.kind, came.kind) == (Kind.PRODUCER, Kind.CONSUMER)
        assert (sent.operation, came.operation) == (topic.topic, topic.topic)
        assert (sent.method, came.method) == ("send", "consume")
        assert sent.payload == came.payload is not None
        assert sent.endpoint == came.endpoint is not None
        assert came.arrived["b3"] == "0"
        assert sent.site.function.endswith("send")

    run(work)


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        (Fault(FaultKind.DUPLICATE), [b"v", b"v"]),
        (Fault(FaultKind.DELAY, seconds=0.001), [b"v"]),
        (Fault(FaultKind.DROP), []),
    ],
)
def test_messages_are_dropped_repeated_and_delayed(
    boundary: Boundary, run: Run, fault: Fault, values: Sequence[bytes]
) -> None:
    boundary.register(Scripted(Inject(fault), kinds=(Kind.PRODUCER,)))

    async def work(topic: Channel) -> None:
        told = await topic.send_for("blue")
        assert (told.topic, told.partition) == (topic.topic, 0)
        boundary.unregister("scripted")
        await topic.send(b"last")
        seen = [await topic.consumer.getone() for _ in range(len(values) + 1)]
        assert sorted(record.value for record in seen) == sorted([*values, b"last"])

    run(work)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(FaultKind.REFUSED), NodeNotReadyError),
        (Fault(FaultKind.TIMEOUT), RequestTimedOutError),
        (Fault(FaultKind.RAISE, name="aiokafka.errors.NodeNotReadyError"), NodeNotReadyError),
    ],
)
def test_a_broker_that_fails_is_known_from_the_future(
    boundary: Boundary, run: Run, fault: Fault, error: type[Exception]
) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    boundary.register(recorder)
    boundary.register(Scripted(Inject(fault), kinds=(Kind.PRODUCER,)))

    async def work(topic: Channel) -> None:
        with attached(Branch()):
            future = await topic.producer.send(topic.topic, b"v", partition=0)
        with pytest.raises(error):
            await future
        (crossed,) = recorder.ended
        assert isinstance(crossed.outcome, Returned)
        assert crossed.outcome.injected == fault

    run(work)


def test_without_the_switch_nothing_goes_along(instrumented: Waist, run: Run) -> None:
    async def work(topic: Channel) -> None:
        await topic.send_for("blue")
        record = await topic.consumer.getone()
        assert record.headers == ()
        assert branch() is None

    run(work)


def test_wrong_arguments_fail_as_ever(boundary: Boundary, run: Run) -> None:
    async def work(topic: Channel) -> None:
        with pytest.raises(TypeError):
            await topic.producer.send()
        with pytest.raises(AssertionError):
            await topic.producer.send(topic.topic)

    run(work)


def test_a_client_that_is_closed_is_served_by_hand(kafka_servers: str) -> None:
    topic = unique("orders")
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka_servers})
    told = {"bootstrap.servers": kafka_servers, "group.id": topic, "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer(told)
    carried = baggage.Baggage().pack("tenant", "blue")
    with baggage.attached(carried), baggage.publishing(topic) as headers:
        producer.produce(topic, b"an order", headers=[*headers.items()], partition=0)
    assert producer.flush(300) == 0
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    message = consumer.poll(300)
    assert message is not None
    with baggage.consuming(message.headers()):
        assert baggage.unpack("tenant") == ("blue",)
    consumer.close()
