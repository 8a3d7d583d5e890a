"""Tracing into memory for the time of a test, which fails if it leaves something behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from baggage.boundary import UNKNOWN_SITE
from baggage.context import enter, leave
from baggage.runtime import PROCESS, register, unregister
from metaapps.tracing.app import NAME, Tracing
from metaapps.tracing.handle import Handle
from metaapps.tracing.testing.determined import Ticking, counted_ids
from metaapps.tracing.testing.recorded import Recorded

_PATIENCE: Final = 5.0


class Leak(AssertionError):
    """A span was left unfinished, or current."""


@pytest.fixture
def traced() -> Iterator[Recorded]:
    """Trace what a test does in this process, into memory; yield what was recorded.

    Ids are 1, 2, 3 and so on. Whatever traced the process before does so again afterwards. If a
    span is unfinished at the end of the test, or current, that is an error of the test, which says
    where the span was started. Other threads have five seconds to finish.
    """
    with recording() as recorded:
        yield recorded


@contextmanager
def recording(
    *,
    ids: Callable[[int], bytes] | None = None,
    clock: Ticking | None = None,
    patience: float = _PATIENCE,
    **options: Any,
) -> Iterator[Recorded]:
    """Trace a block into memory, as `traced` does a test.

    `options` are those of `Tracing` and `Tracer`, such as `share`, `sampler` and `local`. Other
    threads have `patience` seconds to finish after the block. Raises Leak at its end, unless the
    block raises. The block is in no trace when it begins.
    """
    if clock is not None:
        options |= {"now": clock.now, "ticks": clock.ticks}
    recorded = Recorded()
    tracing = Tracing(
        recorded.report, ids=ids or counted_ids(), started=recorded.started, **options
    )
    before = next((app for app in PROCESS.boundary.apps if app.name == NAME), None)
    register(tracing)
    token = enter(None)
    try:
        yield recorded
        recorded.wait(patience)
        left = _left(recorded, tuple(tracing.tracer.live.values()))
    finally:
        leave(token)
        if before is None:
            unregister(NAME)
        else:
            register(before)
    if left:
        raise Leak("\n".join(left))


def _left(recorded: Recorded, current: tuple[Handle, ...]) -> list[str]:
    """Say which spans haven't ended, and which of the others are current still."""
    unfinished = recorded.unfinished
    for handle in unfinished:
        handle.finish()  # so that it says its name
    left = [f"{_named(handle, recorded)} was never finished" for handle in unfinished]
    return left + [
        f"{_named(handle, recorded)} has ended and is still the current span: its scope wasn't left"
        for handle in current
        if not any(handle is each for each in unfinished)
    ]


def _named(handle: Handle, recorded: Recorded) -> str:
    place = recorded.place(handle)
    where = "" if place in {None, UNKNOWN_SITE} else f", started at {place},"
    names = (span.name for span in recorded.spans if span.position == handle.position)
    return f"span {next(names, '')!r} ({handle.span_id}){where}"
