"""What meta-applications see of messages, and when a message ends."""

from __future__ import annotations

from typing import Any

import pytest

from baggage.boundary import Fault, FaultKind, Inject, Kind, Policy, Proceed
from baggage.context import branch, pack, suppressed, unpack
from baggage.testing._queue import QueueBase
from baggage.testing.spawn import DOWN
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
