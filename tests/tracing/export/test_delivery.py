from __future__ import annotations

import logging
from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaapps.tracing.export.delivery import Delivery, Losses, Retry
from metaapps.tracing.export.lines import JSON_LINES
from metaapps.tracing.export.sink import Refused, Unavailable

Send = Callable[[list[bytes]], None]


class Scripted:
    """A sink that does with each message, taken apart, what a test says."""

    def __init__(self, take: Send) -> None:
        self._take = take
        self.taken: list[bytes] = []
        self.asked = 0

    def send(self, message: bytes) -> None:
        self.asked += 1
        spans = message.split(b"\n")[:-1]
        self._take(spans)
        self.taken += spans

    def close(self) -> None:
        raise AssertionError("not the delivery's to do")

    def forked(self) -> None:
        raise AssertionError("not the delivery's to do")


class Waits(list[float]):
    """A pause that doesn't wait, but remembers how long it should have."""

    def __call__(self, seconds: float) -> bool:
        self.append(seconds)
        return True


def spans(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def make(
    take: Send, retry: Retry | None = None, pause: Callable[[float], bool] | None = None
) -> tuple[Scripted, Delivery, Losses]:
    sink, losses = Scripted(take), Losses()
    pause = Waits() if pause is None else pause
    return sink, Delivery(sink, JSON_LINES, retry or Retry(), losses, pause), losses


def choosy(bad: Collection[bytes]) -> Send:
    """Refuse messages with bad spans in them, all of a message for one."""

    def take(spans: list[bytes]) -> None:
        if not set(bad).isdisjoint(spans):
            raise Refused("a bad span", divisible=True)

    return take


def failing(times: int, after: float | None = None) -> Send:
    """Fail so many times, then take everything."""
    left = [times]

    def take(spans: list[bytes]) -> None:
        if left[0]:
            left[0] -= 1
            raise Unavailable("not now", after=after)

    return take


@given(st.integers(1, 1000), st.sets(st.integers(0, 999), max_size=4))
def test_a_few_bad_spans_cost_nobody_else(count: int, bad: set[int]) -> None:
    batch, chosen = spans(count), {b"%d" % number for number in bad}
    sink, delivery, losses = make(choosy(chosen))
    delivery.deliver(batch)
    good = [span for span in batch if span not in chosen]
    assert sink.taken == good
    assert delivery.sent == len(good)
    assert losses.counts.get("refused", 0) == count - len(good)


@given(st.integers(1, 5000))
def test_a_server_that_refuses_everything_is_not_asked_for_ever(count: int) -> None:
    sink, delivery, losses = make(choosy(spans(count)))
    delivery.deliver(spans(count))
    assert sink.asked < 150
    assert losses.counts == {"refused": count}


def test_what_is_refused_as_a_whole_is_not_tried_in_parts() -> None:
    def take(spans: list[bytes]) -> None:
        raise Refused("403")

    sink, delivery, losses = make(take)
    delivery.deliver(spans(10))
    assert (sink.asked, losses.counts) == (1, {"refused": 10})


@given(st.integers(0, 5))
def test_a_message_is_tried_until_it_is_taken(failures: int) -> None:
    waits = Waits()
    sink, delivery, losses = make(failing(failures), Retry(attempts=6), waits)
    delivery.deliver(spans(3))
    assert sink.taken == spans(3)
    assert (sink.asked, len(waits), losses.counts) == (failures + 1, failures, {})


def test_a_message_that_nobody_takes_is_dropped_after_so_many_attempts() -> None:
    sink, delivery, losses = make(failing(100), Retry(attempts=4))
    delivery.deliver(spans(3))
    assert (sink.asked, losses.counts) == (4, {"unavailable": 3})
    assert delivery.sent == 0


def test_the_parts_that_are_left_are_not_tried_when_one_finds_nobody() -> None:
    calls = []

    def take(some: list[bytes]) -> None:
        calls.append(len(some))
        if len(some) == 8:
            raise Refused("bad", divisible=True)
        raise Unavailable("gone")

    _, delivery, losses = make(take, Retry(attempts=2))
    delivery.deliver(spans(8))
    assert calls == [8, 4, 4]
    assert losses.counts == {"unavailable": 8}


def test_nothing_is_tried_again_when_there_is_no_time_for_it() -> None:
    sink, delivery, losses = make(failing(1), pause=lambda _: False)
    delivery.deliver(spans(3))
    assert (sink.asked, losses.counts) == (1, {"unavailable": 3})


@given(st.integers(1, 60))
def test_waits_double_up_to_a_bound_and_are_cut_at_random(failures: int) -> None:
    retry = Retry(first=0.5, longest=8.0)
    whole = min(0.5 * 2 ** (failures - 1), 8.0)
    assert whole / 2 <= retry.wait(failures, None) <= whole
    assert len({retry.wait(failures, None) for _ in range(10)}) > 1


@given(st.floats(-10, 1e9))
def test_a_longer_wait_that_was_asked_for_is_kept_within_bounds(asked: float) -> None:
    waited = Retry(first=0.5, patience=30.0).wait(1, asked)
    if asked > 0.5:
        assert waited == min(asked, 30.0)
    else:
        assert 0.25 <= waited <= 0.5


def test_a_server_gets_the_wait_that_it_asks_for() -> None:
    waits = Waits()
    _, delivery, _ = make(failing(2, after=7.0), pause=waits)
    delivery.deliver(spans(1))
    assert waits == [7.0, 7.0]


def test_a_sink_that_is_broken_loses_its_spans_alone(caplog: pytest.LogCaptureFixture) -> None:
    def take(some: list[bytes]) -> None:
        if some == [b"1"]:
            raise ZeroDivisionError("a bug")

    sink, delivery, losses = make(take)
    for span in spans(3):
        delivery.deliver([span])
    assert sink.taken == [b"0", b"2"]
    assert losses.counts == {"failed": 1}
    assert "ZeroDivisionError" in caplog.text


def test_each_cause_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses()
    with caplog.at_level(logging.DEBUG, "metaapps.tracing"):
        for cause in ("refused", "unavailable", "refused"):
            losses.add(cause, 2, f"because it's {cause}")
    assert losses.counts == {"refused": 4, "unavailable": 2}
    assert caplog.messages == [
        "spans are lost, refused: because it's refused",
        "spans are lost, unavailable: because it's unavailable",
    ]
