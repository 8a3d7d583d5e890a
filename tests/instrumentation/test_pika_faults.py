"""Faults of pika are what publishing really raises, and befall one message alone."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pika
import pytest
from pika import spec
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosed,
    ChannelWrongStateError,
    DuplicateGetOkCallback,
)
from pika.frame import Method

from baggage.boundary import Fault, FaultKind, Inject, Kind
from baggage.context import unpack
from baggage.testing.suite import chain, failure
from tests.brokers import unique
from tests.instrumentation.channels import Blocking
from tests.instrumentation.test_pika_asynchronous import Asynchronous

SHUTDOWN = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"


class Wire:
    """A way to the broker that can break."""

    def __init__(self, url: str) -> None:
        self.parameters = pika.URLParameters(url)
        self.listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def connect(self) -> BlockingChannel:
        broker = self.parameters.host, self.parameters.port
        self.broker = socket.create_connection(broker)
        parameters = self.parameters
        parameters.host, parameters.port = self.listening.getsockname()
        self.connection = pika.BlockingConnection(parameters)
        channel = self.connection.channel()
        channel.confirm_delivery()  # so that it hears of what happens
        return channel

    def reset(self) -> None:
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.broken.set()
        # Whoever reads from it holds it open.
        self.broker.shutdown(socket.SHUT_RDWR)
        self.ended.wait(300)
        self.client.close()

    def shut_down(self) -> None:
        self.client.sendall(Method(0, spec.Connection.Close(320, SHUTDOWN, 0, 0)).marshal())

    def close(self) -> None:
        if self.connection.is_open:
            self.connection.close()
        self.listening.shutdown(socket.SHUT_RDWR)
        for end in (self.listening, self.broker, self.client):
            end.close()

    def _serve(self) -> None:
        self.client, _ = self.listening.accept()
        self.ended, self.broken = threading.Event(), threading.Event()
        threading.Thread(target=self._pump, args=(self.client, self.broker), daemon=True).start()
        self._pump(self.broker, self.client)
        self.ended.set()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := source.recv(65536):
                sink.sendall(some)


def by_reset(wire: Wire, channel: Any) -> None:
    wire.reset()


def by_shutdown(wire: Wire, channel: Any) -> None:
    wire.shut_down()


def by_silence(wire: Wire, channel: Any) -> None:
    channel.connection._impl._heartbeat_checker._close_connection()


def by_a_full_broker(wire: Wire, channel: Any) -> None:
    channel.connection._impl._on_blocked_connection_timeout()


def by_a_closed_channel(wire: Wire, channel: Any) -> None:
    channel.close()


def by_nothing(wire: Wire, channel: Any) -> None:
    pass


def raises(name: str) -> Fault:
    return Fault(FaultKind.RAISE, name=f"pika.exceptions.{name}")


REAL = [
    (Fault(FaultKind.RESET), by_reset),
    (Fault(FaultKind.REFUSED), by_shutdown),
    (Fault(FaultKind.TIMEOUT), by_silence),
    (raises("ConnectionBlockedTimeout"), by_a_full_broker),
    (raises("ChannelWrongStateError"), by_a_closed_channel),
]
EVERY = [fault for fault, _ in REAL] + [
    raises(name)
    for name in (
        *("AMQPConnectionError", "ConnectionClosed", "ConnectionClosedByBroker"),
        *("StreamLostError", "AMQPHeartbeatTimeout"),
        *("ChannelClosedByBroker", "NackError", "UnroutableError"),
    )
]


def told(error: BaseException) -> object:
    return chain(error), error.args, str(error), repr(error), error.__context__, vars(error)


class TestFaults(Blocking):
    """What a producer gets."""

    def failed(self, fault: Fault, channel: Any, *message: Any, **options: Any) -> BaseException:
        scripted = self.scripted(Kind.PRODUCER, Inject(fault))
        with self.request("acme"):
            error = failure(lambda: channel.basic_publish(*message, **options))
        self.boundary.unregister(scripted.name)
        assert scripted.saw[0].injected == fault
        return error

    @pytest.mark.parametrize(
        ("fault", "come_true"), REAL, ids=lambda each: getattr(each, "__name__", str(each))
    )
    def test_a_connection_fails_as_a_real_one(
        self, fault: Fault, come_true: Callable[[Wire, Any], None]
    ) -> None:
        with contextlib.closing(Wire(self.url)) as wire:
            channel = wire.connect()
            come_true(wire, channel)
            real = failure(lambda: channel.basic_publish("", "x", b"order"))
        injected = self.failed(fault, self.channel, "", "x", b"order")
        assert told(injected) == told(real)

    def test_a_message_that_no_queue_takes_fails_as_a_real_one(self) -> None:
        channel: Any = self.channel.connection.channel()
        channel.confirm_delivery()
        message = ("", unique("nobody"), b"order", pika.BasicProperties(headers={"x-theirs": "1"}))
        real: Any = failure(lambda: channel.basic_publish(*message, mandatory=True))
        injected: Any = self.failed(raises("UnroutableError"), channel, *message, mandatory=True)
        assert (type(injected), injected.args) == (type(real), real.args)
        for one, other in zip(injected.messages, real.messages, strict=True):
            assert (one.method, one.properties, one.body) == (
                *(other.method, other.properties, other.body),
            )

    def test_an_exchange_that_is_not_there_fails_as_a_real_one(self) -> None:
        channel, exchange = self.channel.connection.channel(), unique("nowhere")
        channel.confirm_delivery()
        fault = raises("ChannelClosedByBroker")
        injected = self.failed(fault, channel, exchange, "x", b"order")
        real = failure(lambda: channel.basic_publish(exchange, "x", b"order"))
        assert isinstance(real, ChannelClosed)
        assert told(injected) == told(real)

    @pytest.mark.parametrize("fault", EVERY, ids=str)
    def test_a_message_that_failed_never_comes_and_the_next_one_does(self, fault: Fault) -> None:
        orders = self.destination()
        self.failed(fault, self.channel, "", orders, b"failed")
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order")
        _, _, body = next(self.channel.consume(orders, auto_ack=True))
        assert (body, unpack("tenant")) == (b"order", ("acme",))

    @pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.TIMEOUT])
    def test_a_message_may_come_though_its_producer_hears_nothing(self, kind: FaultKind) -> None:
        orders = self.destination()
        error = self.failed(Fault(kind, late=True), self.channel, "", orders, b"order")
        assert isinstance(error, AMQPConnectionError)
        next(self.channel.consume(orders, auto_ack=True))
        assert unpack("tenant") == ("acme",)

    @pytest.mark.parametrize(
        "fault",
        [
            *(Fault(FaultKind.CANCELLED), Fault(FaultKind.BODY, body=b"")),
            *(raises("NoSuchError"), raises("DuplicateConsumerTag")),
            Fault(FaultKind.RAISE, name="builtins.OSError"),
        ],
        ids=str,
    )
    def test_what_pika_does_not_know_leaves_the_message(self, fault: Fault) -> None:
        orders = self.destination()
        scripted = self.scripted(Kind.PRODUCER, Inject(fault))
        with self.request("acme"):
            self.channel.basic_publish("", orders, b"order")
        assert scripted.saw[0].injected is None
        next(self.channel.consume(orders, auto_ack=True))
        assert unpack("tenant") == ("acme",)

    def test_a_dropped_message_on_a_closed_channel_fails(self) -> None:
        channel = self.channel.connection.channel()
        channel.close()
        error = self.failed(Fault(FaultKind.DROP), channel, "", "x", b"order")
        assert isinstance(error, ChannelWrongStateError)

    def test_a_confirmed_message_can_be_dropped_and_doubled(self) -> None:
        orders, channel = self.destination(), self.channel.connection.channel()
        channel.confirm_delivery()
        for number, kind in enumerate((FaultKind.DROP, FaultKind.DUPLICATE, FaultKind.DROP)):
            scripted = self.scripted(Kind.PRODUCER, Inject(Fault(kind)))
            with self.request("acme"):
                channel.basic_publish("", orders, str(number).encode(), mandatory=True)
            self.boundary.unregister(scripted.name)
        channel.basic_publish("", orders, b"end")
        comes = channel.consume(orders, auto_ack=True)
        assert [next(comes)[2] for _ in range(3)] == [b"1", b"1", b"end"]


class TestAsynchronousFaults(Asynchronous):
    """What a producer gets who waits for nothing."""

    def publishes(self, fault: Fault, destination: str) -> Any:
        scripted = self.scripted(Kind.PRODUCER, Inject(fault))
        try:
            with self.request("acme"):
                self.publish(destination)
            return scripted.saw[0].injected
        finally:
            self.boundary.unregister(scripted.name)

    def test_a_channel_is_closed_and_nothing_else(self) -> None:
        orders = self.destination()
        error = failure(lambda: self.publishes(Fault(FaultKind.REFUSED), orders))
        assert isinstance(error, ChannelWrongStateError)
        assert error.args == ("Channel is closed.",)
        for fault in (Fault(FaultKind.TIMEOUT), raises("NackError")):
            assert self.publishes(fault, orders) is None

    def test_who_counts_confirmations_goes_on_counting_right(self) -> None:
        orders, confirmed = self.destination(), SimpleQueue[int]()
        channel, ready = self.publishing.channel, SimpleQueue[None]()

        def count(frame: Any) -> None:
            first = confirmed_so_far[-1] + 1 if frame.method.multiple else frame.method.delivery_tag
            for tag in range(first, frame.method.delivery_tag + 1):
                confirmed_so_far.append(tag)
                confirmed.put(tag)

        confirmed_so_far = [0]
        self.publishing.do(
            lambda: channel.confirm_delivery(count, callback=lambda _: ready.put(None))
        )
        ready.get(timeout=300)
        drop, duplicate = Fault(FaultKind.DROP), Fault(FaultKind.DUPLICATE)
        assert self.publishes(drop, orders) == drop
        assert self.publishes(duplicate, orders) is None
        self.publish(orders, b"end")
        assert [confirmed.get(timeout=300) for _ in range(3)] == [1, 2, 3]

        got: SimpleQueue[bytes] = SimpleQueue()
        consuming = self.consuming.channel

        def called(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            got.put(body)

        self.consuming.do(lambda: consuming.basic_consume(orders, called, auto_ack=True))
        assert [got.get(timeout=300) for _ in range(2)] == [b"some order", b"end"]

    def test_a_get_calls_back_in_the_context_of_its_message(self) -> None:
        orders, got = self.destination(), SimpleQueue[Any]()
        with self.request("acme"):
            self.publish(orders)
        channel = self.consuming.channel

        def called(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            got.put((body, unpack("tenant")))
            channel.basic_ack(method.delivery_tag)

        while got.empty():
            with contextlib.suppress(DuplicateGetOkCallback):
                self.consuming.do(lambda: channel.basic_get(orders, called))
        assert got.get(timeout=300) == (b"some order", ("acme",))
