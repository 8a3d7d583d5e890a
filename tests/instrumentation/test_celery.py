"""Celery with real brokers and real workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import ChordError, SoftTimeLimitExceeded, TimeLimitExceeded
from redis import Redis

from baggage.boundary import Boundary
from baggage.context import Branch, attached, pack, unpack
from baggage.instrumentation import celery as instrumentation
from tests.brokers import patient, unique
from tests.instrumentation import celery_tasks as tasks
from tests.instrumentation.celery_tasks import PATIENCE, Site, serving
from tests.instrumentation.waist import Waist


@pytest.fixture(scope="module")
def instrumented() -> Waist:
    return Waist(instrumentation)


@pytest.fixture
def boundary(instrumented: Waist, site: Site) -> Iterator[Boundary]:
    with instrumented.on() as boundary:
        yield boundary


@pytest.fixture(scope="module")
def redis_site(redis_url: str) -> Iterator[Site]:
    """Give a worker of one process, so that each task follows the one before."""
    with serving(Site(redis_url, redis_url, unique("celery")), "-c", "1") as served:
        yield served


@pytest.fixture(scope="module")
def amqp_site(amqp_url: str) -> Iterator[Site]:
    """Give a worker of one thread that is told of tasks, and answers, by RabbitMQ alone."""
    with serving(Site(amqp_url, "rpc://", unique("celery")), "-P", "threads", "-c", "1") as served:
        yield served


@pytest.fixture(scope="module")
def gevent_site(redis_url: str) -> Iterator[Site]:
    """Give a worker whose tasks are greenlets, one after the other."""
    with serving(Site(redis_url, redis_url, unique("celery")), "-P", "gevent", "-c", "1") as served:
        yield served


@pytest.fixture(params=["redis_site", "amqp_site"], scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    served: Site = request.getfixturevalue(request.param)
    served.configure()
    return served


on_redis = pytest.mark.parametrize("site", ["redis_site"], indirect=True, scope="module")


def read(result: Any) -> Any:
    return result.get(timeout=PATIENCE)


def steps() -> list[str]:
    return sorted(map(str, unpack("steps")))


def test_a_task_knows_what_its_caller_knows(of_blue: Branch) -> None:
    assert read(tasks.tenants.delay()) == ["blue"]
    assert read(tasks.app.send_task(tasks.tenants.name)) == ["blue"]
    assert read(tasks.tenants.s().apply_async(countdown=0.01)) == ["blue"]


def test_a_task_that_nobody_called_in_a_request_knows_nothing(boundary: Boundary) -> None:
    with attached(Branch()):
        pack("tenant", "red")
        read(tasks.step.delay("left behind"))
    assert read(tasks.tenants.delay()) == []
    assert read(tasks.step.delay("another")) == []


def test_what_a_task_packed_is_joined_once_by_who_reads_its_result(of_blue: Branch) -> None:
    result = tasks.step.delay("a")
    assert steps() == []
    assert read(result) == []
    assert read(result) == result.result == []
    assert steps() == ["a"]
    with attached(Branch()):
        assert result.result == []
        assert steps() == ["a"]
        assert unpack("tenant") == ("blue",)


def test_what_a_task_packed_that_failed_is_joined(of_blue: Branch) -> None:
    with pytest.raises(KeyError):
        read(tasks.failing.delay("a"))
    assert steps() == ["a"]


@on_redis
def test_who_asks_whether_a_task_has_ended_knows_what_it_packed_when_it_has(
    of_blue: Branch,
) -> None:
    result = tasks.step.delay("a")
    while not result.ready():
        assert steps() == []
    assert steps() == ["a"]


def test_each_step_of_a_chain_knows_those_before(of_blue: Branch) -> None:
    last = chain(tasks.step.s("a"), tasks.after.s("b"), tasks.idle.s()).delay()
    # As another process would read it, which knows the last task alone.
    assert read(tasks.app.AsyncResult(last.id)) is None
    assert steps() == ["a", "b"]


def test_a_group_brings_back_what_each_of_its_tasks_packed(of_blue: Branch) -> None:
    assert read(group(tasks.step.s("a"), tasks.step.s("b"))()) == [[], []]
    assert steps() == ["a", "b"]


def test_who_looks_at_the_results_of_a_group_joins_those_that_he_has_seen(
    of_blue: Branch,
) -> None:
    both = group(tasks.step.s("a"), tasks.step.s("b"))()
    for seen, (_, meta) in enumerate(both.iter_native(timeout=PATIENCE), start=1):
        assert meta["result"] == []
        assert len(steps()) == seen
    assert steps() == ["a", "b"]


def test_a_task_that_is_tried_again_knows_what_the_attempts_before_packed(
    of_blue: Branch,
) -> None:
    assert read(tasks.retried.delay(2)) == ["try 0", "try 1"]
    assert steps() == ["try 0", "try 1"]


@on_redis
def test_what_takes_the_place_of_a_task_knows_what_that_packed(of_blue: Branch) -> None:
    assert read(tasks.replaced.delay("a")) == ["a"]
    assert steps() == ["a", "a replaced"]


@on_redis
def test_links_are_a_part_of_what_caused_them(of_blue: Branch) -> None:
    linked, failed = (tasks.known.si().set(task_id=unique("task")) for _ in range(2))
    read(tasks.step.apply_async(("a",), link=linked))
    with pytest.raises(KeyError):
        read(tasks.failing.apply_async(("b",), link_error=failed))
    assert read(tasks.app.AsyncResult(linked.options["task_id"])) == ["a"]
    assert read(tasks.app.AsyncResult(failed.options["task_id"])) == ["a", "b"]


def test_parts_of_a_list_are_tasks_that_know_their_caller(of_blue: Branch) -> None:
    assert read(tasks.step.chunks([("a",), ("b",), ("c",)], 2).group()()) == [[[], ["a"]], [[]]]
    assert steps() == ["a", "b", "c"]


def test_a_task_sees_headers_of_others_alone(of_blue: Branch) -> None:
    assert read(tasks.headers.delay()) == {}
    given = {"x-theirs": "1", "baggage": "theirs=1"}
    assert read(tasks.headers.apply_async(headers=given)) == given


def test_flows_in_a_worker_are_told_of_tasks_alone(of_blue: Branch) -> None:
    assert_that_tasks_alone_are_told()


@pytest.mark.parametrize("site", ["gevent_site"], indirect=True, scope="module")
def test_greenlets_of_a_worker_are_no_branches(of_blue: Branch) -> None:
    assert_that_tasks_alone_are_told()
    header = [tasks.step.s("c"), tasks.step.s("d")]
    assert read(chord(header)(tasks.after.s("body"))) == ["a", "b", "c", "d", "try 0"]


def assert_that_tasks_alone_are_told() -> None:
    read(tasks.told.delay())
    read(tasks.step.delay("a"))
    with pytest.raises(KeyError):
        read(tasks.failing.delay("b"))
    read(tasks.retried.delay(1))
    told = read(tasks.told.delay())
    assert [(each["kind"], each["operation"], each["raised"]) for each in told] == [
        ("consumer", "told", ""),
        ("consumer", "step", ""),
        ("consumer", "failing", "KeyError"),
        ("producer", "retried", ""),
        ("consumer", "retried", "celery.exceptions.Retry"),
        ("consumer", "retried", ""),
    ]
    assert {each["library"] for each in told} == {"celery"}
    assert {each["source"] for each in told} == {"work"}
    assert {each["delivery"] for each in told} == {0, 1}


def test_a_task_that_is_sent_on_has_the_task_before_for_its_site(of_blue: Branch) -> None:
    read(tasks.told.delay())
    read(chain(tasks.step.s("a"), tasks.after.s("b")).delay())
    read(tasks.sends.delay())
    told = [each for each in read(tasks.told.delay()) if each["kind"] == "producer"]
    assert [(each["operation"], each["site"]) for each in told] == [
        ("after", "step"),
        ("idle", "sends"),
    ]


def test_flows_hear_that_a_message_is_refused_and_that_a_task_gives_up(of_blue: Branch) -> None:
    read(tasks.told.delay())
    tasks.ignored.delay()
    tasks.rejected.delay()
    told = read(tasks.told.delay())
    ended = {each["operation"]: each["raised"] for each in told}
    assert ended == {"told": "", "ignored": "", "rejected": "celery.exceptions.Reject"}


@on_redis
def test_the_body_of_a_chord_knows_what_all_of_its_header_packed(of_blue: Branch) -> None:
    header = [tasks.step.s("a"), tasks.unheard.s("b"), tasks.step.s("c") | tasks.idle.s()]
    assert read(chord(header)(tasks.after.s("body"))) == ["a", "b", "c"]
    assert steps() == ["a", "b", "body", "c"]


@on_redis
def test_a_chord_in_a_group_in_a_chain_knows_all_before(of_blue: Branch) -> None:
    inner = chord([tasks.after.s("b"), tasks.after.s("c")], tasks.after.s("d"))
    whole = chain(tasks.step.s("a"), group(inner, tasks.after.s("e")), tasks.after.s("f"))
    assert read(whole.delay()) == ["a", "b", "c", "d", "e"]
    assert steps() == ["a", "b", "c", "d", "e", "f"]


@on_redis
def test_what_failed_in_the_header_of_a_chord_is_known_by_who_reads_its_result(
    of_blue: Branch,
) -> None:
    result = chord([tasks.failing.s("a")])(tasks.after.s("body"))
    with pytest.raises(ChordError):
        read(tasks.app.AsyncResult(result.id))
    assert steps() == ["a"]


@on_redis
def test_a_message_that_comes_again_after_its_worker_was_lost_is_told_so(of_blue: Branch) -> None:
    assert read(tasks.killed.delay()) == [2, "blue"]


@on_redis
def test_what_follows_a_task_that_ran_out_of_time_is_a_part_of_it(of_blue: Branch) -> None:
    followed = tasks.tenants.si().set(task_id=unique("task"))
    with pytest.raises(TimeLimitExceeded):
        read(tasks.endless.apply_async(link_error=followed))
    assert read(tasks.app.AsyncResult(followed.options["task_id"])) == ["blue"]


@on_redis
def test_a_task_that_takes_too_long_fails_as_others_do(of_blue: Branch) -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        read(tasks.patient.delay())
    assert steps() == ["patient"]


@on_redis
def test_what_a_task_class_overrides_runs_in_the_tasks_scope(of_blue: Branch, site: Site) -> None:
    key = unique("key")
    assert read(tasks.called.delay(key)) == ["blue", "before"]
    with Redis.from_url(patient(site.broker)) as client:
        assert client.blpop([key], PATIENCE)[1] == b"blue"
