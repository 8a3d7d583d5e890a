"""Tasks of celery-batches, which work on several messages at once."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from baggage.boundary import Boundary, Kind, Policy, Raised
from baggage.context import Branch, attached, branch, enter, leave, pack, unpack
from baggage.instrumentation import celery as instrumentation
from baggage.instrumentation._patching import Switch
from baggage.testing.apps import Recorder
from baggage.values import Sum, key
from tests.brokers import unique
from tests.instrumentation.celery_tasks import working

pytestmark = pytest.mark.may_skip(reason="celery-batches takes no Celery as new as ours")
TOTAL = key("test.total", type=Sum)


@pytest.fixture(scope="module")
def boundary() -> Iterator[Boundary]:
    boundary, switch = Boundary(Policy(service="shop", strict=True)), Switch()
    instrumentation.instrument(boundary, switch)
    token = enter(None)
    yield boundary
    leave(token)
    switch.on = False


@pytest.fixture(scope="module")
def batches() -> ModuleType:
    batches: ModuleType = pytest.importorskip("celery_batches")
    return batches


@pytest.fixture(scope="module")
def app(boundary: Boundary, batches: ModuleType) -> Iterator[Celery]:
    app = Celery("batches", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.update(
        task_default_queue=unique("batches"),
        worker_prefetch_multiplier=0,
        broker_transport_options={"polling_interval": 0.01},
    )

    @app.task(base=batches.Batches, flush_every=3, flush_interval=600, name="store")  # type: ignore[untyped-decorator]
    def store(requests: list[Any]) -> None:
        known = [sorted(map(str, unpack("tenant"))), *unpack(TOTAL)]
        pack("steps", "stored")
        for request in requests:
            app.backend.mark_as_done(request.id, known, request=request)
        if "bad" in requests[0].args:
            raise KeyError("bad")

    with working(app, pool="solo"):
        yield app


def sent(app: Celery, *arguments: object) -> list[Any]:
    results = []
    for tenant in ("a", "b", "c"):
        with attached(Branch()):
            pack("tenant", tenant)
            pack(TOTAL, 1)
            results.append(app.tasks["store"].delay(*arguments))
    return results


def test_a_batch_knows_what_all_of_its_messages_know(app: Celery) -> None:
    for result in sent(app):
        with attached(Branch()):
            assert result.get(timeout=300, interval=0.01) == [["a", "b", "c"], 3]
            assert unpack("steps") == ("stored",)
            assert unpack(TOTAL) == (3,)


def test_flows_hear_of_each_message_of_a_batch(app: Celery, boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    sent(app, "bad")
    recorder.wait(lambda it: len(it.ended) == 3)
    assert {crossed.call.operation for crossed in recorder.ended} == {"store"}
    assert [type(crossed.outcome) for crossed in recorder.ended] == [Raised] * 3
    boundary.unregister(recorder.name)


def test_a_batch_that_is_run_eagerly_is_a_call_in_its_callers_branch(
    app: Celery, batches: ModuleType
) -> None:
    seen: list[object] = []

    @app.task(base=batches.Batches, name="eager")  # type: ignore[untyped-decorator]
    def eager(requests: list[Any]) -> None:
        seen.append(branch())

    with attached(Branch()) as running:
        eager.apply((1,))
    assert seen == [running]
