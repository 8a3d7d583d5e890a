"""Services of several processes that talk by RabbitMQ: what they pack adds up exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from pika.spec import BasicProperties

from baggage.boundary import Fault, FaultKind, Inject, Kind
from baggage.context import pack, unpack
from baggage.testing._broker import TOTAL
from tests.brokers import unique
from tests.instrumentation.channels import Blocking

WORKER = """
import sys, pika
import baggage
baggage.instrument(service="worker")
url, orders, count = sys.argv[1:]
total = baggage.key("suite.total", type=baggage.Sum)
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.basic_qos(prefetch_count=1)

def work(channel, method, properties, body):
    known = baggage.unpack("tenant")
    assert known == (body.decode(),), known
    assert not properties.headers, properties
    baggage.pack(total, 1)
    baggage.pack("by", "worker")
    if method.redelivered or not body.startswith(b"again"):
        reply = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, body, reply)
        channel.basic_ack(method.delivery_tag)
        work.left -= 1
        if not work.left:
            channel.stop_consuming()
    else:
        channel.basic_nack(method.delivery_tag)

work.left = int(count)
channel.basic_consume(orders, work)
print("ready", flush=True)
channel.start_consuming()
channel.connection.close()
"""


class TestProcesses(Blocking):
    """One service here, others in processes of their own."""

    @contextmanager
    def working(self, *orders: str, count: int) -> Iterator[None]:
        """Run a worker for each queue, that answers so many messages."""
        environment = {**os.environ, "BAGGAGE_STRICT": "1", "BAGGAGE_METAAPPS": ""}
        with ExitStack() as ending:
            workers = [
                ending.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", WORKER, self.url, queue, str(count)],
                        env=environment,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                    )
                )
                for queue in orders
            ]
            try:
                for worker in workers:
                    assert worker.stdout is not None
                    assert worker.stdout.readline() == "ready\n"
                yield
                for worker in workers:
                    _, errors = worker.communicate(timeout=300)
                    assert (worker.returncode, errors) == (0, "")
            finally:
                for worker in workers:
                    worker.kill()

    def replies(self, queue: str, count: int) -> list[bytes]:
        """Take replies."""
        taken: list[bytes] = []
        for _, _, body in self.channel.consume(queue, auto_ack=True):
            taken.append(body or b"")
            if len(taken) == count:
                break
        self.channel.cancel()
        return taken

    def test_what_two_subscribers_pack_adds_up_whatever_comes_twice(self) -> None:
        news, replies = unique("news"), self.destination()
        subscribers = [self.destination() for _ in range(2)]
        self.channel.exchange_declare(news, "fanout", auto_delete=True)
        for queue in subscribers:
            self.channel.queue_bind(queue, news)
        properties = BasicProperties(reply_to=replies, correlation_id="1")
        with self.working(*subscribers, count=2):
            scripted = self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.DUPLICATE)))
            with self.request("again acme"):
                pack(TOTAL, 10)
                self.channel.basic_publish(news, "", b"again acme", properties)
                self.boundary.unregister(scripted.name)
                assert self.replies(replies, 4) == [b"again acme"] * 4
                assert unpack(TOTAL) == (14,)
                assert unpack("by") == ("worker",) * 4

    def test_requests_are_not_mixed_up(self) -> None:
        orders, replies = self.destination(), self.destination()
        with self.working(orders, count=6):
            for number in range(6):
                with self.request(f"tenant {number}"):
                    properties = BasicProperties(reply_to=replies, correlation_id=str(number))
                    body = f"tenant {number}".encode()
                    self.channel.basic_publish("", orders, body, properties)
                    assert self.replies(replies, 1) == [body]
                    assert unpack(TOTAL) == (1,)
                    assert unpack("tenant") == (f"tenant {number}",)

    @pytest.mark.parametrize("dead", ["rejected", "expired"])
    def test_a_dead_letter_is_a_message_as_any(self, dead: str) -> None:
        orders, morgue = unique("orders"), self.destination()
        arguments: dict[str, Any] = {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": morgue,
            "x-expires": 600_000,
        }
        if dead == "expired":
            arguments["x-message-ttl"] = 1
        self.channel.queue_declare(orders, arguments=arguments)
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order")
        if dead == "rejected":
            method, _, _ = next(self.channel.consume(orders))
            assert method is not None
            self.channel.basic_reject(method.delivery_tag, requeue=False)
            self.channel.cancel()
        _, properties, _ = next(self.channel.consume(morgue, auto_ack=True))
        assert properties is not None
        assert properties.headers is not None
        assert set(properties.headers) == {
            *("x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason")
        }
        assert unpack("tenant") == ("acme",)

    def test_a_transaction_that_is_rolled_back_publishes_nothing(self) -> None:
        orders, channel = self.destination(), self.channel.connection.channel()
        channel.tx_select()
        for tenant, ending in (("a", channel.tx_rollback), ("b", channel.tx_commit)):
            with self.request(tenant):
                channel.basic_publish("", orders, tenant.encode())
            ending()
        _, _, body = next(self.channel.consume(orders, auto_ack=True))
        assert (body, unpack("tenant")) == (b"b", ("b",))
