"""Messages by brokers: what a consumer knows, what flows make of them, and what comes back."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from contextvars import Context
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage import Sum, key
from baggage.boundary import (
    Boundary,
    Delivery,
    Fault,
    FaultKind,
    Inject,
    Interest,
    Kind,
    Policy,
    Raised,
    Returned,
    batch,
)
from baggage.boundary.publication import LONGEST_DELAY, Note
from baggage.context import Branch, attached, branch, pack, unpack
from baggage.testing.apps import Recorder, Scripted
from baggage.testing.parcel import Parcel, ParcelAdapter

PRODUCING = ParcelAdapter(Kind.PRODUCER)
CONSUMING = ParcelAdapter(Kind.CONSUMER)


@pytest.fixture
def boundary() -> Boundary:
    return Boundary(Policy(service="shop", strict=True))


def published(boundary: Boundary, **packed: Any) -> list[Parcel]:
    """Publish a parcel in a request of its own; return all that the broker has of it then."""
    lying: list[Parcel] = []
    with attached(Branch()):
        for name, value in packed.items():
            pack(name, value)
        publish(boundary, lying)
    return lying


def publish(boundary: Boundary, lying: list[Parcel]) -> None:
    parcel = Parcel()
    publication = boundary.publish(PRODUCING, parcel)
    assert publication is not None

    def put() -> None:
        lying.append(Parcel(dict(parcel.headers)))

    publication.send(put, put)


def received(boundary: Boundary, parcel: Parcel) -> Delivery:
    delivery = boundary.receive(CONSUMING, parcel)
    assert delivery is not None
    return delivery


def test_a_consumer_knows_what_the_producer_knew(boundary: Boundary) -> None:
    (parcel,) = published(boundary, tenant="blue")
    with received(boundary, parcel).opened():
        assert unpack("tenant") == ("blue",)
    assert branch() is None


def test_what_is_delivered_twice_counts_once(boundary: Boundary) -> None:
    total = key("test.total", type=Sum)
    (parcel,) = published(boundary, **{total.name: 3})
    results = [Parcel(), Parcel()]
    for result in results:
        delivery = received(boundary, parcel)
        with delivery.opened():
            pack("done", "once")
            delivery.answer(result)
    with attached(Branch()):
        for result in (*results, *results):
            boundary.bring_back(result)
        assert unpack("done") == ("once", "once"), "each of the two deliveries, however often read"


def test_an_answer_tells_whoever_reads_it_what_came_with_the_message(boundary: Boundary) -> None:
    (parcel,) = published(boundary, tenant="blue")
    delivery, result = received(boundary, parcel), Parcel()
    with delivery.opened():
        delivery.answer(result)
    with attached(Branch()):
        boundary.bring_back(result)
        assert unpack("tenant") == ("blue",)


def test_an_answer_of_who_knows_nothing_stays_as_it_is(boundary: Boundary) -> None:
    (parcel,) = published(boundary)
    delivery, result = received(boundary, parcel), Parcel()
    with delivery.opened():
        delivery.answer(result)
    assert not result.headers


def test_a_reply_of_the_same_request_joins_it(boundary: Boundary) -> None:
    lying: list[Parcel] = []
    with attached(Branch()):
        pack("tenant", "blue")
        publish(boundary, lying)
        with received(boundary, lying[0]).opened():
            pass
        replies: list[Parcel] = []
        with attached(Branch()) as elsewhere:
            with received(boundary, lying[0]).opened():
                pack("price", 7)
                publish(boundary, replies)
            assert branch() is elsewhere
        here = branch()
        received(boundary, replies[0]).take(None, "replies")
        assert branch() is here
        assert unpack("price") == (7,)
        assert unpack("tenant") == ("blue",)


def test_a_batch_knows_what_all_of_its_messages_know(boundary: Boundary) -> None:
    parcels = [published(boundary, tenant=name)[0] for name in ("blue", "red", "green")]
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    with batch([received(boundary, parcel) for parcel in parcels]):
        assert sorted(map(str, unpack("tenant"))) == ["blue", "green", "red"]
    assert branch() is None
    assert len(recorder.ended) == 3


def test_flows_know_what_goes_by_a_broker_and_what_is_taken_with_others(
    boundary: Boundary,
) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER, Kind.CONSUMER))
    boundary.register(recorder)
    parcels = [published(boundary)[0] for _ in range(2)]
    for together in (parcels[:1], parcels):
        with batch([received(boundary, parcel) for parcel in together]):
            pass
    calls = [crossed.call for crossed in recorder.ended]
    assert all(call.brokered for call in calls)
    assert [call.batched for call in calls] == [False, False, False, True, True]


def test_flows_hear_that_a_batch_failed(boundary: Boundary) -> None:
    parcels = [published(boundary)[0] for _ in range(2)]
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    with suppress(KeyError), batch([received(boundary, parcel) for parcel in parcels]):
        raise KeyError
    assert [type(crossed.outcome) for crossed in recorder.ended] == [Raised, Raised]


def test_a_message_does_not_hold_what_the_work_on_it_raised(boundary: Boundary) -> None:
    class Broken(Exception):
        """Weak references to it can be had."""

    (parcel,) = published(boundary, tenant="blue")
    delivery, errors = received(boundary, parcel), list[ref[Broken]]()

    def work() -> None:
        delivery.take(None, "orders")
        try:
            with batch([delivery]):
                raise Broken
        except Broken as error:
            errors.append(ref(error))

    gc.disable()
    try:
        Context().run(work)
        assert [error() for error in errors] == [None]
    finally:
        gc.enable()


def test_a_message_that_a_worker_stands_in_is_not_taken_again_and_ends_with_the_block(
    boundary: Boundary,
) -> None:
    parcels = [published(boundary, tenant=name)[0] for name in ("blue", "red")]
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    deliveries = [received(boundary, parcel) for parcel in parcels]

    def work() -> None:
        for taken in (deliveries[:1], deliveries):
            deliveries[0].take(None, "orders")
            here = branch()
            with suppress(KeyError), batch(taken):
                assert branch() is here
                assert len(unpack("tenant")) == len(taken)
                if len(taken) > 1:
                    raise KeyError
            assert branch() is None

    Context().run(work)
    assert [type(crossed.outcome) for crossed in recorder.ended] == [Returned, Raised, Raised]


def test_a_flow_that_fails_as_a_batch_begins_ends_the_others(boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    boundary.register(Scripted(ZeroDivisionError(), kinds=(Kind.CONSUMER,)))
    parcels = [published(boundary)[0] for _ in range(2)]
    with (
        pytest.raises(ZeroDivisionError),
        batch([received(boundary, parcel) for parcel in parcels]),
    ):
        pytest.fail("the block runs")
    assert branch() is None
    assert len(recorder.begun) == len(recorder.ended) == 1


@pytest.mark.parametrize(
    ("fault", "lie"),
    [
        (Fault(FaultKind.DUPLICATE), 2),
        (Fault(FaultKind.DELAY, seconds=0.001), 1),
        (Fault(FaultKind.DELAY, seconds=LONGEST_DELAY + 1), 1),
    ],
)
def test_a_broker_has_what_flows_make_of_a_message(
    boundary: Boundary, fault: Fault, lie: int
) -> None:
    boundary.register(Scripted(Inject(fault), kinds=(Kind.PRODUCER,)))
    parcels = published(boundary, tenant="blue")
    assert len(parcels) == lie
    for parcel in parcels:
        with received(boundary, parcel).opened():
            assert unpack("tenant") == ("blue",)


@pytest.mark.parametrize(("asks", "waits"), [(Interest.AROUND, True), (Interest.OBSERVE, False)])
def test_nobody_waits_for_a_message_but_where_things_are_let_fail(
    boundary: Boundary, asks: Interest, waits: bool
) -> None:
    parcel = Parcel({Note.HEADER: "delay=60000"})
    assert received(boundary, parcel).left == 0
    boundary.register(Recorder(kinds=(Kind.CONSUMER,), asks=asks))
    assert (received(boundary, parcel).left > 0) is waits


def test_a_task_waits_for_a_late_message(boundary: Boundary) -> None:
    delay = Inject(Fault(FaultKind.DELAY, seconds=0.003))
    boundary.register(Scripted(delay, kinds=(Kind.PRODUCER,)))
    boundary.register(Recorder(kinds=(Kind.CONSUMER,), asks=Interest.AROUND))
    (parcel,) = published(boundary, tenant="blue")
    assert Note.read(parcel).delay > 0

    async def work() -> None:
        async with received(boundary, parcel).aopened():
            assert unpack("tenant") == ("blue",)
        assert await received(boundary, parcel).atake("item", "stream") == "item"
        assert unpack("tenant") == ("blue",)

    asyncio.run(work())


def test_a_worker_leaves_one_message_for_the_next(boundary: Boundary) -> None:
    tenants: list[object] = []

    def work() -> None:
        for parcel in [published(boundary, tenant=name)[0] for name in ("blue", "red")]:
            received(boundary, parcel).take(None, "orders")
            tenants.append(unpack("tenant"))

    Context().run(work)
    assert tenants == [("blue",), ("red",)]


@given(st.text(max_size=80))
def test_a_note_reads_what_strangers_wrote(text: str) -> None:
    note = Note.read(Parcel({Note.HEADER: text}))
    assert len(note.request) in (0, 8)
    assert 0 <= note.delay <= LONGEST_DELAY


@given(st.binary(min_size=8, max_size=8), st.integers(0, 60_000))
def test_a_note_is_read_as_it_was_written(request: bytes, delay: int) -> None:
    parcel = Parcel()
    Note(request, delay / 1000).write(parcel)
    assert Note.read(parcel) == Note(request, delay / 1000)
