"""Whoever runs executions, and however many at once: the same ones are committed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock, Thread, current_thread
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.cli.functional import FunctionalTestError
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.services import load
from metaapps.filibuster.workers import Gate, Pool, WorkersError, worker_count
from metaapps.filibuster.workers.executors import executor
from tests.filibuster.conftest import Deployed
from tests.filibuster.placed import SERVICES, Place, place
from tests.filibuster.shell import FILIBUSTER, Shell, processes, wait_until

SLOW = "def test(): requests.get(os.environ['DESK_URL'] + '/slow', timeout=300)"
ONE = "def test(): requests.post(os.environ['DESK_URL'] + '/mixed', data='me', timeout=300)"
LEAVES = "def test(): requests.get(os.environ['DESK_URL'] + '/leaves', timeout=300)"
# Ends, once or always, the process that is so many parents above the test's.
KILLS = """
import os, pathlib, signal
def above(pid):
    return int(pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
def kill(generations, marker=None):
    if marker:
        try: os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError: return
    pid = os.getpid()
    for _ in range(generations): pid = above(pid)
    os.kill(pid, signal.SIGKILL)
    import time; time.sleep(2); os._exit(1)
"""


@pytest.fixture
def here(tmp_path: Path, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Place:
    return place(tmp_path, deployed(SERVICES), monkeypatch)


def three_threads() -> Executor:
    return ThreadPoolExecutor(3)


class Unable(Executor):
    """Takes nothing."""

    def submit(self, fn: object, /, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("can't pickle that")


def test_the_same_executions_are_committed_at_any_number_of_workers(here: Place) -> None:
    alone = here.search(SLOW, max_executions=24)
    assert len(alone.committed) == 24
    for workers in ("4", "16"):
        together = here.search(SLOW, max_executions=24, workers=workers)
        assert together.committed == alone.committed
        assert together.differences == []


@pytest.mark.parametrize("spec", ["threads", "processes", f"{__name__}:three_threads"])
def test_the_same_executions_are_committed_by_any_executor(spec: str, here: Place) -> None:
    alone = here.search(ONE)
    elsewhere = here.search(ONE, workers="3", executor=spec)
    assert len(alone.committed) > 3
    assert elsewhere.committed == alone.committed


@pytest.mark.parametrize(("spec", "generations"), [("threads", 1), ("processes", 2)])
def test_a_worker_that_is_killed_loses_nothing(spec: str, generations: int, here: Place) -> None:
    alone = here.search(ONE)
    text = KILLS + f"\nkill({generations}, 'killed')\n{ONE}"
    killed = here.search(text, workers="3", executor=spec)
    assert killed.committed == alone.committed
    assert "is done again, alone" in killed.said
    assert (here.directory / "killed").exists()


def test_a_test_that_always_kills_its_worker_is_given_up(here: Place) -> None:
    killed = here.search(KILLS + f"\nkill(1)\n{ONE}")
    assert isinstance(killed.error, FunctionalTestError)
    assert "a worker died" in str(killed.error)


def test_a_service_that_ends_is_laid_to_the_execution_that_it_was_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    for workers in ("1", "4"):
        directory = tmp_path / workers
        directory.mkdir()
        here = place(directory, {}, monkeypatch)
        searched.append(here.search(LEAVES, services_file=SERVICES, workers=workers))
    alone, together = searched
    assert together.failed == alone.failed == ["desk → shelf GET /index: status 502"]
    assert together.committed == alone.committed
    assert "what was under way runs again, alone" in together.said


def test_an_executor_that_can_t_run_tests_ends_the_run_in_one_line(here: Place) -> None:
    searched = here.search(ONE, executor=f"{__name__}:Unable")
    assert isinstance(searched.error, WorkersError)
    assert str(searched.error) == (
        "a worker can't run the functional test: TypeError: can't pickle that"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("spec", ["threads", "processes"])
def test_no_process_is_left_however_a_run_of_many_workers_ends(
    spec: str, number: signal.Signals, shell: Shell
) -> None:
    text = """
    import os, pathlib, time, requests
    from metaapps.filibuster.assertions import was_fault_injected
    def test():
        requests.get(os.environ['DESK_URL'] + '/slow', timeout=300)
        if was_fault_injected():
            os.chdir(os.environ['HERE'])
            pathlib.Path(f'hangs-{os.getpid()}').touch()
            time.sleep(600)
    """
    shell.write("test_hangs.py", "\n".join(line[4:] for line in text.splitlines()))
    command = (FILIBUSTER, "run", "--functional-test", "test_hangs.py", "--workers", "3")
    more = ("--services", str(SERVICES), "--executor", spec)
    with shell.start(*command, *more, HERE=str(shell.directory)) as process:
        wait_until(lambda: len(list(shell.directory.glob("hangs-*"))) >= 3)
        process.send_signal(number)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == (130 if number is signal.SIGINT else -number)
    assert "done again" not in out  # nobody does again what was called off
    wait_until(lambda: not processes(shell.directory))


# Options


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"workers": "0"}, "--workers '0'"),
        ({"workers": "many"}, "give a number"),
        ({"workers": "2", "foreign": True, "port": 0}, "only one can run at a time"),
        ({"executor": "elsewhere"}, "give threads, processes, dask"),
        ({"executor": "no_such_module:make"}, "no_such_module"),
        ({"executor": "os:getcwd"}, "which is no Executor"),
        ({"executor": "os:sep"}, "can't be called"),
        ({"executor": "math:sqrt"}, "TypeError"),
        ({"executor": "dask://127.0.0.1:9"}, "no Dask scheduler answers"),
    ],
)
def test_what_can_t_be_is_refused_in_one_line(
    options: dict[str, object], reason: str, here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metaapps.filibuster.workers.executors._REACHED_WITHIN", 0.5)
    with pytest.raises(WorkersError, match=reason) as refused:
        here.search(ONE, **options)
    assert "\n" not in str(refused.value)


def test_coverage_is_recorded_of_one_execution_at_a_time(here: Place) -> None:
    recording = Recording.begin(here.directory, load(SERVICES))
    with pytest.raises(WorkersError, match="leave --workers or --coverage out"):
        here.search(ONE, workers="2", recording=recording)


def test_auto_is_some_workers_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(3)), raising=False)
    assert worker_count("auto") == 12
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert worker_count("auto") == 32


def test_a_factory_that_asks_is_told_how_many_workers_there_are() -> None:
    made = executor("concurrent.futures:ThreadPoolExecutor", 7, "")()
    assert isinstance(made, ThreadPoolExecutor)
    assert made._max_workers == 7


# The pool and the gate


def plan(number: int) -> Plan:
    return Plan((PlannedFault(bytes([number]), Fault(FaultKind.STATUS, status=503)),))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(0, 40), unique=True)), max_size=20),
    st.integers(2, 4),
)
def test_what_is_looked_ahead_at_changes_no_result(
    turns: list[tuple[int, list[int]]], workers: int
) -> None:
    begun: list[Plan] = []

    def execute(asked: Plan) -> Plan:
        begun.append(asked)
        return asked

    pool = Pool(execute, workers)
    try:
        for mine, ahead in turns:
            read: list[Plan] = []
            pool.look_ahead(noted(ahead, read))
            assert len(read) <= 2 * workers
            assert pool.run(plan(mine)) == plan(mine)
        pool.rest()
    finally:
        pool.close()
    assert pool.ran_ahead == len(begun) - len(turns)


def noted(numbers: list[int], read: list[Plan]) -> Iterator[Plan]:
    for number in numbers:
        read.append(plan(number))
        yield read[-1]


def test_what_running_ahead_raises_is_raised_at_its_turn() -> None:
    def execute(asked: Plan) -> Plan:
        if asked == plan(2):
            raise KeyError("so it is")
        return asked

    pool = Pool(execute, 2)
    pool.look_ahead(iter([plan(2)]))
    assert pool.run(plan(1)) == plan(1)
    with pytest.raises(KeyError, match="so it is"):
        pool.run(plan(2))
    pool.close()


def test_who_is_alone_at_the_gate_is_alone() -> None:
    gate, lock, inside, seen = Gate(), Lock(), set[str](), list[frozenset[str]]()
    together = Barrier(2)

    def enter(alone: bool) -> None:
        for _ in range(50):
            with gate.alone() if alone else gate.together():
                with lock:
                    inside.add(current_thread().name)
                    if alone:
                        seen.append(frozenset(inside))
                with lock:
                    inside.discard(current_thread().name)

    def meet() -> None:
        with gate.together():
            together.wait(300)

    threads = [Thread(target=enter, args=(number < 2,)) for number in range(6)]
    threads += [Thread(target=meet), Thread(target=meet)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert len(seen) == 100
    assert {len(each) for each in seen} == {1}
