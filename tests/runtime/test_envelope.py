"""Envelopes carry context where no instrumentation can."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

import baggage
from baggage.boundary import Kind, Raised
from baggage.context import branch
from baggage.runtime import PROCESS
from baggage.testing import Recorder
from baggage.testing.suite import failure


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder("envelopes", kinds=(Kind.PRODUCER, Kind.CONSUMER))
    PROCESS.register(recorder)
    yield recorder
    PROCESS.unregister("envelopes")


def test_a_simple_queue_carries_envelopes() -> None:
    channel: SimpleQueue[baggage.Envelope[str] | None] = SimpleQueue()
    seen: list[Any] = []

    def work() -> None:
        while (envelope := channel.get()) is not None:
            with baggage.opened(envelope) as item:
                seen.append((item, baggage.unpack("tenant")))
            assert branch() is None

    for tenant in ("a", "b"):
        with baggage.attached(baggage.Baggage().pack("tenant", tenant)):
            channel.put(baggage.enclose(tenant))
    channel.put(baggage.enclose("nobody's"))
    channel.put(None)
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [("a", ("a",)), ("b", ("b",)), ("nobody's", ())]


def test_a_reply_is_joined_once() -> None:
    replies: deque[baggage.Envelope[int]] = deque()
    with baggage.attached(baggage.Baggage().pack("n", 1)) as running:
        request = baggage.enclose("request")

        def work() -> None:
            with baggage.opened(request):
                baggage.pack("n", 2)
                replies.append(baggage.enclose(3))

        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        for _ in range(2):
            with baggage.opened(replies[0]) as reply:
                assert reply == 3
                assert branch() is running
        assert sorted(baggage.unpack("n"), key=repr) == [1, 2]


def test_both_sides_are_crossings(recorder: Recorder) -> None:
    error = LookupError("the application's own")

    def work() -> None:
        with baggage.opened(baggage.enclose(1)):
            raise error

    assert failure(work) is error
    sent, taken = recorder.ended
    assert (sent.call.library, sent.call.operation) == ("baggage", "enclose")
    assert sent.call.site.function.endswith("both_sides_are_crossings.<locals>.work")
    assert taken.call.kind is Kind.CONSUMER
    assert isinstance(taken.outcome, Raised)


def test_an_envelope_is_a_value() -> None:
    item = object()
    with baggage.attached(baggage.Baggage().pack("tenant", "acme")):
        enclosed = baggage.enclose(item)
    assert enclosed.item is item
    assert enclosed == baggage.enclose(item)
    assert len({enclosed, baggage.enclose(item)}) == 1
    assert copy.copy(enclosed) == enclosed
    assert repr(baggage.enclose(1)) == "Envelope(item=1)"
