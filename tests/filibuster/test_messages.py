"""A message is a branch of the execution: it begins where it is put, and ends with its consumer."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

import pytest

from baggage.boundary import Boundary, Fault, FaultKind, Kind, Message, Policy
from baggage.context import Branch, attached, branch, pack
from baggage.instrumentation._queue_adapter import QueueAdapter
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.observation import Observation, Role, open_branches
from metaapps.filibuster.orders import SEEN
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.tree import build
from tests.filibuster.test_app import CALL, KEY, carrying, cross, seen_in

ADAPTER = QueueAdapter("queue", frozenset())
APP = Filibuster((KEY,))
BOUNDARY = Boundary(Policy(service="foo", strict=True), (APP,))


class Jobs:
    pass


@pytest.fixture(autouse=True)
def anew() -> None:
    """Let each test be a process of its own, that knows of no other test's executions."""
    BOUNDARY.register(Filibuster((KEY,)))


def put(
    into: Branch,
    by: Callable[[], object] = lambda: None,
    again: Callable[[], object] | None = None,
) -> Message:
    with attached(into):
        message = BOUNDARY.hand_over(ADAPTER, Jobs)
        assert message is not None
        message.send(by, again)
        return message


def planned(kind: FaultKind) -> tuple[Branch, Observation]:
    """Return a branch of which the first message meets a fault, and that message without it."""
    before = carrying()
    put(before)
    (message,) = open_branches(seen_in(before))
    return carrying(Plan((PlannedFault(message.index, Fault(kind), "queue"),))), message


def consumed(message: Message) -> None:
    """Take a message in a worker that makes a call, and ends."""

    def work() -> None:
        message.take("a job")
        running = branch()
        assert running is not None
        cross(APP, running, CALL)

    Context().run(work)


def test_an_execution_waits_for_the_consumer_and_knows_what_it_called() -> None:
    producer = carrying()
    message = put(producer)
    (begun,) = open_branches(seen_in(producer))
    assert begun.library == "queue"
    assert begun.operation == "Jobs"
    consumed(message)
    for child in producer.release():
        producer.join(child)
    seen = seen_in(producer)
    assert open_branches(seen) == ()
    (call,) = (one for one in seen if one.role is Role.CALL)
    assert call.parent == begun.index


def test_two_messages_are_two_branches_and_the_same_ones_in_every_run() -> None:
    def run() -> list[bytes]:
        producer = carrying()
        messages = [put(producer) for _ in range(2)]
        for message in reversed(messages):
            consumed(message)
        for child in producer.release():
            producer.join(child)
        return sorted(one.index for one in seen_in(producer) if one.role is Role.CALL)

    assert len(set(run())) == 2
    assert run() == run()


def test_a_message_that_is_joined_at_once_ends_at_once() -> None:
    producer = carrying()
    message = put(producer)
    with attached(producer):
        message.take("a reply")
    assert open_branches(seen_in(producer)) == ()
    assert [one.role for one in seen_in(producer)].count(Role.BRANCH) == 1


@pytest.mark.parametrize("end", ["dropped", "taken by another request"])
def test_a_message_that_nobody_works_on_ends(end: str) -> None:
    producer = carrying()
    message = put(producer)
    if end == "dropped":
        message.drop()
    else:
        with attached(Branch()) as other:
            pack("tenant", "another")
            message.take("a connection")
            assert other.unpack(SEEN) == ()
    for child in producer.release():
        producer.join(child)
    assert open_branches(seen_in(producer)) == ()


def test_a_put_that_failed_leaves_no_open_branch() -> None:
    producer = carrying()

    def full() -> None:
        raise OverflowError

    with pytest.raises(OverflowError):
        put(producer, full)
    assert open_branches(seen_in(producer)) == ()


def test_a_message_that_is_dropped_is_put_nowhere_and_its_branch_ends() -> None:
    producer, message = planned(FaultKind.DROP)
    calls: list[str] = []
    put(producer, lambda: calls.append("put"))
    assert calls == []
    seen = seen_in(producer)
    (dropped,) = (one for one in seen if one.role is Role.BRANCH)
    assert dropped.index == message.index
    assert dropped.injected == Fault(FaultKind.DROP)
    assert dropped.method == "put"
    assert open_branches(seen) == ()


def test_each_delivery_of_a_message_that_is_handed_over_twice_has_a_branch_of_its_own() -> None:
    producer, message = planned(FaultKind.DUPLICATE)
    calls: list[str] = []
    twice = put(producer, lambda: calls.append("put"), lambda: calls.append("again"))
    assert calls == ["put", "again"]
    for _ in range(2):
        consumed(twice)
    for child in producer.release():
        producer.join(child)
    seen = seen_in(producer)
    tree = build(seen)
    assert tree.findings == ()
    assert open_branches(seen) == ()
    deliveries = tree.within(message.index)
    assert [(one.role, one.occurrence) for one in deliveries] == [
        (Role.BRANCH, 1),
        (Role.BRANCH, 2),
    ]
    called = [[one.role for one in tree.within(each.index)] for each in deliveries]
    assert called == [[Role.CALL], [Role.CALL]]
    (put_twice,) = (one for one in seen if one.index == message.index and one.role is Role.BRANCH)
    assert put_twice.injected == Fault(FaultKind.DUPLICATE)


def test_a_queue_that_cannot_take_it_twice_is_not_said_to_have_been_failed() -> None:
    producer, message = planned(FaultKind.DUPLICATE)
    consumed(put(producer))
    for child in producer.release():
        producer.join(child)
    seen = seen_in(producer)
    assert [one.injected for one in seen] == [None] * len(seen)
    assert open_branches(seen) == ()
    assert build(seen).findings == ()
    assert message.index in build(seen).paths


def test_the_messages_of_a_test_are_left_alone() -> None:
    _, message = planned(FaultKind.DROP)
    plan = Plan((PlannedFault(message.index, Fault(FaultKind.DROP), "queue"),))
    boundary = Boundary(Policy(service="test"), (Filibuster((KEY,), by_test=True),))
    calls: list[str] = []
    with attached(carrying(plan)):
        handed = boundary.hand_over(ADAPTER, Jobs)
        assert handed is not None
        handed.send(lambda: calls.append("put"))
    assert calls == ["put"]


def test_a_message_of_nobody_is_no_ones_branch() -> None:
    message = BOUNDARY.hand_over(ADAPTER, Jobs)
    assert message is not None
    message.send(lambda: None)
    Context().run(lambda: message.take("a job"))
    assert message.call is not None
    assert message.call.kind is Kind.PRODUCER
