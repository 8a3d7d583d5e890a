"""A process that forks itself: the child is a branch of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from baggage import context
from baggage.boundary import Kind, Proceed
from baggage.context import attached, branch, current, pack, suppressed, unpack
from baggage.instrumentation import multiprocessing as processes
from baggage.instrumentation import os as instrumentation
from baggage.instrumentation import subprocess as commands
from baggage.testing.apps import Recorder, Scripted
from baggage.testing.suite import InstrumentationSuite
from baggage.values import EMPTY, Baggage
from tests.instrumentation.apart.errands import DOWN, HOME
from tests.instrumentation.together import Together

# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def told_by_child(look: Callable[[], object]) -> Any:
    """Return what a forked child sees, as JSON has it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(look()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as answer:
        return json.loads(answer.read())


class TestForks(InstrumentationSuite):
    instrumentation: ClassVar = Together(instrumentation, processes, commands)

    def test_a_child_goes_on_with_what_was_carried_and_both_write_apart(self) -> None:
        pack("n", 1)
        pack(HOME, "own")

        def look() -> object:
            pack("n", 2)
            return (unpack("n"), unpack(HOME), current().serialize().hex())

        seen, home, blob = told_by_child(look)
        pack("n", 3)
        assert (sorted(seen), home) == ([1, 2], [])
        assert unpack("n") == (1, 3)
        context.join(context.deserialize(bytes.fromhex(blob)))
        assert sorted(unpack("n"), key=repr) == [1, 2, 3]

    def test_a_child_is_told_apart_by_what_flows_change_for_it(self) -> None:
        running = context.ensure()
        running.notes["app"] = "parent's"
        self.boundary.register(Scripted(Proceed(down={DOWN: "child's"}), kinds=(Kind.SPAWN,)))

        def look() -> object:
            here = branch()
            return (unpack(DOWN), None if here is None else here.notes.get("app"))

        assert told_by_child(look) == [["child's"], None]
        assert unpack(DOWN) == ()

    def test_only_a_fork_itself_is_a_crossing(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN,))
        self.boundary.register(recorder)
        pack("n", 1)
        process = multiprocessing.get_context("fork").Process(target=int)
        process.start()
        process.join()
        subprocess.run([sys.executable, "-S", "-c", ""], preexec_fn=lambda: None, check=True)
        with suppressed():
            told_by_child(int)
        told_by_child(int)
        started = [crossed.call.library for crossed in recorder.begun]
        assert started == ["multiprocessing", "subprocess", "os"]
        assert recorder.begun[-1].call.site.function == "told_by_child"

    def test_where_nothing_runs_a_fork_is_as_without_us(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN,))
        self.boundary.register(recorder)
        assert told_by_child(lambda: branch() is None) is True
        assert recorder.begun == []

    def test_no_lock_is_inherited_held(self) -> None:
        self.switch.on = False  # or else to fork waits for the lock itself
        with attached(EMPTY.pack("n", 1)) as running:
            held, go = threading.Event(), threading.Event()

            def hold() -> None:
                running.update(wait)

            def wait(carried: Baggage) -> Baggage:
                held.set()
                go.wait(300)
                return carried

            thread = threading.Thread(target=hold)
            thread.start()
            held.wait(300)
            child = os.fork()
            if child == 0:
                pack("n", 2)
                os._exit(len(unpack("n")))
            assert waited_for(child) == 2
            go.set()
            thread.join()


def waited_for(child: int) -> int:
    """Return the exit code of a child; fail where it hangs."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def test_a_child_that_ends_by_itself_hands_its_home_values_to_their_owners() -> None:
    program = (
        "import os, sys, baggage\n"
        "from baggage.testing import Recorder\n"
        "class App(Recorder):\n"
        "    def overflow(self, key, values): print(key.name, list(values), flush=True)\n"
        "baggage.register(App(kinds=()))\n"
        "baggage.instrument('os')\n"
        "HOME = baggage.key('recorder.x', direction=baggage.Direction.HOME)\n"
        "baggage.pack('n', 1)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    baggage.pack(HOME, 7)\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "recorder.x [7]\n", ran.stderr
