"""What holds for everything that starts branches of execution in one process."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final

import pytest

from baggage import context
from baggage.boundary import Fault, FaultKind, Inject, Kind, Policy, Proceed
from baggage.context import attached, branch, current, pack, suppressed, unpack
from baggage.testing._watched import WatchedSuite
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.suite import HERE, eventually, failure
from baggage.values import EMPTY, Direction, key

Work = Callable[[], object]
Wait = Callable[[], object]
"""Waits for the work; returns what it returned, if the library can tell."""

DOWN: Final = key("suite.down", direction=Direction.DOWN)
HOME: Final = key("suite.home", direction=Direction.HOME)
NO_START: Final = (
    Fault(FaultKind.REFUSED),
    Fault(FaultKind.RESET, late=True),
    Fault(FaultKind.DELAY, seconds=3600),
    Fault(FaultKind.DROP),
    Fault(FaultKind.DUPLICATE),
)
"""Faults that no branch starts by."""
FOUND: Final = key("recorder.found", direction=Direction.HOME)
"""One that belongs to a `Recorder`."""


class SpawnSuite(WatchedSuite):
    """Inherit, and say how a branch is started and waited for. See `baggage.testing`.

    `tells` is whether waiting returns what the work returned, and raises what it raised.
    """

    tells: ClassVar[bool] = True

    @abstractmethod
    def spawn(self, work: Work) -> Wait:
        """Start work that runs beside the caller, at once; return what waits for it."""

    def seen_by_a_child(self, look: Work) -> object:
        """Return what a child sees."""
        seen: list[object] = []
        self.spawn(lambda: seen.append(look()))()
        return seen[0]

    # What travels

    def test_a_child_knows_what_its_parent_knew(self) -> None:
        pack("tenant", "acme")
        assert self.seen_by_a_child(lambda: unpack("tenant")) == ("acme",)

    def test_what_a_child_packs_comes_home_when_it_is_waited_for(self) -> None:
        pack("n", 1)
        packed = threading.Event()

        def work() -> None:
            pack("n", 2)
            packed.set()

        wait = self.spawn(work)
        assert packed.wait(60)
        assert unpack("n") == (1,)
        wait()
        assert unpack("n") == (1, 2)

    def test_a_parent_that_carried_nothing_learns_from_its_child(self) -> None:
        self.spawn(lambda: pack("n", 1))()
        assert unpack("n") == (1,)

    def test_to_wait_again_changes_nothing(self) -> None:
        context.ensure()
        wait = self.spawn(lambda: (pack("n", 1), pack(HOME, 1)))  # type: ignore[func-returns-value]
        for _ in range(3):
            wait()
        assert (unpack("n"), unpack(HOME)) == ((1,), (1,))

    def test_siblings_do_not_see_each_other(self) -> None:
        together = threading.Barrier(2)
        seen: list[object] = []

        def work(n: int) -> None:
            pack("n", n)
            together.wait(60)
            seen.append(unpack("n"))

        pack("n", 0)
        waits = [self.spawn(lambda n=n: work(n)) for n in (1, 2)]  # type: ignore[misc]
        for wait in waits:
            wait()
        assert sorted(seen, key=repr) == [(0, 1), (0, 2)]
        assert sorted(unpack("n"), key=repr) == [0, 1, 2]

    def test_many_children_bring_home_each_thing_once(self) -> None:
        pack("n", 0)
        waits = [self.spawn(lambda: pack("n", 1)) for _ in range(20)]
        for wait in waits:
            wait()
        assert sorted(unpack("n"), key=repr) == [0] + [1] * 20

    def test_a_child_does_not_see_what_its_parent_packs_later(self) -> None:
        later = threading.Event()
        seen: list[object] = []

        def work() -> None:
            assert later.wait(60)
            seen.append(unpack("n"))

        pack("n", 1)
        wait = self.spawn(work)
        pack("n", 2)
        later.set()
        wait()
        assert seen == [(1,)]

    def test_a_down_key_is_seen_by_a_child_and_does_not_come_home(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack(DOWN))
            pack(DOWN, "child's")

        with attached(EMPTY.with_down({DOWN: "parent's"})):
            self.spawn(work)()
            assert unpack(DOWN) == ("parent's",)
        assert seen == [("parent's",)]

    def test_a_home_key_comes_home_and_is_not_seen_by_a_child(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack(HOME))
            pack(HOME, "child's")

        pack(HOME, "parent's")
        self.spawn(work)()
        assert seen == [()]
        assert set(unpack(HOME)) == {"parent's", "child's"}

    def test_a_grandchild_comes_home_by_its_parent(self) -> None:
        def work() -> None:
            pack("n", 1)
            self.spawn(lambda: pack("n", 2))()

        pack("n", 0)
        self.spawn(work)()
        assert unpack("n") == (0, 1, 2)

    def test_a_warm_worker_starts_empty(self) -> None:
        for n in range(3):
            with attached(EMPTY.pack("n", n)):
                self.spawn(lambda: pack("left", 1))()
        assert self.seen_by_a_child(lambda: current().keys()) == ()

    def test_what_is_never_waited_for_goes_home_with_the_scope_or_to_its_owner(self) -> None:
        recorder = self.recorded(Kind.SERVER)
        arrival = self.boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
        assert arrival is not None
        go = threading.Event()
        with arrival.scope():
            arrival.begin()
            self.spawn(lambda: pack(FOUND, "at once"))
            self.spawn(lambda: (go.wait(60), pack(FOUND, "late")))  # type: ignore[func-returns-value]
            arrival.respond(None)
        arrival.close()
        go.set()
        recorder.wait(lambda it: len(it.lost) == 2)
        assert {value for _, value in recorder.lost} == {"at once", "late"}

    # What meta-applications see and do

    def test_a_start_and_a_run_are_crossings_of_the_same_place(self) -> None:
        recorder = self.recorded(Kind.SPAWN, Kind.RUN)
        self.spawn(lambda: None)()
        recorder.wait(lambda it: len(it.ended) == 2)
        start, run = (crossed.call for crossed in recorder.begun)
        assert (start.kind, run.kind) == (Kind.SPAWN, Kind.RUN)
        assert start.operation == run.operation
        assert start.site == run.site
        assert start.site.module == type(self).__module__
        assert start.source == HERE

    def test_what_a_flow_changes_at_the_start_is_for_the_child_alone(self) -> None:
        self.scripted(Kind.SPAWN, Proceed(down={DOWN: "child's"}))
        with attached(EMPTY.with_down({DOWN: "parent's"})):
            assert self.seen_by_a_child(lambda: unpack(DOWN)) == ("child's",)
            assert unpack(DOWN) == ("parent's",)

    def test_what_a_flow_changes_at_the_run_shows_in_the_child(self) -> None:
        self.scripted(Kind.RUN, Proceed(down={DOWN: "run's"}))
        assert self.seen_by_a_child(lambda: unpack(DOWN)) == ("run's",)
        assert branch() is None or unpack(DOWN) == ()

    @pytest.mark.parametrize("fault", NO_START, ids=str)
    def test_a_fault_at_the_start_that_cannot_be_enacted_leaves_the_child_to_run(
        self, fault: Fault
    ) -> None:
        scripted = self.scripted(Kind.SPAWN, Inject(fault))
        assert self.seen_by_a_child(lambda: "ran") == "ran"
        assert scripted.saw[0].injected is None

    @pytest.mark.parametrize("kind", [Kind.SPAWN, Kind.RUN])
    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    def test_a_meta_application_that_fails_is_isolated(
        self, kind: Kind, script: dict[str, Any]
    ) -> None:
        self.boundary.configure(Policy(service=HERE))
        self.scripted(kind, **script)
        pack("tenant", "acme")
        assert self.seen_by_a_child(lambda: unpack("tenant")) == ("acme",)

    def test_branches_of_a_meta_application_are_its_own_affair(self) -> None:
        recorder = self.recorded(Kind.SPAWN, Kind.RUN)
        pack("tenant", "acme")
        with suppressed():
            assert self.seen_by_a_child(lambda: current().keys()) == ()
        assert recorder.begun == []

    # The application notices nothing

    def test_an_exception_is_told_as_it_is(self) -> None:
        error = LookupError("the application's own")
        context.ensure()

        def work() -> None:
            pack("n", 1)
            raise error

        if self.tells:
            assert failure(self.spawn(work)) is error
            assert (error.__cause__, error.__context__) == (None, None)
            assert unpack("n") == (1,)

    def test_a_result_is_told_as_it_is(self) -> None:
        result = object()
        if self.tells:
            assert self.spawn(lambda: result)() is result

    def test_it_can_be_switched_off_and_on_again(self) -> None:
        pack("tenant", "acme")
        seen: list[object] = []
        for on in (True, False, True):
            self.switch.on = on
            seen.append(self.seen_by_a_child(lambda: unpack("tenant")))
        assert seen == [("acme",), (), ("acme",)]

    def test_a_child_that_has_ended_holds_nothing_of_its_parent(self) -> None:
        running = context.ensure()
        waits = [self.spawn(lambda: pack("n", 1)) for _ in range(3)]
        for wait in waits:
            wait()
        eventually(lambda: not running.family.release())
