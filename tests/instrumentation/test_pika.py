"""pika keeps what every broker has to, against a real RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baggage.testing import BrokerSuite, Taken
from tests.instrumentation.channels import Blocking


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
