"""What applications say of times, in whatever type they have them."""

from __future__ import annotations

from typing import Any

import pytest

from metaapps.tracing.export import zipkin
from tests.tracing.tracers import Traced


@pytest.mark.parametrize("said", [1_500_000.7, "1500000", 1_500_000])
def test_times_are_whole_microseconds_whatever_they_were_said_in(said: Any) -> None:
    traced = Traced()
    traced.start(at=said).annotate("half", at=said).finish(at=said)
    traced.start().finish(duration=said)
    (first, second) = traced.spans
    assert (first.timestamp, first.duration) == (1_500_000, 1)
    assert first.annotations[0].timestamp == 1_500_000
    assert second.duration == 1_500_000
    assert b".7" not in zipkin.encode(first) + zipkin.encode(second)


class Broken:
    def __int__(self) -> int:
        raise RuntimeError("no number")


@pytest.mark.parametrize("said", [float("nan"), float("inf"), "soon", Broken(), object()])
def test_what_is_no_time_is_as_if_unsaid(said: Any) -> None:
    traced = Traced()
    traced.start(at=said).annotate("half", at=said).finish(at=said, duration=said)
    (span,) = traced.spans
    assert span.timestamp >= 1_000_000
    assert span.annotations[0].timestamp >= 1_000_000
    assert span.duration >= 1
