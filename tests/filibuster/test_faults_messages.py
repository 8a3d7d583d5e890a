"""What faults do to messages between the threads of a real application."""

from __future__ import annotations

import pytest

from metaapps.filibuster.observation import Role
from tests.filibuster.conftest import Deployed
from tests.filibuster.faults.running import SERVICES, Lab

QUEUES = [("/call/queue", "queue"), ("/call/queue/asyncio", "asyncio.queues")]


@pytest.fixture(scope="module")
def lab(deployed: Deployed) -> Lab:
    return Lab(deployed(SERVICES))


def test_messages_are_worked_on_once_and_in_order(lab: Lab) -> None:
    for path, library in QUEUES:
        first, *_ = lab.runs(f"front→{library}: drop", path=path)
        assert first.served == ["first", "second"]


@pytest.mark.parametrize(("path", "library"), QUEUES)
def test_a_message_that_gets_lost_is_never_worked_on(lab: Lab, path: str, library: str) -> None:
    came = lab.under(f"front→{library}: drop", path=path)
    assert (came.said, came.served) == ("put", [])


@pytest.mark.parametrize(("path", "library"), QUEUES)
def test_a_message_that_comes_twice_is_worked_on_twice(lab: Lab, path: str, library: str) -> None:
    came = lab.under(f"front→{library}: duplicate", path=path)
    assert came.served == ["first", "first", "second", "second"]
    assert len({call.index for call in came.calls}) == 4


@pytest.mark.parametrize(("path", "library"), QUEUES)
def test_a_message_that_comes_late_is_worked_on_late(lab: Lab, path: str, library: str) -> None:
    came = lab.under(f"front→{library} Queue: delay 300ms", path=path)
    assert (came.said, came.served) == ("put", ["first", "second"])
    assert came.execution.seconds >= 0.3
    hit = [seen for seen in came.execution.observations if seen.injected is not None]
    assert [seen.role for seen in hit] == [Role.BRANCH, Role.BRANCH]


def test_what_a_consumer_calls_can_fail_too(lab: Lab) -> None:
    came = lab.under("front→back GET /serve/first: status 503", path="/call/queue")
    assert came.served == ["second"]
