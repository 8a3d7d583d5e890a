"""What holds for everything that starts branches of execution on an event loop.

The same as for threads (`spawn`), said of coroutines. Where work runs in a thread of the loop's
executor, `by_hand` runs it there.
"""

from __future__ import annotations

import asyncio

import pytest

from baggage import context
from baggage.boundary import Kind
from baggage.context import attached, current, enter, leave, pack, unpack
from baggage.testing._task_flows import TaskFlows
from baggage.testing._tasks import (
    AsyncWait,
    AsyncWork,
    by_hand,
    failure_of,
    on_a_loop,
    until,
)
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.spawn import DOWN, FOUND, HOME
from baggage.values import EMPTY

__all__ = ["AsyncWait", "AsyncWork", "TaskSuite", "by_hand", "failure_of", "on_a_loop", "until"]


class TaskSuite(TaskFlows):
    """Inherit, and say how a coroutine is started and waited for. See `baggage.testing`.

    `tells` is whether waiting returns what the work returned, and raises what it raised.
    """

    # What travels

    @on_a_loop
    async def test_a_child_knows_what_its_parent_knew(self) -> None:
        pack("tenant", "acme")
        assert await self.seen_by_a_child(lambda: unpack("tenant")) == ("acme",)

    @on_a_loop
    async def test_what_a_child_packs_comes_home_when_it_is_waited_for(self) -> None:
        pack("n", 1)
        wait = self.spawn(self.packing(("n", 2)))
        await wait()
        assert unpack("n") == (1, 2)

    @on_a_loop
    async def test_what_a_child_packs_does_not_come_home_before(self) -> None:
        pack("n", 1)
        packed: list[None] = []

        async def work() -> None:
            pack("n", 2)
            packed.append(None)

        wait = self.spawn(work)
        await until(lambda: packed)
        for _ in range(5):
            await asyncio.sleep(0)
        assert unpack("n") == (1,)
        await wait()
        assert unpack("n") == (1, 2)

    @on_a_loop
    async def test_a_parent_that_carried_nothing_learns_from_its_child(self) -> None:
        token = enter(None)
        await self.spawn(self.packing(("n", 1)))()
        assert unpack("n") == (1,)
        leave(token)

    @on_a_loop
    async def test_to_wait_again_changes_nothing(self) -> None:
        wait = self.spawn(self.packing(("n", 1), (HOME, 1)))
        for _ in range(3):
            await wait()
        assert (unpack("n"), unpack(HOME)) == ((1,), (1,))

    @on_a_loop
    async def test_siblings_do_not_see_each_other(self) -> None:
        seen: list[object] = []
        packed: list[int] = []

        async def work(n: int) -> None:
            pack("n", n)
            packed.append(n)
            await until(lambda: len(packed) == 2)
            seen.append(unpack("n"))

        pack("n", 0)
        waits = [self.spawn(lambda n=n: work(n)) for n in (1, 2)]  # type: ignore[misc]
        for wait in waits:
            await wait()
        assert sorted(seen, key=repr) == [(0, 1), (0, 2)]
        assert sorted(unpack("n"), key=repr) == [0, 1, 2]

    @on_a_loop
    async def test_many_children_bring_home_each_thing_once(self) -> None:
        pack("n", 0)
        waits = [self.spawn(self.packing(("n", 1))) for _ in range(20)]
        for wait in waits:
            await wait()
        assert sorted(unpack("n"), key=repr) == [0] + [1] * 20

    @on_a_loop
    async def test_a_child_does_not_see_what_its_parent_packs_later(self) -> None:
        later: list[None] = []
        seen: list[object] = []

        async def work() -> None:
            await until(lambda: later)
            seen.append(unpack("n"))

        pack("n", 1)
        wait = self.spawn(work)
        pack("n", 2)
        later.append(None)
        await wait()
        assert seen == [(1,)]

    @on_a_loop
    async def test_a_down_key_is_seen_by_a_child_and_does_not_come_home(self) -> None:
        seen: list[object] = []

        async def work() -> None:
            seen.append(unpack(DOWN))
            pack(DOWN, "child's")

        with attached(EMPTY.with_down({DOWN: "parent's"})):
            await self.spawn(work)()
            assert unpack(DOWN) == ("parent's",)
        assert seen == [("parent's",)]

    @on_a_loop
    async def test_a_home_key_comes_home_and_is_not_seen_by_a_child(self) -> None:
        seen: list[object] = []

        async def work() -> None:
            seen.append(unpack(HOME))
            pack(HOME, "child's")

        pack(HOME, "parent's")
        await self.spawn(work)()
        assert seen == [()]
        assert set(unpack(HOME)) == {"parent's", "child's"}

    @on_a_loop
    async def test_a_grandchild_comes_home_by_its_parent(self) -> None:
        async def work() -> None:
            pack("n", 1)
            await self.spawn(self.packing(("n", 2)))()

        pack("n", 0)
        await self.spawn(work)()
        assert unpack("n") == (0, 1, 2)

    @on_a_loop
    async def test_what_ran_before_leaves_nothing_to_the_next(self) -> None:
        for n in range(3):
            with attached(EMPTY.pack("n", n)):
                await self.spawn(self.packing(("left", 1)))()
        assert await self.seen_by_a_child(lambda: current().keys()) == ()

    @on_a_loop
    async def test_what_is_never_waited_for_goes_home_with_the_scope_or_to_its_owner(self) -> None:
        recorder = self.recorded(Kind.SERVER)
        arrival = self.boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
        assert arrival is not None
        go: list[None] = []

        async def late() -> None:
            await until(lambda: go)
            pack(FOUND, "late")

        with arrival.scope():
            arrival.begin()
            forgotten = [self.spawn(self.packing((FOUND, "at once"))), self.spawn(late)]
            arrival.respond(None)
        arrival.close()
        go.append(None)
        await until(lambda: len(recorder.lost) == 2)
        assert {value for _, value in recorder.lost} == {"at once", "late"}
        del forgotten

    # The application notices nothing

    @pytest.mark.parametrize("watched", [False, True])
    @on_a_loop
    async def test_an_exception_is_told_as_it_is(self, watched: bool) -> None:
        self.recorded(*([Kind.RUN] if watched else []))
        error = LookupError("the application's own")

        async def work() -> None:
            pack("n", 1)
            raise error

        wait = self.spawn(work)
        if self.tells:
            assert await failure_of(wait()) is error
            assert (error.__cause__, error.__context__) == (None, None)
            assert unpack("n") == (1,)

    @pytest.mark.parametrize("watched", [False, True])
    @on_a_loop
    async def test_a_result_is_told_as_it_is(self, watched: bool) -> None:
        self.recorded(*([Kind.RUN] if watched else []))
        result = object()

        async def work() -> object:
            await asyncio.sleep(0)
            return result

        told = await self.spawn(work)()
        assert not self.tells or told is result

    @on_a_loop
    async def test_it_can_be_switched_off_and_on_again(self) -> None:
        seen: list[object] = []
        for on in (True, False, True):
            self.switch.on = on
            with attached(EMPTY):
                await self.spawn(self.packing(("n", 1)))()
                seen.append((unpack("n"), current().keys()))
        assert seen[0] == seen[2] == ((1,), ("n",))

    @on_a_loop
    async def test_a_child_that_has_ended_holds_nothing_of_its_parent(self) -> None:
        running = context.ensure()
        waits = [self.spawn(self.packing(("n", 1))) for _ in range(3)]
        for wait in waits:
            await wait()
        await until(lambda: not running.family.release())
