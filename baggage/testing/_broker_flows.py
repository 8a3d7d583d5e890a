"""What meta-applications see of messages by brokers, and what they do to them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from baggage.boundary import (
    PROCEED,
    Directive,
    Fault,
    FaultKind,
    Inject,
    Interest,
    Kind,
    Policy,
    Proceed,
    Raised,
    Requeued,
    Returned,
    delivery_of,
)
from baggage.context import branch, current, pack, suppressed, unpack
from baggage.runtime.messaging import consuming
from baggage.testing._broker import BrokerBase
from baggage.testing.apps import Recorder
from baggage.testing.spawn import DOWN
from baggage.testing.suite import HERE, failure


class BrokerFlows(BrokerBase):
    """What flows see and do."""

    def test_both_sides_are_crossings(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        with self.request("acme"):
            self.publish(orders, headers={"x-theirs": "1"})
        self.work(orders, lambda: pack("n", 1))
        self.over(orders)
        recorder.wait(lambda it: len(it.ended) >= 2)
        sent, taken = recorder.ended[:2]
        assert (sent.call.kind, taken.call.kind) == (Kind.PRODUCER, Kind.CONSUMER)
        for crossed in (sent, taken):
            call = crossed.call
            assert call.operation == self.operation(orders)
            assert call.method
            assert (call.source, call.endpoint) == (HERE, self.endpoint())
            assert isinstance(crossed.outcome, Returned)
            assert crossed.carried.unpack("tenant") == ("acme",)
        assert sent.call.site.module == self.publish.__module__
        assert taken.call.arrived.get("x-theirs") == "1"
        assert taken.call.delivery in (0, 1)

    def test_payloads_are_told_apart(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        with self.request("acme"):
            for body in (b"one", b"two", b"one"):
                self.publish(orders, body)
        for _ in range(3):
            self.work(orders, lambda: None)
        for kind in (Kind.PRODUCER, Kind.CONSUMER):
            told = [crossed.call.payload for crossed in recorder.begun if crossed.call.kind is kind]
            if told[0] is not None:
                assert told[0] == told[2] != told[1]

    def test_a_message_ends_before_the_next_one_begins(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.publish(orders)
        self.work(orders, lambda: None)
        ended = self.work(orders, lambda: len(recorder.ended))
        assert ended == 1

    def test_what_a_flow_changes_at_the_producer_is_for_the_consumer_alone(self) -> None:
        self.scripted(Kind.PRODUCER, Proceed(down={DOWN: "consumer's"}))
        orders = self.destination()
        with self.request("acme"):
            pack(DOWN, "producer's")
            self.publish(orders)
            assert unpack(DOWN) == ("producer's",)
        assert self.work(orders, lambda: unpack(DOWN)) == ("consumer's",)

    def test_what_a_flow_changes_at_the_consumer_shows_there(self) -> None:
        self.scripted(Kind.CONSUMER, Proceed(down={DOWN: "shown"}))
        orders = self.destination()
        self.strange(orders)
        assert self.work(orders, lambda: unpack(DOWN)) == ("shown",)

    def test_foreign_headers_of_a_flow_arrive(self) -> None:
        self.scripted(Kind.PRODUCER, Proceed(headers={"x-theirs": "1"}))
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        with self.request("acme"):
            self.publish(orders)
        self.work(orders, lambda: None)
        assert recorder.begun[0].call.arrived.get("x-theirs") == "1"

    def test_a_fault_that_cannot_be_enacted_leaves_the_message(self) -> None:
        scripted = self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.STATUS, status=503)))
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
        assert self.tenants(orders) == ("acme",)
        assert scripted.saw[0].injected is None

    def test_a_message_that_is_dropped_never_comes_and_its_producer_does_not_notice(self) -> None:
        orders, drop = self.destination(), Fault(FaultKind.DROP)
        scripted = self.scripted(Kind.PRODUCER, Inject(drop))
        with self.request("acme"):
            dropped = self.publish(orders, b"dropped")
            self.boundary.unregister(scripted.name)
            published = self.publish(orders, b"published")
        assert scripted.saw[0].injected == drop
        assert type(dropped) is type(published)
        assert self.taken(orders).body == b"published"

    def test_a_message_that_is_duplicated_comes_twice_each_a_delivery_of_its_own(self) -> None:
        orders, duplicate = self.destination(), Fault(FaultKind.DUPLICATE)
        change = Proceed(down={DOWN: "both's"})
        scripted = self.scripted(Kind.PRODUCER, Inject(duplicate, change))
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        with self.request("acme"):
            published = self.publish(orders)
        assert scripted.saw[0].injected == duplicate
        for worker in (self.worker, self.other):
            assert self.work(orders, _leave_something, worker=worker) == ((1,), ("both's",))
        self.boundary.unregister(scripted.name)
        with self.request("next"):
            once = self.publish(orders)
        assert self.tenants(orders) == ("next",)
        assert type(published) is type(once)
        kinds = [crossed.call.kind for crossed in recorder.begun]
        assert (kinds.count(Kind.PRODUCER), kinds.count(Kind.CONSUMER)) == (2, 3)

    def test_what_is_taken_is_what_faults_leave_of_what_was_published(self) -> None:
        asked: list[FaultKind | None] = []

        def first(_: object) -> Directive:
            kind = asked.pop(0)
            return PROCEED if kind is None else Inject(Fault(kind))

        self.scripted(Kind.PRODUCER, first)
        orders = self.destination()
        times = {None: 1, FaultKind.DROP: 0, FaultKind.DUPLICATE: 2}
        for kinds in product(times, repeat=2):
            asked[:] = kinds
            left: list[str] = []
            for number, kind in enumerate(kinds):
                with self.request(f"tenant {number}"):
                    self.publish(orders)
                left += [f"tenant {number}"] * times[kind]
            assert [self.tenants(orders) for _ in left] == [(tenant,) for tenant in left]

    def test_a_slow_message_is_published_at_once(self) -> None:
        slow = Fault(FaultKind.DELAY, seconds=50)
        scripted = self.scripted(Kind.PRODUCER, Inject(slow))
        with self.request("acme"):
            self.publish(self.destination())
        assert scripted.saw[0].injected == slow

    def test_a_slow_message_comes(self) -> None:
        self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.DELAY, seconds=0.01)))
        self.boundary.register(Recorder(kinds=(Kind.CONSUMER,), asks=Interest.AROUND))
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
        assert self.tenants(orders) == ("acme",)

    @pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.DUPLICATE])
    def test_a_message_that_came_is_neither_dropped_nor_duplicated(self, kind: FaultKind) -> None:
        scripted = self.scripted(Kind.CONSUMER, Inject(Fault(kind)))
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
        assert self.tenants(orders) == ("acme",)
        self.over(orders)
        assert scripted.saw[0].injected is None

    def test_flows_hear_that_a_message_goes_back_and_that_it_came_again(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        with self.request("acme"):
            self.publish(orders)
        for again in (True, False):
            self.work(orders, lambda: None, again=again)
        recorder.wait(lambda it: len(it.begun) == 2 and len(it.ended) >= 1)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert isinstance(outcome.error, Requeued)
        assert [crossed.call.delivery for crossed in recorder.begun] in ([1, 2], [0, 0])

    def test_flows_hear_that_the_work_on_a_message_failed(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        with self.request("acme"):
            self.publish(orders)
        error = LookupError("the consumer's own")

        def work() -> None:
            raise error

        assert failure(lambda: self.work(orders, work)) is error
        recorder.wait(lambda it: it.ended)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is error

    def test_flows_hear_that_the_work_on_a_batch_failed(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.publish(orders)
        taken = [self.taken(orders).message for _ in range(2)]
        error = LookupError("the consumer's own")

        def work() -> None:
            with consuming(*taken):
                pack("left", "behind")
                raise error

        assert failure(lambda: self.worker.do(work)) is error
        self.over(orders)
        assert self.worker.do(lambda: unpack("left")) == ()
        if all(map(delivery_of, taken)):  # or else they are known by their headers alone
            outcomes = [crossed.outcome for crossed in recorder.ended]
            failed = [each for each in outcomes if isinstance(each, Raised)]
            assert [each.error for each in failed] == [error, error]

    @pytest.mark.parametrize("kind", [Kind.PRODUCER, Kind.CONSUMER])
    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    def test_a_meta_application_that_fails_is_isolated(
        self, kind: Kind, script: dict[str, Any]
    ) -> None:
        self.boundary.configure(Policy(service=HERE))
        self.scripted(kind, **script)
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
        assert self.tenants(orders) == ("acme",)
        self.over(orders)

    def test_what_a_meta_application_publishes_is_its_own_affair(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.PRODUCER)
        with self.request("acme"), suppressed():
            self.publish(orders)
        assert self.work(orders, lambda: current().keys()) == ()
        assert recorder.begun == []

    def test_what_a_meta_application_consumes_is_its_own_affair(self) -> None:
        orders, recorder = self.destination(), self.recorded(Kind.CONSUMER)
        if not self.here:
            return
        with self.request("acme"):
            self.publish(orders)
        with suppressed():
            muted = branch()
            self.consume(orders, lambda _: pack("n", 1))
            assert branch() is muted
        assert recorder.begun == []


def _leave_something() -> tuple[tuple[object, ...], tuple[object, ...]]:
    pack("n", 1)
    return unpack("n"), unpack(DOWN)
