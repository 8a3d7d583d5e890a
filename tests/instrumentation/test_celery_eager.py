"""Celery's tasks that are run eagerly: calls in their caller's branch, however they're composed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, Task, chain, chord, group
from celery.canvas import Signature

from baggage.boundary import Boundary
from baggage.context import Branch, attached, branch, pack, unpack
from baggage.instrumentation import celery as instrumentation
from baggage.testing import Recorder
from tests.instrumentation.waist import Waist

app = Celery("eager", broker="memory://", backend="cache+memory://", set_as_current=False)
app.conf.update(task_always_eager=True, task_store_eager_result=True)
stood: list[Branch | None] = []


@pytest.fixture(scope="module")
def instrumented() -> Waist:
    return Waist(instrumentation)


@pytest.fixture
def boundary(instrumented: Waist) -> Iterator[Boundary]:
    stood.clear()
    with instrumented.on() as boundary:
        yield boundary


@app.task(name="eager.step")  # type: ignore[untyped-decorator]  # it ships no types
def step(before: object, name: str) -> list[Any]:
    stood.append(branch())
    known = list(unpack("steps"))
    pack("steps", name)
    return known


@app.task(name="eager.retried", bind=True, max_retries=1)  # type: ignore[untyped-decorator]
def retried(self: Task, before: object, name: str) -> list[Any]:
    result: list[Any] = step.run(before, f"{name} {self.request.retries}")
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return result


def a(name: str) -> Signature:
    return step.s(name)


MADE: dict[str, tuple[Callable[[], Signature], list[str]]] = {
    "a task": (lambda: step.s(None, "a"), ["a"]),
    "a chain": (lambda: chain(step.s(None, "a"), a("b")), ["a", "b"]),
    "a group": (lambda: group(step.s(None, "a"), step.s(None, "b")), ["a", "b"]),
    "a chord": (lambda: chord([step.s(None, "a"), step.s(None, "b")], a("c")), ["a", "b", "c"]),
    "a task that is tried again": (lambda: retried.s(None, "a"), ["a 0", "a 1"]),
}


@pytest.mark.parametrize("which", MADE)
def test_they_run_in_their_callers_branch_and_nobody_is_told(
    boundary: Boundary, which: str
) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    made, expected = MADE[which]
    with attached(Branch()) as running:
        made().apply_async().get()
        assert list(unpack("steps")) == expected
        assert stood == [running] * len(expected)
        assert branch() is running
    assert not recorder.begun
