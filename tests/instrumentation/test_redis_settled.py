"""Flows hear whether a group said that it's done with an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

import pytest
import redis

from baggage.boundary import Boundary, Kind, Policy, Returned, Unsettled
from baggage.instrumentation import redis as instrumentation
from baggage.instrumentation._patching import Switch
from baggage.testing.apps import Recorder
from tests.brokers import patient, unique

Settle = Callable[[Any, str, str], object]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary, switch = Boundary(Policy(service="worker", strict=True), (recorder,)), Switch()
    instrumentation.instrument(boundary, switch)
    switch.on = True
    yield recorder
    switch.on = False


def in_pipeline(broker: Any, stream: str, entry: str) -> None:
    broker.pipeline().xack(stream, "bills", entry).execute()


@pytest.mark.parametrize(
    "command", [("XACK",), ("XACK", "s"), ("XACK", "s", "g"), ("XACKDEL", "s")]
)
def test_what_acknowledges_nothing_is_refused_by_redis(
    redis_url: str, recorder: Recorder, command: tuple[str, ...]
) -> None:
    broker: Any = redis.Redis.from_url(patient(redis_url))
    with pytest.raises(redis.ResponseError):
        broker.execute_command(*command)


@pytest.mark.parametrize(
    ("settle", "unsettled"),
    [
        (lambda broker, stream, entry: broker.xack(stream, "bills", entry), False),
        (in_pipeline, False),
        (lambda broker, stream, entry: None, True),
        (lambda broker, stream, entry: broker.xack(stream, "mail", entry), True),
    ],
)
def test_an_entry_that_its_group_did_not_acknowledge_is_unsettled(
    redis_url: str, recorder: Recorder, settle: Settle, unsettled: bool
) -> None:
    stream = unique("orders")
    broker: Any = redis.Redis.from_url(patient(redis_url))
    broker.xgroup_create(stream, "bills", mkstream=True)
    broker.xadd(stream, {"order": "book"})

    def work() -> None:
        for _, entries in broker.xreadgroup("bills", "me", {stream: ">"}):
            for entry in entries:
                settle(broker, stream, entry[0])

    Context().run(work)
    (crossed,) = recorder.ended
    assert isinstance(crossed.outcome, Returned)
    assert isinstance(crossed.outcome.value, Unsettled) is unsettled
    broker.close()
