"""Processes of multiprocessing, under each start method, are branches like any other."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.managers import SyncManager
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar

import pytest

from baggage import context
from baggage.boundary import Kind
from baggage.context import attached, branch, pack, suppressed, unpack
from baggage.instrumentation import multiprocessing as instrumentation
from baggage.testing.apps import Recorder
from baggage.testing.suite import HERE, InstrumentationSuite
from baggage.values import EMPTY
from tests.instrumentation.apart.errands import (
    DOWN,
    HOME,
    Overriding,
    die,
    echo,
    exit_with,
    keys,
    much,
    work,
)

# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


METHODS = ["fork", "spawn", "forkserver"]
FORK = multiprocessing.get_context("fork")


def run(process: BaseProcess) -> BaseProcess:
    process.start()
    process.join()
    return process


class TestProcess(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def process(self, target: Callable[..., Any], *args: Any) -> BaseProcess:
        return FORK.Process(target=target, args=args)

    @pytest.mark.parametrize("method", METHODS)
    def test_a_process_knows_what_its_parent_knew_and_comes_home_when_joined(
        self, method: str
    ) -> None:
        how = multiprocessing.get_context(method)
        answers = how.Queue()
        pack("n", 1)
        pack(HOME, "own")
        with attached(context.current().with_down({DOWN: "parent's"})) as running:
            process = how.Process(target=echo, args=(2, answers))  # type: ignore[attr-defined]
            process.start()
            seen, service, pid = answers.get()
            assert unpack("n") == (1,)
            for _ in range(2):
                process.join()
            assert (seen, service) == (((1,), ("parent's",), ()), HERE)
            assert pid != os.getpid()
            assert set(unpack("n")) == {1, 2}
            assert set(unpack(HOME)) == {"own", "home 2"}
            assert not running.family.release()
        assert process.exitcode == 0

    def test_a_parent_that_carried_nothing_learns_from_its_child(self) -> None:
        run(self.process(work, 1))
        assert unpack("n") == (1,)

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_a_subclass_that_overrides_run_is_one_too(self, method: str) -> None:
        context.ensure()
        process = Overriding(3)
        if method == "spawn":
            run(process)
        else:
            own = FORK.Process()
            own.run = process.run  # type: ignore[method-assign]
            run(own)
            assert vars(own)["run"] == process.run
        assert unpack("n") == (3,)
        assert unpack(HOME) == ("home 3",)

    @pytest.mark.parametrize(("code", "exitcode"), [(0, 0), (7, 7), (None, 0)])
    def test_a_process_that_exits_brings_home_what_it_had(
        self, code: object, exitcode: int
    ) -> None:
        context.ensure()
        assert run(self.process(exit_with, code)).exitcode == exitcode
        assert unpack("n") == (2,)

    def test_a_process_that_dies_has_ended(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        pack("n", 1)
        assert run(self.process(die)).exitcode == 3
        assert unpack("n") == (1,)
        assert [crossed.call.kind for crossed in recorder.ended] == [Kind.SPAWN, Kind.RUN]

    def test_what_finds_no_room_keeps_no_process_from_its_end(self) -> None:
        context.ensure()
        assert run(self.process(much)).exitcode == 0
        assert 100 < len(unpack(HOME)) < 2000

    def test_a_join_that_times_out_brings_nothing_home(self) -> None:
        context.ensure()
        go = FORK.Event()
        process = self.process(lambda: (pack("n", 1), go.wait(300)))  # type: ignore[func-returns-value]
        process.start()
        process.join(0.01)
        assert unpack("n") == ()
        go.set()
        process.join()
        assert unpack("n") == (1,)

    def test_a_process_that_is_never_joined_leaks_no_file(self) -> None:
        process = self.process(int)
        process.start()
        home = vars(process)["_baggage_dispatch"].home
        descriptor = home.fileno()
        process._popen.wait()  # type: ignore[attr-defined]
        del home, process
        multiprocessing.active_children()
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)

    def test_children_of_a_meta_application_are_its_own_affair(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        pack("n", 1)
        with suppressed():
            run(self.process(work, 2))
        assert recorder.begun == []
        assert unpack("n") == (1,)

    def test_a_grandchild_comes_home_by_its_parent(self) -> None:
        pack("n", 0)
        run(self.process(lambda: (pack("n", 1), run(FORK.Process(target=work, args=(2,))))))  # type: ignore[func-returns-value]
        assert set(unpack("n")) == {0, 1, 2}

    def test_a_manager_is_no_branch_of_whoever_started_it(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        pack("n", 1)
        manager = SyncManager(ctx=FORK)
        manager.start(lambda: None)
        try:
            assert manager.list([1])[0] == 1
        finally:
            manager.shutdown()
        assert recorder.begun == []

    def test_switched_off_a_process_is_as_without_us(self) -> None:
        pack("n", 1)
        self.switch.on = False
        process = self.process(keys)
        run(process)
        assert "_baggage_dispatch" not in vars(process)


def test_a_forked_process_goes_on_under_roots_of_its_own() -> None:
    with attached(EMPTY.pack("n", 1)) as running:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            pack("n", 2)
            here = branch()
            os.write(writer, b"" if here is None else here.baggage.serialize())
            os._exit(0)
        os.waitpid(child, 0)
        pack("n", 3)
        assert unpack("n") == (1, 3)
        running.join(context.deserialize(os.read(reader, 65536)))
        assert sorted(unpack("n"), key=repr) == [1, 2, 3]
