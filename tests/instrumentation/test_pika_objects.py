"""pika's objects are what they are without us, and replies find the request that waits."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from typing import Any
from unittest.mock import Mock

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker, UnroutableError
from pika.spec import BasicProperties

import baggage
from baggage.boundary import Fault, FaultKind, Inject, Kind, Raised, Requeued
from baggage.context import Branch, branch, pack, unpack
from baggage.instrumentation import _pika_state
from baggage.instrumentation._pika_state import Rejected, State, Waiting
from baggage.instrumentation.pika import _wraps_ours
from baggage.testing import Taken, Worker
from baggage.testing._broker import TOTAL
from baggage.testing.suite import failure, outcome_of
from tests.brokers import unique
from tests.instrumentation.channels import Blocking

EARLY = """
import pika, sys
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
queue = channel.queue_declare("", exclusive=True).method.queue
seen = []
def called(channel, method, properties, body):
    seen.append((body, properties.headers, baggage.unpack("tenant")))
    channel.stop_consuming()
channel.basic_consume(queue, called, auto_ack=True)
import baggage
baggage.instrument()
with baggage.attached(baggage.Baggage().pack("tenant", "acme")):
    channel.basic_publish("", queue, b"order")
channel.start_consuming()
connection.close()
print(seen)
"""

BESIDE_OPENTELEMETRY = """
import sys, baggage, pika
from opentelemetry import baggage as theirs, context, trace
from opentelemetry.instrumentation.pika import PikaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
url, first = sys.argv[1:]
if first == "ours":
    baggage.instrument()
PikaInstrumentor().instrument()
baggage.instrument()
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
queue = channel.queue_declare("", exclusive=True).method.queue
seen, traces = [], []
def see(method, properties, body):
    traces.append(trace.get_current_span().get_span_context().trace_id)
    headers = {**properties.headers, "traceparent": ""}
    seen.append((sorted(headers.items()), baggage.unpack("tenant")))
def called(channel, *message):
    see(*message)
    channel.stop_consuming()
stale = theirs.set_baggage("causal", "STALE", theirs.set_baggage("n", "1"))
with trace.get_tracer("test").start_as_current_span("top") as top:
    with baggage.attached(baggage.Baggage().pack("tenant", "acme")):
        channel.basic_publish("", queue, b"one")
        # Theirs writes once more below a blocking channel: of us, what was known before.
        token = context.attach(trace.set_span_in_context(top, stale))
        channel.basic_publish("", queue, b"two", pika.BasicProperties(headers={"a": 1}))
        context.detach(token)
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue, called)
channel.start_consuming()
for message in channel.consume(queue, auto_ack=True):
    see(*message)
    break
channel.cancel()
assert set(traces) == {top.get_span_context().trace_id}
print(seen)
"""


class TestObjects(Blocking):
    """What an application publishes and gets."""

    def got(self, queue: str, *, auto_ack: bool = True) -> tuple[Any, Any, Any]:
        message: tuple[Any, Any, Any] = (None, None, None)
        while message[0] is None:
            message = self.channel.basic_get(queue, auto_ack=auto_ack)
        return message

    def test_properties_that_are_published_many_times_stay_as_they_are(self) -> None:
        orders, headers = self.destination(), {"x-theirs": 1, "nested": {"a": [1, None]}}
        shared = BasicProperties(content_type="text/plain", headers=headers, delivery_mode=2)
        before = copy.deepcopy(shared)
        workers = [Worker() for _ in range(3)]

        def publish(tenant: str) -> None:
            for _ in range(10):
                with self.request(tenant):
                    self.channel.basic_publish("", orders, tenant.encode(), shared)

        threads = [threading.Thread(target=publish, args=(tenant,)) for tenant in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert shared == before
        assert shared.headers is headers
        for _ in range(30):
            _, properties, body = self.got(orders)
            assert unpack("tenant") == (body.decode(),)
            assert properties == before
        for worker in workers:
            worker.stop()

    @pytest.mark.parametrize("headers", [None, {}, {"x-theirs": True}, {"baggage": {"kg": 20}}])
    @pytest.mark.parametrize("given", [True, False])
    def test_properties_that_come_are_as_they_were_published(
        self, headers: dict[str, Any] | None, given: bool
    ) -> None:
        orders = self.destination()
        published = BasicProperties(headers=headers) if given else None
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order", published)
        _, properties, _ = self.got(orders)
        expected = BasicProperties(headers=headers if given else None)
        assert properties == expected
        assert repr(properties) == repr(expected)
        assert vars(properties) == vars(expected)
        for copied in (copy.copy(properties), copy.deepcopy(properties)):
            assert copied == expected
        assert pickle.loads(pickle.dumps(properties)) == expected

    def test_a_header_of_that_name_with_other_things_in_it_is_left_alone(self) -> None:
        orders = self.destination()
        for theirs in ("20kg", {"kg": 20}, 20, b"20"):
            with self.request("acme"):
                properties = BasicProperties(headers={"baggage": theirs})
                self.channel.basic_publish("", orders, b"order", properties)
            _, properties, _ = self.got(orders)
            assert properties.headers == {"baggage": theirs}
            assert unpack("tenant") == ()

    def test_what_came_can_be_published_again_and_says_what_is_so_by_then(self) -> None:
        orders, others = self.destination(), self.destination()
        with self.request("first"):
            self.channel.basic_publish("", orders, b"order")
        _, properties, body = self.got(orders)
        with self.request("second"):
            self.channel.basic_publish("", others, body, properties)
        self.got(others)
        assert unpack("tenant") == ("second",)

    def test_a_text_is_published_as_ever(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.channel.basic_publish(exchange="", routing_key=orders, body="grün")
        assert self.got(orders)[2] == "grün".encode()

    def test_a_message_is_known_by_its_properties(self) -> None:
        orders = self.destination()
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.channel.basic_publish("", orders, b"order")
        _, first, _ = self.got(orders)
        _, second, _ = self.got(orders)
        self.channel.basic_get(orders)
        assert unpack("tenant") == ()
        for message in (first, (None, first, b"order")):
            with baggage.consuming(message):
                assert unpack("tenant") == ("a",)
        with baggage.consuming(first, second):
            assert sorted(map(str, unpack("tenant"))) == ["a", "b"]

    def test_an_exchange_is_a_part_of_the_operation(self) -> None:
        orders, exchange = self.destination(), unique("exchange")
        self.channel.exchange_declare(exchange, "topic", auto_delete=True)
        self.channel.queue_bind(orders, exchange, "order.*")
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        with self.request("acme"):
            self.channel.basic_publish(exchange, "order.new", b"order")
        self.got(orders)
        sent, taken = (crossed.call for crossed in recorder.begun)
        assert (sent.operation, taken.operation) == (f"{exchange}/order.new", orders)
        assert taken.arguments["routing_key"] == "order.new"

    def test_what_a_thread_has_the_connections_thread_publish_carries_what_it_knows(self) -> None:
        orders, own = self.destination(), branch()
        channel, connection = self.channel, self.channel.connection
        for tenant in ("a", "b"):

            def ask(tenant: str = tenant) -> None:
                with self.request(tenant):
                    connection.add_callback_threadsafe(
                        lambda: channel.basic_publish("", orders, tenant.encode())
                    )

            self.worker.do(ask)
        connection.process_data_events(0)
        assert branch() is own
        for _ in range(2):
            _, _, body = self.got(orders)
            assert unpack("tenant") == (body.decode(),)

    def test_exceptions_of_publishing_pass_and_nothing_is_left(self) -> None:
        recorder = self.recorded(Kind.PRODUCER)
        with self.request("acme"):
            confirmed = self.channel.connection.channel()
            confirmed.confirm_delivery()
            with pytest.raises(UnroutableError) as unroutable:
                confirmed.basic_publish("", unique("nobody"), b"order", mandatory=True)
            (returned,) = unroutable.value.messages
            assert (returned.body, returned.properties) == (b"order", BasicProperties())
            with pytest.raises(ChannelClosedByBroker, match="404"):
                confirmed.basic_publish(unique("nowhere"), "", b"order")
            with pytest.raises(TypeError):
                self.channel.basic_publish("")
            with pytest.raises(AttributeError):
                self.channel.basic_publish("", "nobody", b"order", {"headers": {}})
        outcomes = [crossed.outcome for crossed in recorder.ended]
        assert [type(outcome) for outcome in outcomes] == [Raised] * 3

    def test_a_short_frame_has_room_for_what_the_application_says(self) -> None:
        parameters = pika.URLParameters(self.url)
        parameters.frame_max = 4096
        orders = self.destination()
        with pika.BlockingConnection(parameters) as connection, self.request("acme"):
            pack("long", "x" * 3000)
            connection.channel().basic_publish("", orders, b"one")
            theirs = BasicProperties(headers={"x-theirs": "y" * 3900})
            connection.channel().basic_publish("", orders, b"two", theirs)
        assert self.got(orders)[2] == b"one"
        assert self.got(orders)[2] == b"two"

    # What becomes of messages

    def test_quorum_queues_say_how_often_a_message_came(self) -> None:
        orders, recorder = unique("quorum"), self.recorded(Kind.CONSUMER)
        self.channel.queue_declare(orders, durable=True, arguments={"x-queue-type": "quorum"})
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order")
        for _ in range(3):
            method, _, _ = self.got(orders, auto_ack=False)
            self.channel.basic_reject(method.delivery_tag)
        self.got(orders)
        assert [crossed.call.delivery for crossed in recorder.begun] == [1, 2, 3, 4]
        self.channel.queue_delete(orders)

    def test_flows_hear_that_a_message_was_rejected_for_good(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        for _ in range(3):
            self.channel.basic_publish("", orders, b"order")
        tags = [self.got(orders, auto_ack=False)[0].delivery_tag for _ in range(3)]
        self.channel.basic_nack(tags[2], multiple=True, requeue=False)
        self.channel.basic_get(orders)
        outcome = recorder.ended[-1].outcome
        assert isinstance(outcome, Raised)
        assert isinstance(outcome.error, Rejected)

    def test_a_channel_keeps_nothing_of_what_is_settled(self) -> None:
        orders = self.destination()
        for _ in range(4):
            self.channel.basic_publish("", orders, b"order")
        tags = [self.got(orders, auto_ack=False)[0].delivery_tag for _ in range(4)]
        self.channel.basic_ack(tags[0])
        self.channel.basic_ack(tags[2], multiple=True)
        inner: Any = self.channel._impl
        assert list(inner._baggage_state.unsettled) == tags[3:]
        self.channel.basic_nack(0, multiple=True)
        assert not inner._baggage_state.unsettled

    def test_flows_hear_that_all_is_delivered_again(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        self.channel.basic_publish("", orders, b"order")
        method, _, _ = self.got(orders, auto_ack=False)
        assert not method.redelivered
        self.channel.basic_recover(requeue=True)
        method, _, _ = self.got(orders)
        assert method.redelivered
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert isinstance(outcome.error, Requeued)

    def test_a_refused_message_comes_all_the_same(self) -> None:
        orders = self.destination()
        scripted = self.scripted(Kind.CONSUMER, Inject(Fault(FaultKind.REFUSED)))
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order")
        assert self.got(orders)[2] == b"order"
        assert unpack("tenant") == ("acme",)
        self.channel.basic_get(orders)
        assert scripted.saw[0].injected is None

    def test_a_generator_that_waits_in_vain_ends_the_message_before(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order")
        seen: list[object] = []
        for method, _, _ in self.channel.consume(orders, auto_ack=True, inactivity_timeout=0.05):
            if method is None and not seen:
                continue  # it's on its way
            seen.append((method is not None, unpack("tenant")))
            if method is None:
                break
        assert seen == [(True, ("acme",)), (False, ())]
        assert self.channel.cancel() == 0

    def test_to_cancel_ends_the_message(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order")
        for _ in self.channel.consume(orders, auto_ack=True):
            break
        assert unpack("tenant") == ("acme",)
        self.channel.cancel()
        assert branch() is None

    def test_a_generator_raises_what_it_would(self) -> None:
        self.channel.confirm_delivery()
        error = failure(lambda: next(self.channel.consume(unique("nobody"))))
        assert isinstance(error, ChannelClosedByBroker)

    def test_consumers_that_were_there_before_carry_as_well(self) -> None:
        ran = subprocess.run(
            [sys.executable, "-c", EARLY, self.url],
            env={**os.environ, "BAGGAGE_STRICT": "1", "BAGGAGE_METAAPPS": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert (ran.stdout, ran.stderr) == ("[(b'order', None, ('acme',))]\n", "")

    @pytest.mark.parametrize("first", ["ours", "theirs"])
    def test_it_works_beside_opentelemetrys_instrumentation(self, first: str) -> None:
        ran = subprocess.run(
            [sys.executable, "-c", BESIDE_OPENTELEMETRY, self.url, first],
            env={**os.environ, "BAGGAGE_STRICT": "1", "BAGGAGE_METAAPPS": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        one, two = [("traceparent", "")], [("a", 1), ("baggage", "n=1"), ("traceparent", "")]
        seen = [(one, ("acme",)), (two, ("acme",))]
        assert (ran.stdout, ran.stderr) == (f"{seen}\n", "")


class TestReplies(Blocking):
    """Calls over a queue for replies, as RabbitMQ's tutorial has them."""

    def serve(self, queue: str) -> None:
        """Answer one call."""

        def called(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            pack(TOTAL, 1)
            reply = BasicProperties(correlation_id=properties.correlation_id)
            channel.basic_publish("", properties.reply_to, body.upper(), reply)
            channel.basic_ack(method.delivery_tag)
            channel.stop_consuming()

        self.channel.basic_consume(queue, called)
        self.channel.start_consuming()

    def call(self, queue: str, replies: str, body: bytes) -> None:
        properties = BasicProperties(reply_to=replies, correlation_id=unique("call"))
        self.channel.basic_publish("", queue, body, properties)

    @pytest.mark.parametrize("direct", [True, False])
    def test_a_reply_joins_the_request_that_waits_for_it(self, direct: bool) -> None:
        orders, heard = self.destination(), list[bytes]()
        replies = "amq.rabbitmq.reply-to" if direct else self.destination()
        self.channel.basic_consume(replies, lambda *reply: heard.append(reply[3]), auto_ack=True)
        with self.request("acme") as arrival:
            for _ in range(2):
                heard.clear()
                self.call(orders, replies, b"order")
                self.worker.do(lambda: self.serve(orders))
                while not heard:
                    self.channel.connection.process_data_events(1)
                assert heard == [b"ORDER"]
            assert branch() is arrival.branch
            assert unpack(TOTAL) == (2,)

    def test_a_reply_that_another_thread_takes_joins_the_request_that_waits_for_it(self) -> None:
        orders, replies = self.destination(), self.destination()
        known: list[object] = []
        with self.request("acme"):
            running = branch()
            assert running is not None
            self.call(orders, replies, b"order")
            self.worker.do(lambda: self.serve(orders))

            def called(channel: Any, *_: Any) -> None:
                known.append(running.unpack(TOTAL))
                channel.stop_consuming()

            def listen() -> None:
                self.channel.basic_consume(replies, called, auto_ack=True)
                self.channel.start_consuming()

            self.other.do(listen)
            assert known == [(1,)]
            assert unpack(TOTAL) == (1,)

    def test_a_reply_of_a_stranger_with_that_id_joins_nothing(self) -> None:
        orders, replies = self.destination(), self.destination()
        with self.request("mine"):
            self.call(orders, replies, b"order")
            _, properties, _ = next(self.channel.consume(orders, auto_ack=True))
            assert properties is not None
            name = properties.correlation_id
            self.channel.cancel()

            def answer() -> None:
                with self.request("theirs"):
                    reply = BasicProperties(correlation_id=name)
                    self.channel.basic_publish("", replies, b"forged", reply)

            self.other.do(answer)
            heard: list[Taken] = []
            self.channel.basic_consume(
                replies, lambda *reply: heard.append(Taken(reply[3])), auto_ack=True
            )
            while not heard:
                self.channel.connection.process_data_events(1)
            assert unpack("tenant") == ("mine",)

    def test_who_calls_over_a_queue_does_the_same_without_us(self) -> None:
        self.switch.on = False
        orders, replies = self.destination(), self.destination()
        self.call(orders, replies, b"order")
        assert outcome_of(lambda: self.worker.do(lambda: self.serve(orders))) is None
        _, _, body = next(self.channel.consume(replies, auto_ack=True))
        assert body == b"ORDER"


def test_whoever_waits_for_replies_that_never_come_is_forgotten_some_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_pika_state, "MOST_WAITING", 2)
    waiting, running = Waiting(), Branch()
    for name in "abab":
        waiting.expect(name, running)
    assert [waiting.get(name) for name in "ab"] == [running, running]
    waiting.expect("c", running)
    assert [waiting.get(name) for name in "abc"] == [None, running, running]
    waiting.forget("b")
    del running
    assert [waiting.get(name) for name in "bc"] == [None, None]


def test_a_queue_that_nobody_pulls_from_any_more_is_forgotten() -> None:
    state = State()
    source = state.source("replies")
    assert state.source("replies") is source
    del source
    assert not state.sources


def test_a_mock_is_no_wrapper_of_ours() -> None:
    assert not _wraps_ours(Mock())
