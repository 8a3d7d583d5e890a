"""Celery with real brokers and real workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, group

from baggage.boundary import Boundary, Policy
from baggage.context import Branch, attached, pack, unpack
from baggage.instrumentation import celery as instrumentation
from baggage.instrumentation._patching import Switch
from tests.brokers import unique
from tests.instrumentation import celery_tasks as tasks
from tests.instrumentation.celery_tasks import PATIENCE, Site, serving


class Waist:
    """What each test has for itself, behind methods that are wrapped once."""

    def __init__(self) -> None:
        self.boundary = Boundary(Policy(service="shop", strict=True))
        self.switch = Switch(on=False)


@pytest.fixture(scope="module")
def instrumented() -> Waist:
    waist = Waist()
    instrumentation.instrument(waist.boundary, waist.switch)
    return waist


@pytest.fixture
def boundary(instrumented: Waist, site: Site) -> Iterator[Boundary]:
    site.configure()
    instrumented.switch.on = True
    yield instrumented.boundary
    instrumented.switch.on = False
    for app in instrumented.boundary.apps:
        instrumented.boundary.unregister(app.name)


@pytest.fixture(scope="module")
def site(redis_url: str) -> Iterator[Site]:
    """Give a worker of one process, so that each task follows the one before."""
    with serving(Site(redis_url, redis_url, unique("celery")), "-c", "1") as served:
        yield served


@pytest.fixture
def request_of_blue(boundary: Boundary) -> Iterator[Branch]:
    with attached(Branch()) as running:
        pack("tenant", "blue")
        yield running


def read(result: Any) -> Any:
    return result.get(timeout=PATIENCE)


def steps() -> list[str]:
    return sorted(map(str, unpack("steps")))


def test_a_task_knows_what_its_caller_knows(request_of_blue: Branch) -> None:
    assert read(tasks.tenants.delay()) == ["blue"]
    assert read(tasks.app.send_task(tasks.tenants.name)) == ["blue"]


def test_what_a_task_packed_is_joined_once_by_who_reads_its_result(request_of_blue: Branch) -> None:
    result = tasks.step.delay("a")
    assert read(result) == []
    assert read(result) == result.result == []
    assert steps() == ["a"]


def test_each_step_of_a_chain_knows_those_before(request_of_blue: Branch) -> None:
    assert read(chain(tasks.step.s("a"), tasks.after.s("b"), tasks.idle.s()).delay()) is None
    assert steps() == ["a", "b"]


def test_a_group_brings_back_what_each_of_its_tasks_packed(request_of_blue: Branch) -> None:
    read(group(tasks.step.s("a"), tasks.step.s("b"))())
    assert steps() == ["a", "b"]
