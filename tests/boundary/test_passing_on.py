"""Workers that pass messages of a broker on, or loop over them again, and what they know then."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from baggage import enclose, opened
from baggage.boundary import Boundary, Fork, Kind, Policy, finish, remember
from baggage.boundary.blank import serve
from baggage.context import attached, current, ensure, pack, unpack
from baggage.instrumentation._looped import Looped
from baggage.testing.apps import Recorder
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.values import Baggage
from tests.boundary.test_publication import published, received

SPAWNING = ParcelAdapter(Kind.SPAWN)


@pytest.fixture
def boundary() -> Boundary:
    return Boundary(Policy(service="shop", strict=True))


@pytest.fixture(autouse=True)
def _worker() -> Iterator[None]:
    """End as a worker of a process does."""
    yield
    finish()


class Message(Parcel):
    """One that takes a note."""


def read(boundary: Boundary, tenant: str) -> Looped:
    (parcel,) = published(boundary, tenant=tenant)
    message = Message(parcel.headers)
    remember(message, received(boundary, parcel))
    return Looped([message], "orders")


def take(boundary: Boundary, tenant: str) -> None:
    (parcel,) = published(boundary, tenant=tenant)
    received(boundary, parcel).take(parcel)


def passed_on(boundary: Boundary, pool: ThreadPoolExecutor) -> tuple[Fork, Future[Any]]:
    fork = boundary.fork(SPAWNING, Parcel())
    assert fork is not None
    return fork, fork.start(lambda: pool.submit(fork.run, work))


def work() -> tuple[Any, ...]:
    pack("work", "done")
    return unpack("tenant")


def test_a_worker_that_waits_at_the_end_of_a_batch_stays_free_for_the_next(
    boundary: Boundary,
) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            passed = []
            for tenant in ("blue", "red"):
                take(boundary, tenant)
                passed.append(passed_on(boundary, pool))
            finish()
            for (fork, future), tenant in zip(passed, ("blue", "red"), strict=True):
                assert future.result() == (tenant,)
                fork.join()
            assert current().empty


def test_a_worker_that_waits_for_room_keeps_to_the_message_that_it_took_last(
    boundary: Boundary,
) -> None:
    with ThreadPoolExecutor(2) as pool:
        take(boundary, "blue")
        first, done = passed_on(boundary, pool)
        take(boundary, "red")
        done.result()
        first.join()
        assert (unpack("tenant"), unpack("work")) == (("red",), ())
        second, done = passed_on(boundary, pool)
        done.result()
        second.join()
        assert (unpack("tenant"), unpack("work")) == (("red",), ("done",))


def test_a_worker_joins_what_it_waits_for_in_the_request_of_its_message(boundary: Boundary) -> None:
    first, second = published(boundary, tenant="blue") * 2
    with ThreadPoolExecutor(2) as pool:
        received(boundary, first).take(first)
        fork, done = passed_on(boundary, pool)
        received(boundary, second).take(second)
        done.result()
        fork.join()
    assert unpack("work") == ("done",)


def test_who_waits_for_work_of_a_block_that_nobody_sent_knows_what_it_did(
    boundary: Boundary,
) -> None:
    with ThreadPoolExecutor(2) as pool:
        with attached(Baggage().pack("tenant", "blue")):
            fork, done = passed_on(boundary, pool)
        done.result()
        fork.join()
    assert unpack("work") == ("done",)


def test_what_a_worker_carries_for_itself_makes_no_request_of_it(boundary: Boundary) -> None:
    pack("region", "north")
    for tenant in ("blue", "red"):
        take(boundary, tenant)
        assert (unpack("tenant"), unpack("region")) == ((tenant,), ())
    finish()
    assert (unpack("tenant"), unpack("region")) == ((), ("north",))


def test_in_a_request_that_brought_nothing_messages_of_others_change_nothing(
    boundary: Boundary,
) -> None:
    (parcel,) = published(boundary, tenant="blue")

    def request() -> tuple[Any, ...]:
        pack("tenant", "green")
        received(boundary, parcel).take(parcel)
        return unpack("tenant")

    assert serve(boundary, request) == ("green",)
    assert current().empty


def test_envelopes_of_a_program_that_packed_something_are_opened_as_ever() -> None:
    ensure().pack("tenant", "green")
    with attached(Baggage().pack("tenant", "blue")):
        envelope = enclose("a job")
    with opened(envelope):
        assert unpack("tenant") == ("blue",)
    assert unpack("tenant") == ("green",)


def test_a_second_loop_over_the_same_messages_is_no_other_delivery(boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    messages = read(boundary, "blue")
    for _ in messages:
        pack("work", "done")
    assert [(unpack("tenant"), unpack("work")) for _ in messages] == [(("blue",), ("done",))]
    finish()
    assert len(recorder.ended) == 1, "it goes on with what it did before"


def test_a_loop_after_one_that_did_nothing_is_the_work_on_its_messages(boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    messages = read(boundary, "blue")
    assert [unpack("tenant") for _ in messages] == [("blue",)]
    for _ in messages:
        assert unpack("tenant") == ("blue",)
        assert len(recorder.begun) - len(recorder.ended) == 1
    finish()
