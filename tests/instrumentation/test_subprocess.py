"""Child processes find what their parent carried in their environment."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from baggage import context
from baggage.boundary import Kind, Proceed, read_header, write_header
from baggage.context import attached, pack, suppressed, unpack
from baggage.instrumentation import subprocess as instrumentation
from baggage.testing.apps import Recorder, Scripted
from baggage.testing.spawn import DOWN, HOME
from baggage.testing.suite import InstrumentationSuite
from baggage.values import EMPTY

TELL = "import json, os; print(json.dumps(dict(os.environ)))"
STALE = write_header(EMPTY.pack("stale", 1))


class TestPopen(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def told(self, **options: Any) -> Mapping[str, str]:
        """Return the environment that a child finds."""
        command = [sys.executable, "-S", "-c", TELL]
        with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as child:
            told: Mapping[str, str] = json.loads(child.communicate()[0])
        return told

    def test_a_child_finds_what_its_parent_carried_without_home_values(self) -> None:
        pack("tenant", "acme")
        pack(HOME, 1)
        found = read_header(self.told()["BAGGAGE"])
        assert found.unpack("tenant") == ("acme",)
        assert found.keys() == ("tenant",)
        assert found.origin == ""

    def test_where_nothing_is_carried_the_environment_stays_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("BAGGAGE", raising=False)
        assert "BAGGAGE" not in self.told()
        assert self.told(env={"A": "1"}).get("A") == "1"
        monkeypatch.setenv("BAGGAGE", STALE)
        assert self.told()["BAGGAGE"] == STALE

    def test_what_this_process_was_started_with_is_not_handed_on_as_current(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BAGGAGE", STALE)
        with attached(EMPTY.pack("n", 1)):
            for options in ({}, {"env": dict(os.environ)}):
                assert read_header(self.told(**options)["BAGGAGE"]).keys() == ("n",)
        with attached(EMPTY):
            assert "BAGGAGE" not in self.told()

    def test_what_the_caller_chose_himself_stays(self) -> None:
        pack("n", 1)
        assert self.told(env={"BAGGAGE": STALE})["BAGGAGE"] == STALE

    @pytest.mark.parametrize("position", [False, True])
    def test_the_callers_environment_is_extended_and_not_changed(self, position: bool) -> None:
        pack("n", 1)
        own = {"A": "1"}
        if position:
            command = [sys.executable, "-S", "-c", TELL]
            child = subprocess.Popen(
                command, -1, None, None, subprocess.PIPE, None, None, True, False, None, own
            )
            told = json.loads(child.communicate()[0])
        else:
            told = self.told(env=own)
        assert told["A"] == "1"
        assert read_header(told["BAGGAGE"]).unpack("n") == (1,)
        assert own == {"A": "1"}

    def test_start_and_end_are_crossings_and_change_what_the_child_finds(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        self.boundary.register(Scripted(Proceed(down={DOWN: "child's"}), kinds=(Kind.SPAWN,)))
        found = read_header(self.told()["BAGGAGE"])
        assert found.unpack(DOWN) == ("child's",)
        assert [crossed.call.kind for crossed in recorder.ended] == [Kind.SPAWN, Kind.RUN]
        assert recorder.begun[0].call.site.module == __name__

    def test_a_branch_ends_when_somebody_has_waited_for_it(self) -> None:
        recorder = Recorder(kinds=(Kind.RUN,))
        self.boundary.register(recorder)
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        assert child.poll() is None
        assert recorder.ended == []
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
        child.poll()
        assert len(recorder.ended) == 1

    def test_a_program_that_is_not_there_leaves_no_trace(self) -> None:
        running = context.ensure()
        pack("n", 1)
        with pytest.raises(FileNotFoundError):
            subprocess.run(["/no/such/program"], check=False)
        assert running.family.release() == []

    def test_children_of_a_meta_application_are_its_own_affair(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        pack("n", 1)
        with suppressed():
            assert self.told().get("BAGGAGE") == os.environ.get("BAGGAGE")
        assert recorder.begun == []

    def test_a_child_of_an_event_loop_is_one_too(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)

        async def run() -> bytes:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-S", "-c", TELL, stdout=asyncio.subprocess.PIPE
            )
            return (await child.communicate())[0]

        pack("n", 1)
        found = read_header(json.loads(asyncio.run(run()))["BAGGAGE"])
        assert found.unpack("n") == (1,)
        assert [crossed.call.kind for crossed in recorder.ended] == [Kind.SPAWN, Kind.RUN]

    def test_an_instrumented_child_takes_it_up_and_hands_its_home_values_to_their_owners(
        self,
    ) -> None:
        program = (
            "import baggage\n"
            "class App:\n"
            "    name = 'recorder'\n"
            "    def interest(self, kind, library):\n"
            "        from baggage.boundary import Interest\n"
            "        return Interest.NONE\n"
            "    def around(self, call): raise AssertionError\n"
            "    def overflow(self, key, values):\n"
            "        import sys; sys.stdout.write(f'{key.name} {list(values)}')\n"
            "baggage.register(App())\n"
            "baggage.instrument('threading')\n"
            "import sys; sys.stdout.write(f'{baggage.unpack(\"n\")} ')\n"
            "baggage.pack(baggage.key('recorder.x', direction=baggage.Direction.HOME), 7)\n"
        )
        pack("n", 1)
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert ran.stdout == "(1,) recorder.x [7]", ran.stderr
        assert unpack("n") == (1,)
