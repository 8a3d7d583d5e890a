"""What travels with a message, and what becomes of it where it's taken."""

from __future__ import annotations

from baggage.boundary import Kind
from baggage.context import branch, current, enter, pack, unpack
from baggage.testing._queue import QueueBase
from baggage.testing.spawn import DOWN, FOUND


class QueueCarries(QueueBase):
    """What travels."""

    def test_a_consumer_knows_what_the_producer_knew(self) -> None:
        queue = self.queue()
        with self.request("acme"):
            self.put(queue, 1)
            pack("tenant", "later")
        assert self.tenants(queue) == ("acme",)

    def test_a_consumer_sees_each_messages_own_context_only(self) -> None:
        queue = self.queue()
        for tenant in ("a", "b", "c"):
            with self.request(tenant):
                self.put(queue, tenant)
        for tenant in ("a", "b", "c"):
            assert self.tenants(queue) == (tenant,)
            self.worker.do(lambda: pack("left", "behind"))
            assert self.worker.do(lambda: unpack("left")) == ("behind",)

    def test_equal_items_of_several_requests_are_not_mixed_up(self) -> None:
        queue = self.queue()
        self.put(queue, None)
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.put(queue, None)
        self.put(queue, None)
        with self.request("c"):
            self.put(queue, None)
        seen = [self.tenants(queue) for _ in range(5)]
        assert seen == [(), ("a",), ("b",), (), ("c",)]

    def test_equal_items_of_a_stack_come_back_the_last_one_first(self) -> None:
        stack = self.stack()
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.put(stack, None)
        assert [self.tenants(stack) for _ in range(2)] == [("b",), ("a",)]

    def test_a_warm_worker_starts_empty(self) -> None:
        queue = self.queue()
        with self.request("acme"):
            self.put(queue, 1)
        assert self.tenants(queue) == ("acme",)
        self.put(queue, 2)
        self.worker.do(lambda: self.get(queue))
        assert self.worker.do(lambda: current().keys()) == ()

    def test_two_workers_of_one_queue_do_not_disturb_each_other(self) -> None:
        queue = self.queue()
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.put(queue, tenant)
        assert self.tenants(queue) == ("a",)
        assert self.tenants(queue, worker=self.other) == ("b",)
        assert self.worker.do(lambda: unpack("tenant")) == ("a",)

    def test_a_worker_that_turns_to_another_queue_takes_that_messages_context(self) -> None:
        urgent, slow = self.queue(), self.queue()
        with self.request("a"):
            self.put(slow, 1)
            assert self.tenants(slow) == ("a",)
            with self.request("b"):
                self.put(urgent, 1)
            assert self.tenants(urgent) == ("b",)
            self.worker.do(lambda: self.done(urgent))
            assert self.worker.do(branch) is None

    def test_the_context_goes_on_from_queue_to_queue(self) -> None:
        first, second = self.queue(), self.queue()
        with self.request("acme"):
            self.put(first, 1)
            self.worker.do(lambda: (self.get(first), pack("stage", 1), self.put(second, 2)))  # type: ignore[func-returns-value]
            self.other.do(lambda: self.get(second))
            assert self.other.do(lambda: (unpack("tenant"), unpack("stage"))) == (("acme",), (1,))

    def test_a_reply_in_the_same_request_is_joined_once(self) -> None:
        queue, replies = self.queue(), self.queue()
        with self.request("acme") as arrival:
            for n in (1, 2):
                self.put(queue, n)
                self.worker.do(lambda: (self.get(queue), pack("n", 0)))  # type: ignore[func-returns-value]
                self.worker.do(lambda: self.put(replies, "reply"))
                assert self.get(replies) == "reply"
                assert branch() is arrival.branch
                assert unpack("n") == (0,) * n
            assert unpack("tenant") == ("acme",)

    def test_a_worker_of_the_request_itself_stays_in_its_branch(self) -> None:
        queue = self.queue()
        with self.request("acme") as arrival:
            theirs = arrival.branch.split()
            self.put(queue, 1)
            self.worker.do(lambda: enter(theirs))
            self.worker.do(lambda: self.get(queue))
            assert self.worker.do(branch) is theirs

    def test_a_worker_that_a_request_has_started_takes_each_messages_context(self) -> None:
        queue = self.queue()
        with self.request("first") as arrival:
            theirs = arrival.branch.split()
            self.worker.do(lambda: enter(theirs))
            self.put(queue, 1)
            assert self.tenants(queue) == ("first",)
            for tenant in ("second", "third"):
                with self.request(tenant):
                    self.put(queue, 2)
                assert self.tenants(queue) == (tenant,)
            self.put(queue, 3)
            assert self.tenants(queue) == ("first",)
            assert self.worker.do(branch) is theirs

    def test_a_branch_that_uses_a_pool_stays_where_it_is(self) -> None:
        pool = self.queue()
        with self.request("other"):
            for n in (1, 2):
                self.put(pool, f"made by another {n}")
        with self.request("mine") as arrival:
            self.put(pool, "made by me")
            theirs = arrival.branch.split()
            self.worker.do(lambda: enter(theirs))
            for _ in range(6):
                resource = self.worker.do(lambda: self.get(pool))
                assert self.worker.do(branch) is theirs
                self.worker.do(lambda resource=resource: self.put(pool, resource))  # type: ignore[misc]

    def test_a_worker_that_outlived_its_request_takes_the_next_ones_context(self) -> None:
        queue = self.queue()
        with self.request("old") as arrival:
            theirs = arrival.branch.split()
            self.worker.do(lambda: enter(theirs))
        with self.request("new"):
            self.put(queue, 1)
        assert self.tenants(queue) == ("new",)
        self.put(queue, 2)
        assert self.tenants(queue) == ()

    def test_a_pooled_resource_does_not_bring_another_requests_context(self) -> None:
        pool = self.stack()
        with self.request("a"):
            self.put(pool, "made by a")
        for tenant in ("b", "c"):
            with self.request(tenant) as arrival:
                resource = self.get(pool)
                assert branch() is arrival.branch
                assert unpack("tenant") == (tenant,)
                self.put(pool, resource)

    def test_to_give_back_what_was_borrowed_is_no_crossing(self) -> None:
        pool = self.stack()
        self.put(pool, None)
        recorder = self.recorded(Kind.PRODUCER)
        with self.request("a") as arrival:
            assert self.get(pool) is None
            self.put(pool, "connection")
            assert recorder.begun == []
            assert arrival.branch.release() == ()
            self.put(pool, "something else")
        assert len(recorder.begun) == 1

    def test_a_worker_that_uses_a_pool_keeps_its_messages_context(self) -> None:
        queue, pool = self.queue(), self.stack()
        self.put(pool, None)
        with self.request("acme"):
            self.put(queue, 1)
        assert self.tenants(queue) == ("acme",)
        self.worker.do(lambda: self.put(pool, self.get(pool)))
        assert self.worker.do(lambda: unpack("tenant")) == ("acme",)

    def test_a_down_key_arrives_and_does_not_come_home(self) -> None:
        queue, replies = self.queue(), self.queue()
        with self.request("acme"):
            pack(DOWN, "producer's")
            self.put(queue, 1)
            self.worker.do(lambda: self.get(queue))
            assert self.worker.do(lambda: unpack(DOWN)) == ("producer's",)
            self.worker.do(lambda: (pack(DOWN, "consumer's"), self.put(replies, 2)))  # type: ignore[func-returns-value]
            self.get(replies)
            assert unpack(DOWN) == ("producer's",)

    def test_a_home_key_comes_home_though_nobody_joins(self) -> None:
        queue, recorder = self.queue(), self.recorded(Kind.SERVER)
        with self.request("acme"):
            for _ in range(2):
                self.put(queue, 1)
            pack(FOUND, "producer's")
            for n in range(2):
                self.worker.do(lambda: self.get(queue))
                assert self.worker.do(lambda: unpack(FOUND)) == ()
                self.worker.do(lambda n=n: pack(FOUND, n))  # type: ignore[misc]
            self.worker.do(lambda: self.done(queue))
        recorder.wait(lambda it: len(it.lost) == 3)
        assert {value for _, value in recorder.lost} == {"producer's", 0, 1}

    def test_what_a_consumer_finds_after_the_request_goes_to_its_owner(self) -> None:
        queue, recorder = self.queue(), self.recorded(Kind.SERVER)
        with self.request("acme"):
            self.put(queue, 1)
        self.worker.do(lambda: (self.get(queue), pack(FOUND, "late"), self.done(queue)))  # type: ignore[func-returns-value]
        assert [value for _, value in recorder.lost] == ["late"]
