"""What faults do to messages between the threads of a real application."""

from __future__ import annotations

import pytest

from metaapps.filibuster.observation import Role
from tests.filibuster.conftest import Deployed
from tests.filibuster.faults.running import SERVICES, Lab


@pytest.fixture(scope="module")
def lab(deployed: Deployed) -> Lab:
    return Lab(deployed(SERVICES))


def test_messages_are_worked_on_once_and_in_order(lab: Lab) -> None:
    first, *_ = lab.runs("front→queue: drop", path="/call/queue")
    assert first.served == ["first", "second"]


def test_a_message_that_gets_lost_is_never_worked_on(lab: Lab) -> None:
    came = lab.under("front→queue: drop", path="/call/queue")
    assert (came.said, came.served) == ("put", [])


def test_a_message_that_comes_twice_is_worked_on_twice(lab: Lab) -> None:
    came = lab.under("front→queue: duplicate", path="/call/queue")
    assert came.served == ["first", "first", "second", "second"]
    assert len({call.index for call in came.calls}) == 4


def test_a_message_that_comes_late_is_worked_on_after_it_was_answered(lab: Lab) -> None:
    came = lab.under("front→queue Queue: delay 300ms", path="/call/queue")
    assert (came.said, came.served) == ("put", ["first", "second"])
    hit = [seen for seen in came.execution.observations if seen.injected is not None]
    assert [seen.role for seen in hit] == [Role.BRANCH, Role.BRANCH]


def test_what_a_consumer_calls_can_fail_too(lab: Lab) -> None:
    came = lab.under("front→back GET /serve/first: status 503", path="/call/queue")
    assert came.served == ["second"]
