"""Messages: what becomes of them depends on where their taker stands."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, TypeVar

import pytest

from baggage.boundary import (
    Answer,
    Boundary,
    Inject,
    Kind,
    Message,
    MetaApp,
    Proceed,
    Raised,
    Returned,
    finish,
)
from baggage.boundary.homing import collect
from baggage.boundary.outcome import Fault, FaultKind
from baggage.context import Branch, attached, branch, pack, suppressed, unpack
from baggage.instrumentation._forking import ForkAdapter
from baggage.testing import Recorder, Scripted
from baggage.testing.suite import failure
from baggage.values import EMPTY
from tests.boundary.parts import DOWN, HOME, arrive, strict

ADAPTER = ForkAdapter("letters", "Letter", frozenset(), kind=Kind.PRODUCER)
FORK = ForkAdapter("strands", "Strand.start", frozenset())
BOTH = (Kind.PRODUCER, Kind.CONSUMER)
T = TypeVar("T")


def send(boundary: Boundary) -> Message:
    message = boundary.hand_over(ADAPTER, None)
    assert message is not None
    message.send(lambda: None)
    return message


def sent_by(tenant: str, boundary: Boundary) -> Message:
    with attached(EMPTY.pack("tenant", tenant)):
        return send(boundary)


def elsewhere(step: Callable[[], T]) -> T:
    """Take a step in a worker's context."""
    return Context().run(step)


def test_nothing_is_sent_where_nothing_is_carried_and_nobody_asks() -> None:
    assert strict().hand_over(ADAPTER, None) is None
    assert strict(Recorder(kinds=(Kind.SPAWN,))).hand_over(ADAPTER, None) is None
    with suppressed():
        assert strict(Recorder()).hand_over(ADAPTER, None) is None


def test_a_worker_that_nobody_behind_starts_sends_nothing_and_takes_everything() -> None:
    boundary = strict()
    message = sent_by("acme", boundary)
    fork = boundary.fork(FORK, None)
    assert fork is not None
    fork.start(lambda: None)

    def work() -> object:
        assert boundary.hand_over(ADAPTER, None) is None
        message.take(1)
        return unpack("tenant")

    assert elsewhere(lambda: fork.run(work)) == ("acme",)


def test_a_worker_that_carries_something_of_its_own_keeps_it() -> None:
    boundary = strict()
    message = sent_by("acme", boundary)

    def work() -> object:
        pack("tenant", "own")
        message.take(1)
        return unpack("tenant")

    assert elsewhere(work) == ("own",)


def test_the_scope_of_a_fork_ends_with_its_run() -> None:
    recorder = Recorder("test", kinds=BOTH)
    boundary = strict(recorder)
    message = sent_by("acme", boundary)
    fork = boundary.fork(FORK, None)
    assert fork is not None
    fork.start(lambda: None)
    context = Context()
    context.run(lambda: fork.run(lambda: message.take(1)))
    assert len(recorder.ended) == 2
    assert context.run(branch) is None


def test_a_scope_ends_for_its_own_channel_alone() -> None:
    message = sent_by("acme", strict())

    def work() -> list[object]:
        message.take(1, "one")
        seen: list[object] = []
        for channel in ("two", "one"):
            finish(channel)
            seen.append(unpack("tenant"))
        return seen

    assert elsewhere(work) == [("acme",), ()]


def test_another_scope_within_is_left_alone() -> None:
    message, other = (sent_by(tenant, strict()) for tenant in ("a", "b"))

    def work() -> object:
        message.take(1)
        with attached(EMPTY.pack("tenant", "own")):
            finish()
            other.take(2)
            assert unpack("tenant") == ("own",)
        return unpack("tenant")

    assert elsewhere(work) == ("a",)


def test_a_task_that_was_started_by_a_consumer_does_not_end_its_scope() -> None:
    message = sent_by("acme", strict())

    async def child() -> None:
        finish()

    async def work() -> object:
        message.take(1)
        await asyncio.create_task(child())
        return unpack("tenant")

    assert asyncio.run(work()) == ("acme",)


def test_a_thread_in_a_copy_of_a_consumers_context_does_not_end_its_scope() -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    message = sent_by("acme", strict(recorder))

    def work() -> object:
        message.take(1)
        thread = threading.Thread(target=copy_context().run, args=(finish,))
        thread.start()
        thread.join()
        assert recorder.ended == []
        return unpack("tenant")

    assert elsewhere(work) == ("acme",)


@pytest.mark.parametrize("channel", [None, "one"])
def test_a_scope_ends_with_its_context_without_the_collector(channel: object) -> None:
    recorder = Recorder("test", kinds=(Kind.CONSUMER,))
    message = send(strict(recorder))
    gc.disable()
    try:
        elsewhere(lambda: (message.take(1, channel), pack(HOME, "late")))  # type: ignore[func-returns-value]
        assert [crossed.outcome is not None for crossed in recorder.ended] == [True]
        assert recorder.lost == [("test.home", "late")]
    finally:
        gc.enable()


def test_a_scope_that_has_ended_holds_nothing() -> None:
    class Item:
        pass

    item, context = Item(), Context()
    gone = weakref.ref(item)
    message = sent_by("acme", strict(Recorder(kinds=BOTH)))
    context.run(message.take, item)
    context.run(finish)
    gc.disable()
    try:
        del item
        assert gone() is None
    finally:
        gc.enable()


def test_home_values_go_with_the_request_or_to_their_owner() -> None:
    recorder = Recorder("test", kinds=())
    boundary = strict(recorder)
    arrival = arrive(boundary)
    with arrival.scope():
        early, late = send(boundary), send(boundary)
    for message, value in ((early, "early"), (late, "late")):

        def work(message: Message = message, value: str = value) -> None:
            message.take(1)
            pack(HOME, value)
            finish()

        elsewhere(work)
        arrival.close()
    assert recorder.lost == [("test.home", "early"), ("test.home", "late")]


def test_a_broadcast_is_a_branch_for_each_who_takes_it() -> None:
    recorder = Recorder("test", kinds=())
    boundary = strict(recorder)
    with attached(EMPTY.pack("tenant", "acme")) as running:
        message = send(boundary)
    seen: list[Any] = []

    def work(value: int) -> None:
        message.take(1)
        pack(HOME, value)
        seen.append((unpack("tenant"), unpack(HOME)))

    for value in (1, 2):
        elsewhere(lambda value=value: work(value))  # type: ignore[misc]
    assert seen == [(("acme",), (1,)), (("acme",), (2,))]
    (first,) = running.release()
    assert (first.unpack(HOME), recorder.lost) == ((1,), [("test.home", 2)])


def test_a_put_that_fails_leaves_nothing() -> None:
    recorder = Recorder(kinds=BOTH)
    boundary = strict(recorder)
    with attached(Branch()) as running:
        message = boundary.hand_over(ADAPTER, None)
        assert message is not None
        assert isinstance(failure(lambda: message.send(lambda: 1 // 0)), ZeroDivisionError)
        message.drop()
        assert not running.family._children
    assert [crossed.call.kind for crossed in recorder.ended] == [Kind.PRODUCER]
    assert isinstance(recorder.ended[0].outcome, Raised)


def test_a_dropped_message_ends_in_its_own_branch_and_flows_are_told_why() -> None:
    recorder = Recorder("test", kinds=(Kind.CONSUMER,))
    message = sent_by("acme", strict(recorder))
    message.drop()
    message.drop()
    (crossed,) = recorder.ended
    assert crossed.carried.unpack("tenant") == ("acme",)
    assert isinstance(crossed.outcome, Raised)
    assert crossed.outcome.name == "baggage.boundary.message.NeverTaken"
    assert branch() is None


def test_flows_at_both_ends_may_answer_instead() -> None:
    boundary = strict(Scripted(Answer(Returned("answered")), kinds=(Kind.PRODUCER,)))
    message = boundary.hand_over(ADAPTER, None)
    assert message is not None
    assert message.send(lambda: "put") == "answered"
    message.drop()
    boundary = strict(Scripted(Answer(Returned("answered")), kinds=(Kind.CONSUMER,)))
    taken = send(boundary)

    def work() -> object:
        item: object = taken.take("item")
        assert branch() is None
        return item

    assert elsewhere(work) == "answered"


def test_a_fault_at_the_get_cannot_be_enacted() -> None:
    scripted = Scripted(
        Inject(Fault(FaultKind.REFUSED), Proceed({DOWN: 1})), kinds=(Kind.CONSUMER,)
    )
    message = send(strict(scripted))
    assert elsewhere(lambda: (message.take(1), unpack(DOWN), finish())) == (1, (1,), None)  # type: ignore[func-returns-value]
    assert scripted.saw[0].injected is None


def test_a_delay_is_waited_for_by_whoever_takes_the_message() -> None:
    message = send(strict(Scripted(Proceed(delay=7.5), kinds=(Kind.CONSUMER,))))
    delays: list[float] = []
    elsewhere(lambda: message.take(1, wait=delays.append))
    assert delays == [7.5]


SLOW = Fault(FaultKind.DELAY, seconds=3000)


def test_a_slow_message_is_waited_for_by_whoever_takes_it_and_not_by_its_producer() -> None:
    scripted = Scripted(Inject(SLOW), kinds=(Kind.PRODUCER,))
    boundary = strict(scripted)
    takers: list[Callable[[Message, Any], object]] = [
        lambda message, wait: message.take(1, wait=wait),
        lambda message, wait: message.take(1, opens=False, wait=wait),
    ]
    for take in takers:
        message, waited = send(boundary), list[float]()
        elsewhere(lambda: (take(message, waited.append), finish()))  # type: ignore[func-returns-value] # noqa: B023
        (seconds,) = waited
        assert 2900 < seconds <= 3000
    assert [outcome.injected for outcome in scripted.saw] == [SLOW, SLOW]


def test_a_block_waits_for_a_slow_message(monkeypatch: pytest.MonkeyPatch) -> None:
    message = send(strict(Scripted(Inject(SLOW), kinds=(Kind.PRODUCER,))))
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    with message.opened():
        assert len(waited) == 1


def test_a_message_that_is_due_is_not_waited_for() -> None:
    soon = Fault(FaultKind.DELAY, seconds=1e-9)
    message = send(strict(Scripted(Inject(soon), kinds=(Kind.PRODUCER,))))
    assert message.left == 0
    waited: list[float] = []
    elsewhere(lambda: (message.take(1, wait=waited.append), finish()))  # type: ignore[func-returns-value]
    assert waited == []


def test_a_message_that_was_not_handed_over_was_not_slow_either() -> None:
    scripted = Scripted(Inject(SLOW), kinds=(Kind.PRODUCER,))
    message = strict(scripted).hand_over(ADAPTER, None)
    assert message is not None

    def full() -> None:
        raise LookupError

    assert isinstance(failure(lambda: message.send(full)), LookupError)
    assert scripted.saw[0].injected is None


def duplicating(*apps: MetaApp) -> tuple[Boundary, Scripted]:
    scripted = Scripted(Inject(Fault(FaultKind.DUPLICATE)), kinds=(Kind.PRODUCER,))
    return strict(scripted, *apps), scripted


def test_a_message_is_duplicated_by_whoever_can_hand_it_over_again() -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary, scripted = duplicating(recorder)
    put: list[int] = []
    with attached(EMPTY.pack("tenant", "acme")) as producer:
        message = boundary.hand_over(ADAPTER, None)
        assert message is not None
        message.send(lambda: put.append(1), lambda: put.append(2))
        assert put == [1, 2]
        for value in "ab":
            elsewhere(lambda: (message.take(1), pack(HOME, value), finish()))  # type: ignore[func-returns-value] # noqa: B023
        collect(producer)
        assert sorted(producer.unpack(HOME)) == ["a", "b"]
    assert [crossed.carried.unpack("tenant") for crossed in recorder.ended] == [("acme",)] * 2
    assert scripted.saw[0].injected == Fault(FaultKind.DUPLICATE)


def test_who_cannot_hand_over_again_hands_over_once() -> None:
    boundary, scripted = duplicating()
    send(boundary)
    assert scripted.saw[0].injected is None


@pytest.mark.parametrize("loop", [False, True])
def test_a_second_message_without_room_leaves_one(loop: bool) -> None:
    boundary, scripted = duplicating()

    def full() -> None:
        raise LookupError

    async def put() -> str:
        return "put"

    with attached(EMPTY) as producer:
        message = boundary.hand_over(ADAPTER, None)
        assert message is not None
        done = asyncio.run(_in_loop(message, put, full)) if loop else message.send(str, full)
        assert done == ("put" if loop else "")
        elsewhere(lambda: (message.take(1), finish()))  # type: ignore[func-returns-value]
        assert producer.family.running() == []
    assert scripted.saw[0].injected is None


async def _in_loop(message: Message, put: Any, again: Any) -> Any:
    return await message.asend(put, again)


def test_an_envelope_is_neither_dropped_nor_duplicated() -> None:
    for kind in (FaultKind.DROP, FaultKind.DUPLICATE):
        scripted = Scripted(Inject(Fault(kind)), kinds=(Kind.PRODUCER,))
        send(strict(scripted))
        assert scripted.saw[0].injected is None


@pytest.mark.parametrize("kinds", [(Kind.PRODUCER,), (Kind.CONSUMER,), BOTH])
def test_who_asks_for_one_side_is_asked_about_that_alone(kinds: tuple[Kind, ...]) -> None:
    recorder = Recorder(kinds=kinds)
    message = send(strict(recorder))
    elsewhere(lambda: message.take(1))
    assert [crossed.call.kind for crossed in recorder.begun] == list(kinds)


def test_a_block_takes_a_message_whatever_it_stands_in() -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    message = sent_by("acme", strict(recorder))
    with attached(EMPTY.pack("tenant", "other")):
        with message.opened():
            assert unpack("tenant") == ("acme",)
            assert recorder.ended == []
        assert unpack("tenant") == ("other",)
    assert len(recorder.ended) == 1


def test_a_block_joins_a_message_of_the_same_request() -> None:
    with attached(EMPTY.pack("n", 1)) as running:
        message = send(strict())
        theirs = running.split()
        with message.opened():
            assert branch() is running
        with attached(theirs), message.opened():
            assert branch() is theirs
        assert unpack("n") == (1,)


def test_what_a_block_raises_passes_and_is_told_to_flows() -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    message = sent_by("acme", strict(recorder))
    error = LookupError("the application's own")

    def work() -> None:
        with message.opened():
            raise error

    assert failure(work) is error
    assert branch() is None
    (crossed,) = recorder.ended
    assert isinstance(crossed.outcome, Raised)
    assert crossed.outcome.error is error


def test_a_muted_block_stays_muted() -> None:
    message = sent_by("acme", strict())
    with suppressed():
        muted = branch()
        with message.opened():
            assert branch() is muted
