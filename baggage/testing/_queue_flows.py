"""What meta-applications see of messages, and when a message ends."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from baggage.boundary import PROCEED, Directive, Fault, FaultKind, Inject, Kind, Policy, Proceed
from baggage.boundary.homing import collect
from baggage.context import branch, pack, suppressed, unpack
from baggage.testing._queue import QueueBase
from baggage.testing.spawn import DOWN, HOME
from baggage.testing.suite import HERE, failure


class QueueFlows(QueueBase):
    """How a message ends, and what flows see and do."""

    # How a message ends

    def test_a_message_ends_when_the_worker_asks_for_the_next_one(self) -> None:
        queue, recorder = self.queue(), self.recorded(Kind.CONSUMER)
        with self.request("acme"):
            self.put(queue, 1)
        self.worker.do(lambda: self.get(queue))
        assert recorder.ended == []
        assert isinstance(failure(lambda: self.worker.do(lambda: self.get(queue))), self.empty)
        assert [crossed.outcome is not None for crossed in recorder.ended] == [True]
        assert self.worker.do(branch) is None

    def test_a_message_ends_when_the_worker_says_that_it_is_done(self) -> None:
        queue, recorder = self.queue(), self.recorded(Kind.CONSUMER)
        with self.request("acme"):
            self.put(queue, 1)
        self.worker.do(lambda: (self.get(queue), self.done(queue)))
        assert len(recorder.ended) == 1
        assert self.worker.do(branch) is None

    def test_a_message_ends_with_its_worker(self) -> None:
        queue, recorder = self.queue(), self.recorded(Kind.CONSUMER)
        with self.request("acme"):
            self.put(queue, 1)
        self.worker.do(lambda: self.get(queue))
        self.worker.stop()
        recorder.wait(lambda it: len(it.ended) == 1)
        assert recorder.ended[0].outcome is not None

    def test_nothing_leaks_after_an_exception_in_the_consumer(self) -> None:
        queue = self.queue()
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.put(queue, tenant)
        error = LookupError("the consumer's own")

        def work() -> None:
            self.get(queue)
            raise error

        assert failure(lambda: self.worker.do(work)) is error
        assert self.tenants(queue) == ("b",)

    # What meta-applications see and do

    def test_both_sides_are_crossings_of_the_same_place(self) -> None:
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        queue = self.queue()
        with self.request("acme"):
            self.put(queue, 1)
        self.worker.do(lambda: (self.get(queue), self.done(queue)))
        sent, taken = (crossed.call for crossed in recorder.ended)
        assert (sent.kind, taken.kind) == (Kind.PRODUCER, Kind.CONSUMER)
        assert (sent.operation, sent.site) == (taken.operation, taken.site)
        assert sent.operation == type(queue).__name__
        assert sent.site.module == type(self).__module__
        assert (sent.source, taken.source) == (HERE, HERE)
        assert recorder.begun[1].carried.unpack("tenant") == ("acme",)

    def test_what_a_flow_changes_at_the_put_is_for_the_consumer_alone(self) -> None:
        self.scripted(Kind.PRODUCER, Proceed(down={DOWN: "consumer's"}))
        queue = self.queue()
        with self.request("acme"):
            pack(DOWN, "producer's")
            self.put(queue, 1)
            assert unpack(DOWN) == ("producer's",)
        self.worker.do(lambda: self.get(queue))
        assert self.worker.do(lambda: unpack(DOWN)) == ("consumer's",)

    def test_what_a_flow_changes_at_the_get_shows_in_the_consumer(self) -> None:
        self.scripted(Kind.CONSUMER, Proceed(down={DOWN: "get's"}))
        queue = self.queue()
        self.put(queue, 1)
        self.worker.do(lambda: self.get(queue))
        assert self.worker.do(lambda: unpack(DOWN)) == ("get's",)

    def test_a_fault_at_the_put_that_cannot_be_enacted_leaves_the_item(self) -> None:
        scripted = self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.REFUSED)))
        queue = self.queue()
        with self.request("acme"):
            self.put(queue, 1)
        assert self.worker.do(lambda: self.get(queue)) == 1
        assert scripted.saw[0].injected is None

    def test_a_message_that_is_dropped_is_put_for_all_that_its_producer_sees(self) -> None:
        drop = Fault(FaultKind.DROP)
        recorder = self.recorded(Kind.CONSUMER)
        scripted = self.scripted(Kind.PRODUCER, Inject(drop))
        queue = self.queue()
        with self.request("acme") as arrival:
            self.put(queue, 1)
            assert scripted.saw[0].injected == drop
            assert arrival.branch.alone
            self.boundary.unregister(scripted.name)
            self.put(queue, 2)
        assert self.worker.do(lambda: self.get(queue)) == 2
        assert isinstance(failure(lambda: self.worker.do(lambda: self.get(queue))), self.empty)
        assert len(recorder.begun) == 1
        self.done(queue)
        with pytest.raises(ValueError):  # noqa: PT011 - any library's words
            self.done(queue)

    def test_a_message_that_is_duplicated_is_taken_twice_each_in_a_branch_of_its_own(self) -> None:
        duplicate = Fault(FaultKind.DUPLICATE)
        scripted = self.scripted(Kind.PRODUCER, Inject(duplicate, Proceed(down={DOWN: "both's"})))
        queue = self.queue()
        with self.request("acme") as arrival:
            self.put(queue, 1)
            for worker, home in ((self.worker, "first"), (self.other, "second")):
                assert worker.do(lambda: self.get(queue)) == 1
                assert worker.do(lambda: (unpack("tenant"), unpack(DOWN))) == (
                    ("acme",),
                    ("both's",),
                )
                worker.do(lambda home=home: pack(HOME, home))  # type: ignore[misc]
                worker.do(lambda: self.done(queue))
            collect(arrival.branch)
            assert sorted(unpack(HOME)) == ["first", "second"]
        assert scripted.saw[0].injected == duplicate
        assert isinstance(failure(lambda: self.get(queue)), self.empty)

    def test_a_message_is_duplicated_only_where_there_is_room_for_two(self) -> None:
        scripted = self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.DUPLICATE)))
        queue = self.queue(1)
        with self.request("acme"):
            self.put(queue, 1)
        assert self.worker.do(lambda: self.get(queue)) == 1
        assert isinstance(failure(lambda: self.get(queue)), self.empty)
        assert scripted.saw[0].injected is None

    def test_what_is_taken_and_done_is_what_faults_leave_of_what_was_put(self) -> None:
        asked: list[FaultKind | None] = []

        def first(_: object) -> Directive:
            kind = asked.pop(0)
            return PROCEED if kind is None else Inject(Fault(kind))

        self.scripted(Kind.PRODUCER, first)
        times = {None: 1, FaultKind.DROP: 0, FaultKind.DUPLICATE: 2}
        for kinds in product(times, repeat=3):
            queue = self.queue()
            asked[:] = kinds
            with self.request("acme"):
                for number, _ in enumerate(kinds):
                    self.put(queue, number)
            left = [number for number, kind in enumerate(kinds) for _ in range(times[kind])]
            taken = [self.worker.do(lambda queue=queue: self.get(queue)) for _ in left]  # type: ignore[misc]
            assert taken == left
            assert isinstance(failure(lambda queue=queue: self.get(queue)), self.empty)  # type: ignore[misc]
            for _ in left:
                self.done(queue)
            with pytest.raises(ValueError):  # noqa: PT011 - any library's words
                self.done(queue)

    @pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.DUPLICATE])
    def test_a_message_that_came_is_neither_dropped_nor_duplicated(self, kind: FaultKind) -> None:
        scripted = self.scripted(Kind.CONSUMER, Inject(Fault(kind)))
        queue = self.queue()
        with self.request("acme"):
            self.put(queue, 1)
        assert self.worker.do(lambda: self.get(queue)) == 1
        self.worker.do(lambda: self.done(queue))
        assert scripted.saw[0].injected is None

    def test_a_slow_message_is_handed_over_at_once(self) -> None:
        slow = Fault(FaultKind.DELAY, seconds=3600)
        scripted = self.scripted(Kind.PRODUCER, Inject(slow))
        with self.request("acme"):
            self.put(self.queue(), 1)
        assert scripted.saw[0].injected == slow

    @pytest.mark.parametrize("kind", [Kind.PRODUCER, Kind.CONSUMER])
    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    def test_a_meta_application_that_fails_is_isolated(
        self, kind: Kind, script: dict[str, Any]
    ) -> None:
        self.boundary.configure(Policy(service=HERE))
        self.scripted(kind, **script)
        queue = self.queue()
        with self.request("acme"):
            self.put(queue, 1)
        assert self.tenants(queue) == ("acme",)
        self.worker.do(lambda: self.done(queue))

    def test_what_a_meta_application_puts_is_its_own_affair(self) -> None:
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        queue = self.queue()
        with self.request("acme"), suppressed():
            self.put(queue, 1)
        assert self.tenants(queue) == ()
        with self.request("acme"):
            self.put(queue, 2)
        with suppressed():
            muted = branch()
            assert self.get(queue) == 2
            assert branch() is muted
        assert len(recorder.begun) == len(recorder.ended) == 2
