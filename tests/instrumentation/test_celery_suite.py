"""Celery keeps what every broker has to: on Redis, on RabbitMQ, in memory, by both protocols.

A worker here takes one message when it's told to, and runs it in a pool of its own thread: by
Celery's own request, acknowledgement and tracing, and without the loop around them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, ClassVar

import pytest
from celery import Celery, Task
from celery.concurrency.solo import TaskPool
from celery.exceptions import Reject, TaskRevokedError
from celery.worker.request import Request
from celery.worker.state import revoked
from celery.worker.strategy import hybrid_to_proto2

from baggage.boundary import Endpoint, Kind, Raised
from baggage.instrumentation import celery as instrumentation
from baggage.testing import BrokerSuite, Taken
from tests.brokers import unique

NO_HEADERS: Mapping[str, str] = {}


@cache
def _app(url: str, protocol: int) -> Celery:
    """Return the application for a broker, whose connections all tests share."""
    app = Celery("suite", broker=url, set_as_current=False)
    app.conf.update(task_protocol=protocol, task_publish_retry=False, broker_connection_timeout=300)
    return app


class CelerySuite(BrokerSuite):
    """Tasks instead of messages: one for each destination."""

    instrumentation: ClassVar[ModuleType] = instrumentation
    here = False
    protocol: ClassVar[int] = 2
    app: Celery

    def use(self, url: str) -> None:
        self.jobs: dict[str, Callable[[Taken], None]] = {}
        self.app = _app(url, self.protocol)

    @pytest.fixture(autouse=True)
    def _used(self, _broker: None) -> None:
        pass

    def destination(self) -> str:
        name = unique("task")

        @self.app.task(name=name, bind=True, acks_late=True)  # type: ignore[untyped-decorator]
        def run(task: Task, body: bytes, again: bool = False) -> None:
            headers = dict(task.request.headers or {})
            headers.pop("meth", None)  # Celery's own, by the first protocol
            self.jobs[name](Taken(body, headers, self.message.headers))

        with self.app.connection_for_write() as connection:
            self.app.amqp.queues[name](connection.default_channel).declare()
        return name

    def publish(
        self, destination: str, body: bytes = b"some order", headers: Mapping[str, str] = NO_HEADERS
    ) -> object:
        task, options = self.app.tasks[destination], {"headers": headers} if headers else {}
        return task.apply_async((body,), queue=destination, **options)

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        self.app.set_current()
        raised: list[BaseException] = []

        def job(taken: Taken) -> None:
            try:
                work(taken)
            except BaseException as error:
                raised.append(error)
                raise
            if again:
                raise Reject("again", requeue=True)

        self.jobs[destination] = job
        with self.app.connection_for_read() as connection:
            queue = self.app.amqp.queues[destination](connection.default_channel)
            while (message := queue.get(accept=["json"])) is None:
                time.sleep(0.002)
            self._execute(message, destination)
        if raised:
            raise raised[0]

    def _execute(self, message: Any, name: str) -> None:
        self.message = message
        told: dict[str, Any] = {}
        if self.protocol == 1:
            body, headers, decoded, utc = hybrid_to_proto2(message, message.payload)
            told = {"body": body, "headers": headers, "decoded": decoded, "utc": utc}
        request = Request(
            message,
            app=self.app,
            task=self.app.tasks[name],
            on_ack=message.ack_log_error,
            on_reject=message.reject_log_error,
            **told,
        )
        request.execute_using_pool(TaskPool())

    def endpoint(self) -> Endpoint | None:
        with self.app.connection_for_read() as connection:
            told = connection.info()
        return Endpoint(told["hostname"] or "", told["port"] or 0)

    def test_flows_hear_of_a_task_that_is_revoked(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        revoked.add(orders)
        with self.request("acme"):
            self.app.tasks[orders].apply_async((b"",), queue=orders, task_id=orders)
        with pytest.raises(TaskRevokedError):
            self.worker.do(lambda: self.consume(orders, lambda _: None))
        (crossed,) = recorder.ended
        assert crossed.carried.unpack("tenant") == ("acme",)
        assert isinstance(crossed.outcome, Raised)
        assert isinstance(crossed.outcome.error, TaskRevokedError)


class TestRedis(CelerySuite):
    @pytest.fixture
    def _broker(self, redis_url: str) -> None:
        self.use(redis_url)


class TestRabbitMQ(CelerySuite):
    @pytest.fixture
    def _broker(self, amqp_url: str) -> None:
        self.use(amqp_url)


class TestFirstProtocolInMemory(CelerySuite):
    protocol = 1

    @pytest.fixture
    def _broker(self) -> None:
        self.use("memory://")
