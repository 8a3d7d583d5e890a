"""A call is called the same in every run, however many equal ones are made at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from baggage.boundary import Call, CallSite, Kind
from metaapps.filibuster.catalogue import DEFAULT
from metaapps.filibuster.explore import Limits, Ran, explore
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.index import ROOT as ROOT_INDEX
from metaapps.filibuster.index import CallFrame, child
from metaapps.filibuster.lineage import ROOT, Progress
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import NoReduction
from metaapps.filibuster.worker import Worker, racing

RUNS = 5
PROJECT = Path(__file__).parents[2]
THREADS = (
    "threads",
    "pool",
    "small_pool",
    "completed",
    "followed_up",
    "nested_pools",
    "handed_context",
    "handed_to_threads",
    "jobs",
    "own_workers",
    "retries",
    "rpc_futures",
    "rpc_pool",
)
TASKS = (
    "gathered",
    "grouped",
    "tasks_awaited_backwards",
    "tasks_as_completed",
    "tasks_followed_up",
    "nested_gather",
    "waited_for",
    "to_threads",
    "in_executor",
    "async_rpcs",
    "task_workers",
    "left_running",
)
BOTH = ("loops_in_threads", "threads_of_loops")
FAMILIES = {name: family for family in (THREADS, TASKS, BOTH) for name in family}


PATCHED = """
from gevent import monkey
monkey.patch_all()
import runpy
runpy.run_module("tests.filibuster.identity", run_name="__main__")
"""


@cache
def told(number: int, names: tuple[str, ...], *, patched: bool = False) -> Mapping[str, Any]:
    """Run programs in a process of their own; return what is told of each run."""
    start = ["-c", PATCHED] if patched else ["-m", "tests.filibuster.identity"]
    words = [sys.executable, *start, str(RUNS), str(number), *names]
    done = subprocess.run(
        words, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    runs: Mapping[str, Any] = json.loads(done.stdout)
    return runs


def assert_exact(runs: Any, least: int) -> None:
    """Each run makes the same calls, which differ in what they carry, by the same names."""
    first = runs[0]["calls"]
    assert len(first) == len(set(first.values())) == runs[0]["number"] >= least
    wrong = [sum(run["calls"].get(key) != name for key, name in first.items()) for run in runs]
    assert wrong == [0] * RUNS
    assert [run["number"] for run in runs] == [len(first)] * RUNS
    assert [run["findings"] for run in runs] == [[]] * RUNS
    assert [run["open"] for run in runs] == [[]] * RUNS


@pytest.mark.parametrize("name", FAMILIES)
def test_whatever_order_calls_happen_in_they_are_told_apart_by_where_they_come_from(
    name: str,
) -> None:
    assert_exact(told(12, FAMILIES[name])[name], 12)


def test_attempts_that_a_library_makes_by_itself_are_told_apart() -> None:
    for run in told(3, ("attempts",))["attempts"]:
        assert (run["number"], run["names"], run["findings"]) == (9, 9, [])


GREENLETS = ("greenlets", "greenlet_pool", "threads", "pool")


@pytest.mark.parametrize("name", GREENLETS)
def test_greenlets_are_told_apart_too(name: str) -> None:
    pytest.importorskip("gevent")
    assert_exact(told(12, GREENLETS, patched=True)[name], 12)


BARS = ("threads", "pool", "gathered", "async_rpcs", "loops_in_threads")


@pytest.mark.parametrize("number", [2, 16, 32, 64])
@pytest.mark.parametrize("name", BARS)
def test_of_many_equal_calls_at_once_none_is_taken_for_another(name: str, number: int) -> None:
    assert_exact(told(number, BARS)[name], number)


def test_where_nobody_can_tell_nobody_guesses() -> None:
    for run in told(12, ("undivided",))["undivided"]:
        assert run["ambiguous"] == run["number"] == 12
        (finding,) = run["findings"]
        assert finding.startswith("ambiguous 12 calls foo → 127.0.0.1:")
        assert "identity.programs.fetch" in finding


def test_nothing_is_planned_for_calls_that_nobody_can_tell_apart() -> None:
    def observed(position: int, operation: str, *, ambiguous: bool = False) -> Observation:
        frame = CallFrame("foo", "app", "foo", operation, position + 1)
        return Observation(
            role=Role.CALL,
            index=child(TOP.index, frame),
            parent=TOP.index,
            position=position,
            source="foo",
            target="bar",
            library="requests",
            operation=operation,
            site=CallSite("app", "foo"),
            occurrence=position + 1,
            ambiguous=ambiguous,
            digest=b"x",
        )

    first, second = observed(0, "GET /x", ambiguous=True), observed(1, "GET /x", ambiguous=True)
    planned: set[bytes] = set()

    def run(plan: Plan) -> Execution:
        planned.update(fault.index for fault in plan.faults)
        return Execution(plan, (TOP, first, second, observed(2, "GET /y")))

    ran = next(iter(explore(run, DEFAULT, NoReduction())))
    assert isinstance(ran, Ran)
    assert [finding.kind for finding in ran.findings] == [FindingKind.AMBIGUOUS]
    list(explore(run, DEFAULT, NoReduction(), Limits(max_executions=10)))
    assert planned == {observed(2, "GET /y").index}


TOP = Observation(
    role=Role.CALL,
    index=child(ROOT_INDEX, CallFrame("test", "", "", "GET /", 1)),
    parent=ROOT_INDEX,
    position=0,
    source="test",
    target="foo",
    by_test=True,
    operation="GET /",
    occurrence=1,
    digest=b"x",
)
SPAWN = Call(
    kind=Kind.SPAWN,
    library="threading",
    operation="Thread.start",
    source="foo",
    site=CallSite("app", "serve"),
)
CALL = Call(
    kind=Kind.CLIENT,
    library="requests",
    operation="GET /x",
    source="foo",
    site=CallSite("app", "foo"),
    payload=b"content",
)


def test_a_call_s_content_is_a_part_of_its_name_where_that_is_asked_for() -> None:
    progress = Progress(ROOT)
    plain = progress.call(CALL)
    one = progress.call(CALL, by_payload=True)
    other = progress.call(
        Call(
            kind=Kind.CLIENT,
            library="requests",
            operation="GET /x",
            source="foo",
            site=CALL.site,
            payload=b"other",
        ),
        by_payload=True,
    )
    assert len({plain.index, one.index, other.index}) == 3
    assert [step.occurrence for step in (plain, one, other)] == [1, 1, 1]


def test_threads_of_pools_go_on_where_others_left_off_and_other_threads_do_not() -> None:
    mine, another, pooled = Worker(1, 0, ""), Worker(2, 0, ""), Worker(3, 0, "anyio")
    assert racing(mine, another)
    assert not racing(mine, pooled)
    assert not racing(mine, Worker(1, 7, ""))


def test_a_worker_s_steps_belong_to_the_message_that_it_took() -> None:
    producer, worker, other = Progress(ROOT), Progress(ROOT), Progress(ROOT)
    worker.lineage, other.lineage = (producer.fork(SPAWN).below for _ in range(2))
    messages = [producer.fork(SPAWN).below for _ in range(2)]
    worker.took(messages[0])
    step = worker.working.call(CALL)
    assert step.parent == messages[0].index
    # Whoever takes the next one, its calls have the same name.
    worker.took(messages[1])
    other.took(messages[1])
    assert worker.working.call(CALL).index == other.working.call(CALL).index


def test_what_is_done_after_several_messages_belongs_to_none_of_them() -> None:
    producer, collector = Progress(ROOT), Progress(ROOT)
    collector.lineage = producer.fork(SPAWN).below
    for _ in range(3):
        collector.took(producer.fork(SPAWN).below)
    assert collector.working is collector


def test_who_acts_before_it_takes_a_message_is_no_worker() -> None:
    progress = Progress(ROOT)
    asked = progress.fork(SPAWN)
    progress.took(asked.below)
    assert progress.working is progress


def test_a_branch_that_is_started_once_in_a_process_moves_no_other_s_number() -> None:
    first, later = Progress(ROOT), Progress(ROOT)
    asking_once = Call(
        kind=Kind.SPAWN, library="subprocess", operation="Popen", source="foo", site=SPAWN.site
    )
    first.fork(asking_once)
    steps = [first.fork(SPAWN), first.fork(SPAWN)]
    assert [step.index for step in steps] == [later.fork(SPAWN).index for _ in range(2)]
    assert [step.occurrence for step in steps] == [1, 2]
    # In clocks each branch is a process of its own, however it was started.
    assert [step.below.process for step in steps] == ["test/2", "test/3"]
