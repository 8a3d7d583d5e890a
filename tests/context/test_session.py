"""Sessions override settings for a block, and sandbox synchronous tests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

import baggage
from baggage.context import branch, override, session
from baggage.values import EMPTY


def test_what_is_not_overridden_is_none() -> None:
    assert [override(name) for name in ("name", "strict", "budget", "service")] == [None] * 4
    assert dict(session.current) == dict.fromkeys(("name", "strict", "budget", "service"))


def test_overrides_hold_within_a_block_and_nest() -> None:
    with session.overridden(name="outer", strict=True, budget=0) as current:
        with session.overridden(strict=False, service="shop"):
            assert (override("strict"), override("service")) == (False, "shop")
            assert (current.name, override("budget")) == ("outer", 0)
        assert (override("strict"), override("service")) == (True, None)
    assert (override("strict"), current.name) == (None, None)


def test_overrides_end_when_a_block_raises() -> None:
    with pytest.raises(KeyError), session.overridden(strict=True):
        raise KeyError
    assert override("strict") is None


def test_tasks_do_not_disturb_one_another() -> None:
    async def task(name: str) -> str | None:
        with session.overridden(name=name):
            await asyncio.sleep(0)
            return override("name")

    async def both() -> list[str | None]:
        return list(await asyncio.gather(task("one"), task("other")))

    assert asyncio.run(both()) == ["one", "other"]


def test_a_session_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        session.current.strickt = True


def test_nothing_of_a_sandboxed_test_is_seen_outside() -> None:
    @session.sandboxed
    def test(value: int, *, name: str) -> set[baggage.Value]:
        """Keep this."""
        session.current.name = name
        baggage.pack("k", value)
        return set(baggage.unpack("k"))

    with baggage.attached(EMPTY.pack("k", 1)) as running:
        assert test(2, name="inside") == test(2, name="again") == {1, 2}
        assert running.unpack("k") == (1,)
        assert branch() is running
    assert override("name") is None
    assert test.__doc__ == "Keep this."


def test_a_sandbox_needs_no_branch_around_it() -> None:
    assert session.sandboxed(branch)() is branch()


async def _coroutine() -> None: ...
def _generator() -> Iterator[None]:
    yield


async def _async_generator() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("later", [_coroutine, _generator, _async_generator])
def test_what_runs_after_its_sandbox_is_refused(later: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="plain functions"):
        session.sandboxed(later)


def test_importing_baggage_does_not_import_contextvars_extras() -> None:
    code = "import sys, baggage; sys.exit('contextvars_extras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
