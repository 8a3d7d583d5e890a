"""A message is a branch of the execution: it begins where it is put, and ends with its consumer."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

import pytest

from baggage.boundary import Boundary, Kind, Message, Policy
from baggage.context import Branch, attached, branch, pack
from baggage.instrumentation._queueing import QueueAdapter
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.observation import Role, open_branches
from metaapps.filibuster.orders import SEEN
from tests.filibuster.test_app import CALL, KEY, carrying, cross, seen_in

ADAPTER = QueueAdapter("queue", frozenset())
APP = Filibuster((KEY,))
BOUNDARY = Boundary(Policy(service="foo", strict=True), (APP,))


class Jobs:
    pass


def put(into: Branch, by: Callable[[], object] = lambda: None) -> Message:
    with attached(into):
        message = BOUNDARY.hand_over(ADAPTER, Jobs)
        assert message is not None
        message.send(by)
        return message


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


def test_a_message_of_nobody_is_no_ones_branch() -> None:
    message = BOUNDARY.hand_over(ADAPTER, Jobs)
    assert message is not None
    message.send(lambda: None)
    Context().run(lambda: message.take("a job"))
    assert message.call is not None
    assert message.call.kind is Kind.PRODUCER
