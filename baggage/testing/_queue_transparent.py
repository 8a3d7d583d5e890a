"""What an application sees of messages: nothing."""

from __future__ import annotations

import pytest

from baggage.boundary import Kind
from baggage.context import branch, enter, leave, unpack
from baggage.testing._queue import QueueBase
from baggage.testing.suite import failure, outcome_of


class QueueTransparent(QueueBase):
    """The application notices nothing."""

    def test_an_item_passes_as_the_same_object(self) -> None:
        queue, item = self.queue(), object()
        with self.request("acme"):
            self.put(queue, item)
        assert self.worker.do(lambda: self.get(queue)) is item

    def test_a_put_that_fails_leaves_nothing_behind(self) -> None:
        queue, recorder = self.queue(1), self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        with self.request("acme") as arrival:
            self.put(queue, 1)
            assert isinstance(failure(lambda: self.put(queue, 2)), self.full)
            self.worker.do(lambda: (self.get(queue), self.done(queue)))
            assert [crossed.call.kind for crossed in recorder.ended] == [
                *(Kind.PRODUCER, Kind.PRODUCER, Kind.CONSUMER)
            ]
            assert list(arrival.branch.release()) == []

    def test_a_get_that_fails_leaves_nothing_behind(self) -> None:
        queue = self.queue()
        assert isinstance(failure(lambda: self.worker.do(lambda: self.get(queue))), self.empty)
        assert self.worker.do(branch) is None

    @pytest.mark.parametrize("kind", ["queue", "stack", "heap"])
    def test_the_order_is_untouched_and_each_item_has_its_own_context(self, kind: str) -> None:
        items = [(3, "c"), (1, "a"), (2, "b"), (1, "a")]
        plain, carrying = getattr(self, kind)(), getattr(self, kind)()
        for item in items:
            token = enter(None)
            self.put(plain, item)
            leave(token)
            with self.request(item[1]):
                self.put(carrying, item)
        for _ in items:
            item = self.worker.do(lambda: self.get(carrying))
            assert item == self.get(plain)
            assert self.worker.do(lambda: unpack("tenant")) == (item[1],)

    def test_it_can_be_switched_off_and_on_again(self) -> None:
        queue = self.queue()
        seen: list[object] = []
        for on in (True, False, True):
            self.switch.on = on
            with self.request("acme"):
                self.put(queue, None)
            self.switch.on = True
            seen.append(self.tenants(queue))
        assert seen == [("acme",), (), ("acme",)]

    def test_what_was_taken_while_it_was_off_is_forgotten(self) -> None:
        queue = self.queue()
        with self.request("old"):
            self.put(queue, None)
        self.switch.on = False
        assert outcome_of(lambda: self.get(queue)) is None
        self.switch.on = True
        self.put(queue, None)
        assert self.tenants(queue) == ()
