"""What meta-applications see of tasks, and do to them."""

from __future__ import annotations

from typing import Any

import pytest

from baggage.boundary import Fault, Inject, Kind, Policy, Proceed
from baggage.context import attached, branch, current, pack, suppressed, unpack
from baggage.testing._tasks import Tasks, on_a_loop
from baggage.testing.spawn import DOWN, NO_START
from baggage.testing.suite import HERE
from baggage.values import EMPTY


class TaskFlows(Tasks):
    """What holds of flows."""

    @on_a_loop
    async def test_a_start_and_a_run_are_crossings_of_the_same_place(self) -> None:
        recorder = self.recorded(Kind.SPAWN, Kind.RUN)
        await self.spawn(self.packing())()
        assert len(recorder.ended) == 2
        start, run = (crossed.call for crossed in recorder.begun)
        assert (start.kind, run.kind) == (Kind.SPAWN, Kind.RUN)
        assert start.operation == run.operation
        assert start.site == run.site
        assert start.site.module == type(self).__module__
        assert start.source == HERE

    @on_a_loop
    async def test_what_a_flow_changes_at_the_start_is_for_the_child_alone(self) -> None:
        self.scripted(Kind.SPAWN, Proceed(down={DOWN: "child's"}))
        with attached(EMPTY.with_down({DOWN: "parent's"})):
            assert await self.seen_by_a_child(lambda: unpack(DOWN)) == ("child's",)
            assert unpack(DOWN) == ("parent's",)

    @on_a_loop
    async def test_what_a_flow_changes_at_the_run_shows_in_the_child(self) -> None:
        self.scripted(Kind.RUN, Proceed(down={DOWN: "run's"}))
        assert await self.seen_by_a_child(lambda: unpack(DOWN)) == ("run's",)
        assert branch() is None or unpack(DOWN) == ()

    @pytest.mark.parametrize("fault", NO_START, ids=str)
    @on_a_loop
    async def test_a_fault_at_the_start_that_cannot_be_enacted_leaves_the_child_to_run(
        self, fault: Fault
    ) -> None:
        scripted = self.scripted(Kind.SPAWN, Inject(fault))
        assert await self.seen_by_a_child(lambda: "ran") == "ran"
        assert scripted.saw[0].injected is None

    @pytest.mark.parametrize("kind", [Kind.SPAWN, Kind.RUN])
    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    @on_a_loop
    async def test_a_meta_application_that_fails_is_isolated(
        self, kind: Kind, script: dict[str, Any]
    ) -> None:
        self.boundary.configure(Policy(service=HERE))
        self.scripted(kind, **script)
        pack("tenant", "acme")
        assert await self.seen_by_a_child(lambda: unpack("tenant")) == ("acme",)

    @on_a_loop
    async def test_branches_of_a_meta_application_are_its_own_affair(self) -> None:
        recorder = self.recorded(Kind.SPAWN, Kind.RUN)
        pack("tenant", "acme")
        with suppressed():
            assert await self.seen_by_a_child(lambda: current().keys()) == ()
        assert recorder.begun == []
