"""What travels with a message by a broker, and what comes of messages that come twice."""

from __future__ import annotations

from typing import Any

from baggage.boundary import Fault, FaultKind, Inject, Kind
from baggage.context import branch, current, pack, unpack
from baggage.runtime.messaging import consuming
from baggage.testing._broker import OURS, TOTAL, BrokerBase
from baggage.testing.hostile import GARBAGE
from baggage.testing.spawn import DOWN, FOUND


class BrokerCarries(BrokerBase):
    """What travels."""

    def test_a_consumer_knows_what_the_producer_knew(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
            pack("tenant", "later")
        assert self.tenants(orders) == ("acme",)

    def test_a_consumer_sees_each_messages_own_context_only(self) -> None:
        orders = self.destination()
        for tenant in ("a", "b", "c"):
            with self.request(tenant):
                self.publish(orders)
        for tenant in ("a", "b", "c"):
            assert self.work(orders, _leave_something) == ((tenant,), ("behind",))

    def test_a_message_of_an_uninstrumented_producer_has_an_empty_context(self) -> None:
        orders = self.destination()
        self.strange(orders)
        with self.request("acme"):
            self.publish(orders)
        self.strange(orders)
        seen = [self.work(orders, lambda: current().keys()) for _ in range(3)]
        assert seen == [(), ("tenant",), ()]

    def test_a_message_that_is_published_in_no_request_has_an_empty_context(self) -> None:
        orders = self.destination()
        self.publish(orders)
        assert self.work(orders, lambda: current().keys()) == ()
        assert branch() is None

    def test_headers_that_nobody_of_ours_has_written_harm_nothing(self) -> None:
        orders = self.destination()
        for garbage in GARBAGE:
            self.strange(orders, headers=dict.fromkeys(OURS, garbage))
        with self.request("acme"):
            self.publish(orders)
        for _ in GARBAGE:
            assert self.work(orders, lambda: unpack("tenant")) in ((), ("acme",))
        assert self.tenants(orders) == ("acme",)

    def test_what_is_too_long_to_travel_does_not_keep_a_message_back(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            pack("long", "x" * 100_000)
            self.publish(orders)
        assert self.work(orders, lambda: unpack("long")) == ()

    def test_two_workers_do_not_disturb_each_other(self) -> None:
        orders = self.destination()
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.publish(orders)
        assert self.tenants(orders) == ("a",)
        assert self.tenants(orders, self.other) == ("b",)

    def test_the_context_goes_on_from_consumer_to_consumer(self) -> None:
        first, second = self.destination(), self.destination()
        with self.request("acme"):
            self.publish(first)
        self.work(first, lambda: (pack("stage", 1), self.publish(second)))  # type: ignore[func-returns-value]
        seen = self.work(second, lambda: (unpack("tenant"), unpack("stage")), worker=self.other)
        assert seen == (("acme",), (1,))

    def test_foreign_members_of_the_header_go_on_from_consumer_to_consumer(self) -> None:
        first, second, third = (self.destination() for _ in range(3))
        with self.request("acme"):
            self.publish(first, headers={"baggage": "theirs=1"})
        self.work(first, lambda: self.publish(second))
        self.work(second, lambda: self.publish(third))
        assert self.work(third, lambda: (unpack("tenant"), current().foreign)) == (
            ("acme",),
            ("theirs=1",),
        )

    def test_foreign_members_of_a_strangers_message_go_on(self) -> None:
        first, second = self.destination(), self.destination()
        self.strange(first, headers={"baggage": "theirs=1"})
        self.work(first, lambda: self.publish(second))
        assert self.work(second, lambda: current().foreign) == ("theirs=1",)

    def test_a_down_key_arrives_and_does_not_come_home(self) -> None:
        orders, replies = self.destination(), self.destination()
        with self.request("acme"):
            pack(DOWN, "producer's")
            self.publish(orders)

            def work() -> tuple[object, ...]:
                seen = unpack(DOWN)
                pack(DOWN, "consumer's")
                self.publish(replies)
                return seen

            assert self.work(orders, work) == ("producer's",)
            self.consume(replies, lambda _: None)
            assert unpack(DOWN) == ("producer's",)

    def test_what_a_consumer_brings_home_goes_to_its_owner(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.SERVER)
        with self.request("acme"):
            pack(FOUND, "producer's")
            self.publish(orders)
            self.publish(orders)
        for n in (1, 2):
            assert self.work(orders, lambda n=n: (unpack(FOUND), pack(FOUND, n))) == ((), None)  # type: ignore[func-returns-value,misc]
        self.over(orders)
        recorder.wait(lambda it: len(it.lost) == 3)
        assert {value for _, value in recorder.lost} == {"producer's", 1, 2}

    # Messages that come twice, and several at once

    def test_a_message_that_comes_again_is_a_delivery_of_its_own(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
        for again in (True, False):
            assert self.work(orders, _leave_something, again=again) == (("acme",), ("behind",))

    def test_replies_are_joined_and_duplicates_count_exactly(self) -> None:
        orders, replies = self.destination(), self.destination()
        if not self.here:
            return
        self._duplicates()
        with self.request("acme") as arrival:
            pack(TOTAL, 5)
            self.publish(orders)
            for worker in (self.worker, self.other):
                self.work(orders, lambda: (pack(TOTAL, 1), self.publish(replies)), worker=worker)  # type: ignore[func-returns-value]
            # Each consumer's reply is duplicated as well.
            for _ in range(4):
                self.consume(replies, lambda _: None)
                assert branch() is arrival.branch
            assert unpack(TOTAL) == (7,)
            assert unpack("tenant") == ("acme",)

    def test_a_message_of_another_request_leaves_what_stands_here_alone(self) -> None:
        orders = self.destination()
        if not self.here:
            return
        with self.request("theirs"):
            self.publish(orders)
        with self.request("mine") as arrival:
            self.consume(orders, lambda _: None)
            assert branch() is arrival.branch
            assert unpack("tenant") == ("mine",)

    def test_a_batch_knows_what_all_of_its_messages_know(self) -> None:
        orders, batch = self.destination(), self._batch

        def work() -> tuple[Any, ...]:
            with consuming(*taken):
                return sorted(map(str, unpack("tenant"))), unpack(TOTAL)

        for tenant in ("a", "b", "c"):
            with self.request(tenant):
                pack(TOTAL, 1)
                self.publish(orders)
        taken = batch(orders, 3)
        assert self.worker.do(work) == (["a", "b", "c"], (3,))
        with self.request("next"):
            self.publish(orders)
        assert self.tenants(orders) == ("next",)

    def test_a_batch_of_duplicates_counts_each_message_once(self) -> None:
        orders = self.destination()
        self._duplicates()
        with self.request("acme"):
            pack(TOTAL, 3)
            self.publish(orders)
        taken = self._batch(orders, 2)

        def work() -> tuple[Any, ...]:
            with consuming(*taken):
                return unpack(TOTAL)

        assert self.worker.do(work) == (3,)

    def _batch(self, destination: str, count: int) -> list[object]:
        """Let the worker take messages and keep them."""
        return [self.taken(destination).message for _ in range(count)]

    def _duplicates(self) -> None:
        """Have each message published twice."""
        self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.DUPLICATE)))


def _leave_something() -> tuple[tuple[object, ...], tuple[object, ...]]:
    pack("left", "behind")
    return unpack("tenant"), unpack("left")
