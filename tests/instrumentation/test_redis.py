"""Streams of Redis by redis-py, in threads and in tasks: what every broker's messages have to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import redis
import redis.asyncio

import baggage
from baggage.boundary import Endpoint
from baggage.instrumentation import redis as instrumentation
from baggage.testing.broker import BrokerSuite, Taken
from tests.brokers import patient, unique
from tests.instrumentation.looping import looping

GROUP = "workers"
BODY_FIELD = "body"
NO_HEADERS: Mapping[str, str] = {}


class Streams(BrokerSuite):
    """One group reads one stream; what is to come again stays pending, and is claimed."""

    instrumentation: ClassVar = instrumentation
    options: ClassVar[dict[str, Any]] = {}

    # A loop doesn't say how it is left, and what isn't acknowledged is given back without a word.
    test_flows_hear_that_the_work_on_a_message_failed = None  # type: ignore[assignment]
    test_flows_hear_that_a_message_goes_back_and_that_it_came_again = None  # type: ignore[assignment]

    @pytest.fixture(autouse=True)
    def _redis(self, redis_url: str) -> Iterator[None]:
        self.url = patient(redis_url)
        self.plain = redis.Redis.from_url(self.url, **self.options)
        yield
        self.plain.close()

    def destination(self) -> str:
        name = unique("orders")
        self.plain.xgroup_create(name, GROUP, "0", mkstream=True)
        return name

    def endpoint(self) -> Endpoint:
        parts = urlsplit(self.url)
        return Endpoint(str(parts.hostname), parts.port or 0)

    def publish(
        self, destination: str, body: bytes = b"some order", headers: Mapping[str, str] = NO_HEADERS
    ) -> object:
        fields: dict[Any, Any] = {BODY_FIELD: body, **headers}
        return self.plain.xadd(destination, fields)

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        found = self.plain.xautoclaim(destination, GROUP, "me", 0, count=1)[1]
        if not found:
            answer = self.plain.xreadgroup(GROUP, "me", {destination: ">"}, count=1, block=300_000)
            found = one_stream(answer)
        for entry in found:
            try:
                self.do(work, entry)
            finally:
                if not again:
                    self.plain.xack(destination, GROUP, entry[0])

    def do(self, work: Callable[[Taken], None], entry: Any) -> None:
        work(taken(entry))


class Tasks(Streams):
    """The same by `redis.asyncio`, in tasks: of one loop that publishes, and another one."""

    @pytest.fixture(autouse=True)
    def _loops(self, _redis: None) -> Iterator[None]:
        with looping() as self.publishing, looping() as self.consuming:
            self.publisher = self.publishing.run(self._connected())
            self.consumer = self.consuming.run(self._connected())
            yield
            self.publishing.run(self.publisher.aclose())
            self.consuming.run(self.consumer.aclose())

    async def _connected(self) -> redis.asyncio.Redis:
        return redis.asyncio.Redis.from_url(self.url, **self.options)

    def publish(
        self, destination: str, body: bytes = b"some order", headers: Mapping[str, str] = NO_HEADERS
    ) -> object:
        return self.publishing.run(self._publish(destination, {BODY_FIELD: body, **headers}))

    async def _publish(self, destination: str, fields: dict[Any, Any]) -> object:
        return await self.publisher.xadd(destination, fields)

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        self.consuming.run(self._consume(destination, work, again=again))

    async def _consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool
    ) -> None:
        client = self.consumer
        found = (await client.xautoclaim(destination, GROUP, "me", 0, count=1))[1]
        if not found:
            answer = await client.xreadgroup(
                GROUP, "me", {destination: ">"}, count=1, block=300_000
            )
            found = one_stream(answer)
        for entry in found:
            try:
                work(taken(entry))
            finally:
                if not again:
                    await client.xack(destination, GROUP, entry[0])


def one_stream(answer: Any) -> Any:
    """Return the entries of the only stream in an answer, in whichever form that is."""
    ((_, found),) = answer.items() if isinstance(answer, dict) else answer
    return found[0] if found and isinstance(found[0], list) else found


def taken(entry: tuple[Any, dict[Any, Any]]) -> Taken:
    fields = {text(name): value for name, value in entry[1].items()}
    body = fields.pop(BODY_FIELD)
    body = body if isinstance(body, bytes) else body.encode()
    return Taken(body, {name: text(value) for name, value in fields.items()}, entry)


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value


class TestStreams(Streams):
    """As redis-py answers by itself."""


class TestByHand(Streams):
    """Who says when the work on an entry ends, says how it ends."""

    test_flows_hear_that_the_work_on_a_message_failed = (
        BrokerSuite.test_flows_hear_that_the_work_on_a_message_failed  # type: ignore[assignment]
    )
    test_a_consumer_that_is_switched_off_carries_nothing = None  # type: ignore[assignment]

    def do(self, work: Callable[[Taken], None], entry: Any) -> None:
        with baggage.consuming(entry):
            work(taken(entry))


class TestOldProtocol(Streams):
    options: ClassVar = {"protocol": 2}


class TestNewProtocol(Streams):
    options: ClassVar = {"protocol": 3}


class TestTasks(Tasks):
    """As redis-py answers by itself."""


class TestTasksNewProtocol(Tasks):
    options: ClassVar = {"protocol": 3}
