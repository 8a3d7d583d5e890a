from __future__ import annotations

import gc
import logging
import math
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.context import branch
from metaapps.tracing.export.delivery import Retry
from metaapps.tracing.export.encoding import ZIPKIN_JSON
from metaapps.tracing.export.http import HttpSink
from metaapps.tracing.export.reporter import Reporter, Tally
from metaapps.tracing.export.sink import Unavailable
from metaapps.tracing.export.worker import Bell
from metaapps.tracing.span import Span
from tests.tracing.export.collecting import Answer, Collector, Received, numbered

SOON = Retry(first=0.001, longest=0.01)
LONG = 300.0


class Held:
    """A sink that keeps messages; each waits until `gate` is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self.messages: list[bytes] = []
        self.closed = threading.Event()
        self.muted: list[bool] = []

    def send(self, message: bytes) -> None:
        running = branch()
        self.muted.append(running is not None and running.muted)
        self.begun.release()
        self.gate.wait()
        self.messages.append(message)

    def close(self) -> None:
        self.closed.set()

    def forked(self) -> None:
        raise AssertionError("nobody forked")

    @property
    def ids(self) -> list[int]:
        return [each for message in self.messages for each in ids(message)]


def ids(message: bytes) -> list[int]:
    return Received("", {}, message, ("", 0)).ids


def to(server: Collector, **given: Any) -> Reporter:
    options: dict[str, Any] = {"interval": 0.005, "retry": SOON, **given}
    return Reporter(HttpSink(server.url, ZIPKIN_JSON), ZIPKIN_JSON, **options)


def report(reporter: Reporter, numbers: range) -> None:
    for number in numbers:
        reporter.report(numbered(number))


@pytest.fixture
def sink() -> Iterator[Held]:
    held = Held()
    yield held
    held.gate.set()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, logger="metaapps.tracing"):
        yield caplog


def test_spans_come_to_the_server_in_order() -> None:
    with Collector().serving() as server:
        reporter = to(server)
        report(reporter, range(1, 101))
        assert reporter.close(LONG)
    assert server.ids == list(range(1, 101))
    assert (reporter.sent, reporter.dropped) == (100, {})


def test_spans_are_sent_without_being_asked_for() -> None:
    with Collector().serving() as server:
        reporter = to(server)
        reporter.report(numbered(1))
        assert server.begun.get().ids == [1]
        reporter.report(numbered(2))
        assert server.begun.get().ids == [2]
        reporter.close(LONG)


def test_many_spans_are_sent_before_their_time() -> None:
    with Collector().serving() as server:
        reporter = to(server, interval=1e6)
        reporter.report(numbered(1))
        assert reporter.flush(LONG)
        server.begun.get()
        report(reporter, range(2, 2002))
        assert server.begun.get().ids
        reporter.close(LONG)


def test_nothing_is_opened_or_started_before_the_first_span(sink: Held) -> None:
    threads = threading.active_count()
    reporter = Reporter(sink, ZIPKIN_JSON)
    assert reporter.flush(LONG)
    assert reporter.close(LONG)
    assert threading.active_count() == threads
    assert not sink.closed.is_set()
    assert (reporter.sent, reporter.dropped) == (0, {})


def test_one_thread_sends_all_that_many_report() -> None:
    with Collector().serving() as server:
        reporter = to(server, capacity=10**6)
        starts = range(1, 8001, 1000)
        threads = [
            threading.Thread(target=report, args=(reporter, range(start, start + 1000)))
            for start in starts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reporter.close(LONG)
    assert sorted(server.ids) == list(range(1, 8001))
    assert len({received.client for received in server.received}) == 1


def test_the_application_never_waits(sink: Held) -> None:
    """The server takes nothing; all reports return."""
    sink.gate.clear()
    reporter = Reporter(sink, ZIPKIN_JSON, capacity=100, interval=0.001)
    reporter.report(numbered(1))
    sink.begun.acquire()
    report(reporter, range(2, 1001))
    assert sink.messages == []
    assert reporter.dropped == {"queue full": 899}
    assert not reporter.flush(0.0)
    sink.gate.set()
    assert reporter.close(LONG)
    assert sink.ids == list(range(1, 102))[:101]
    assert (reporter.sent, reporter.dropped) == (101, {"queue full": 899})


@given(
    sizes=st.lists(st.integers(0, 2000), max_size=40),
    limit=st.integers(300, 3000),
    flushes=st.sets(st.integers(0, 39), max_size=3),
)
def test_messages_are_bounded_and_hold_every_span_that_fits(
    sizes: list[int], limit: int, flushes: set[int]
) -> None:
    sink = Held()
    reporter = Reporter(sink, ZIPKIN_JSON, message_bytes=limit, interval=1e6)
    spans = [numbered(number, "x" * size) for number, size in enumerate(sizes, 1)]
    for place, span in enumerate(spans):
        reporter.report(span)
        if place in flushes:
            assert reporter.flush(LONG)
    assert reporter.close(LONG)
    fits = [
        number for number, span in enumerate(spans, 1) if len(ZIPKIN_JSON.span(span)) + 3 <= limit
    ]
    assert sink.ids == fits
    assert all(len(message) <= limit for message in sink.messages)
    assert reporter.dropped.get("too large", 0) == len(spans) - len(fits)


def test_messages_have_at_most_half_a_million_bytes(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON)
    for number in range(1, 21):
        reporter.report(numbered(number, "x" * 100_000))
    assert reporter.close(LONG)
    assert [len(ids(message)) for message in sink.messages] == [4] * 5
    assert all(len(message) <= 500_000 for message in sink.messages)


def test_a_span_that_no_message_has_room_for_is_dropped(
    sink: Held, said: pytest.LogCaptureFixture
) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, interval=1e6)
    spans = [numbered(1), numbered(2, "x" * 500_000), numbered(3)]
    for span in spans:
        reporter.report(span)
    assert reporter.close(LONG)
    assert sink.ids == [1, 3]
    assert reporter.dropped == {"too large": 1}
    assert "in messages of 500000 at most" in said.text


def test_a_span_that_cannot_be_written_is_dropped(
    sink: Held, said: pytest.LogCaptureFixture
) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, interval=1e6)
    broken: Any = None
    for span in (numbered(1), numbered(2, "odd", tags=broken), numbered(3)):
        reporter.report(span)
    assert reporter.close(LONG)
    assert sink.ids == [1, 3]
    assert reporter.dropped == {"not encodable": 1}
    assert "span 'odd'" in said.text


def test_spans_that_are_refused_for_now_are_sent_again() -> None:
    answers = iter([Answer(503), Answer(500), Answer(429)])
    with Collector(lambda _: next(answers, Answer())).serving() as server:
        reporter = to(server)
        report(reporter, range(1, 4))
        assert reporter.close(LONG)
    assert server.ids == [1, 2, 3]
    assert (reporter.sent, reporter.dropped) == (3, {})


def test_a_server_that_asks_for_a_wait_is_left_alone_so_long() -> None:
    answers = iter([Answer(429, headers={"Retry-After": "3600"})])
    with Collector(lambda _: next(answers, Answer())).serving() as server:
        reporter = to(server, retry=replace(SOON, patience=1e6))
        reporter.report(numbered(1))
        server.begun.get()
        assert not reporter.flush(0.2)
        assert server.begun.empty()
        assert not reporter.close(0.0)
    assert reporter.sent == 0


def test_a_server_that_comes_up_gets_what_was_reported_before() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        sink = Watched(HttpSink(f"http://127.0.0.1:{port}", ZIPKIN_JSON))
        reporter = Reporter(sink, ZIPKIN_JSON, interval=0.001, retry=replace(SOON, attempts=10**6))
        report(reporter, range(1, 4))
        for _ in range(3):
            sink.failed.acquire()
    with Collector().serving(port) as server:
        assert reporter.flush(LONG)
        assert reporter.close(LONG)
    assert server.ids == [1, 2, 3]
    assert reporter.dropped == {}


class Watched:
    """A sink that tells of each failure."""

    def __init__(self, sink: HttpSink) -> None:
        self._sink = sink
        self.failed = threading.Semaphore(0)
        self.close = sink.close
        self.forked = sink.forked

    def send(self, message: bytes) -> None:
        try:
            self._sink.send(message)
        except Unavailable:
            self.failed.release()
            raise


def test_a_server_that_stays_down_costs_the_spans(said: pytest.LogCaptureFixture) -> None:
    with Collector().serving() as server:
        pass
    reporter = to(server, retry=replace(SOON, attempts=3))
    report(reporter, range(1, 4))
    assert reporter.flush(LONG)
    assert reporter.dropped == {"unavailable": 3}
    report(reporter, range(4, 6))
    assert reporter.close(LONG)
    assert (reporter.sent, reporter.dropped) == (0, {"unavailable": 5})
    assert len(said.messages) == 1
    assert "refused" in said.messages[0]


def test_one_bad_span_does_not_cost_the_others(said: pytest.LogCaptureFixture) -> None:
    def strict(received: Received) -> Answer:
        return Answer(400, b"no 7s\n") if 7 in received.ids else Answer()

    with Collector(strict).serving() as server:
        reporter = to(server, interval=1e6)
        report(reporter, range(1, 21))
        assert reporter.close(LONG)
    assert server.ids == [each for each in range(1, 21) if each != 7]
    assert (reporter.sent, reporter.dropped) == (19, {"refused": 1})
    assert len(said.messages) == 1
    assert said.messages[0].endswith("says 400 no 7s")


def test_a_server_that_wants_none_of_it_is_told_of_once(said: pytest.LogCaptureFixture) -> None:
    with Collector(lambda _: Answer(403, b"who are you?")).serving() as server:
        reporter = to(server)
        for first in range(1, 10, 3):
            report(reporter, range(first, first + 3))
            assert reporter.flush(LONG)
        reporter.close(LONG)
    assert reporter.dropped == {"refused": 9}
    assert len(said.messages) == 1
    assert "403 who are you?" in said.messages[0]


def test_an_answer_that_was_lost_makes_spans_come_twice_rather_than_never() -> None:
    lost = iter([Answer(0)])
    with Collector(lambda _: next(lost, Answer())).serving() as server:
        reporter = to(server)
        reporter.report(numbered(1))
        assert reporter.close(LONG)
    assert [server.begun.get_nowait().ids for _ in range(2)] == [[1], [1]]
    assert server.begun.empty()
    assert reporter.sent == 1


def test_a_connection_that_closes_in_between_makes_nothing_come_twice() -> None:
    with Collector(lambda _: Answer(hang_up=True)).serving() as server:
        reporter = to(server, retry=replace(SOON, attempts=1))
        for number in range(1, 11):
            reporter.report(numbered(number))
            assert reporter.flush(LONG)
            server.hung_up.get()
        reporter.close(LONG)
    assert server.ids == list(range(1, 11))
    assert reporter.dropped == {}


def test_flush_waits_for_what_was_reported_before(sink: Held) -> None:
    sink.gate.clear()
    reporter = Reporter(sink, ZIPKIN_JSON, interval=1e6)
    reporter.report(numbered(1))
    assert not reporter.flush(0.0)
    sink.gate.set()
    assert reporter.flush(LONG)
    assert sink.ids == [1]
    assert reporter.flush(LONG)
    reporter.close(LONG)


def test_many_may_flush_at_once(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, interval=1e6)
    done: list[bool] = []

    def work(first: int) -> None:
        for number in range(first, first + 20):
            reporter.report(numbered(number))
            done.append(reporter.flush(LONG) and number in sink.ids)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(1, 81, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True] * 80
    reporter.close(LONG)


def test_what_comes_after_the_end_is_dropped_and_counted(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, interval=1e6)
    reporter.report(numbered(1))
    assert reporter.close(LONG)
    report(reporter, range(2, 5))
    assert reporter.flush(LONG)
    assert reporter.close(LONG)
    assert sink.ids == [1]
    assert (reporter.sent, reporter.dropped) == (1, {"closed": 3})
    assert sink.closed.is_set()


def test_what_is_not_sent_in_time_is_dropped_and_counted(sink: Held) -> None:
    sink.gate.clear()
    reporter = Reporter(sink, ZIPKIN_JSON, interval=0.001)
    reporter.report(numbered(1))
    sink.begun.acquire()
    report(reporter, range(2, 5))
    assert not reporter.close(0.0)
    sink.gate.set()
    assert sink.closed.wait(LONG)
    assert sink.ids == [1]
    assert (reporter.sent, reporter.dropped) == (1, {"closed": 3})


def test_all_that_the_thread_does_is_invisible_to_instrumentations(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON)
    reporter.report(numbered(1))
    assert reporter.close(LONG)
    assert sink.muted == [True]


def test_a_full_queue_is_logged_once_by_the_thread(
    sink: Held, said: pytest.LogCaptureFixture
) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, capacity=1, interval=0.001)
    for _ in range(2):
        sink.gate.clear()
        reporter.report(numbered(1))
        sink.begun.acquire()
        report(reporter, range(2, 10))
        sink.gate.set()
        assert reporter.flush(LONG)
    reporter.close(LONG)
    assert [message for message in said.messages if "queue full" in message] == [
        "spans are lost, queue full: spans end faster than they are sent"
    ]
    assert {record.threadName for record in said.records} != {"MainThread"}


def test_a_filter_that_fails_does_not_end_the_thread(sink: Held) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise ZeroDivisionError(record)

    logger = logging.getLogger("metaapps.tracing")
    logger.addFilter(fail)
    try:
        reporter = Reporter(sink, ZIPKIN_JSON)
        no_span: Any = None
        reporter.report(no_span)
        assert reporter.flush(LONG)
        reporter.report(numbered(1))
        assert reporter.close(LONG)
    finally:
        logger.removeFilter(fail)
    assert (sink.ids, reporter.dropped) == ([1], {"not encodable": 1})


def test_one_may_wait_for_ever(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, interval=math.inf)
    reporter.report(numbered(1))
    assert reporter.flush(math.inf)
    assert reporter.close(math.inf)
    assert sink.ids == [1]


def test_signal_handlers_report_whatever_they_interrupt(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, capacity=50, interval=0.001)
    handled = []

    def handle(*_: object) -> None:
        handled.append(1)
        reporter.report(numbered(2))

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    reported = 0
    try:
        while len(handled) < 200:
            reporter.report(numbered(1))
            reported += 1
            if reported % 10 == 0:
                assert reporter.dropped.keys() <= {"queue full"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert reporter.close(LONG)
    dropped = reporter.dropped.get("queue full", 0)
    assert reporter.sent + dropped == reported + len(handled)
    assert reporter.sent == len(sink.ids)


def test_finalizers_report(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON, capacity=10**6)

    class Ending:
        def __init__(self, number: int) -> None:
            self.number = number
            self.circle = self

        def __del__(self) -> None:
            reporter.report(numbered(self.number))

    for number in range(1, 5001):
        Ending(number)
        if number % 100 == 0:
            reporter.flush(LONG)
    gc.collect()
    assert reporter.close(LONG)
    assert sorted(sink.ids) == list(range(1, 5001))


def test_a_tally_counts_every_thread_and_however_often_one_looks() -> None:
    tally = Tally()
    seen: list[int] = []

    def work() -> None:
        for _ in range(500):
            tally.add()
            seen.append(tally.value())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.value() == tally.value() == 2000
    assert max(Counter(seen).values()) <= 4


def test_a_bell_wakes_once_however_often_it_rang() -> None:
    bell = Bell()
    assert not bell.wait(0.0)
    bell.ring()
    bell.ring()
    assert bell.wait(LONG)
    assert not bell.wait(0.0)


def test_reports_return_while_nobody_can_start_a_thread(
    sink: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the interpreter ends, or a container has no more."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    reporter = Reporter(sink, ZIPKIN_JSON, capacity=3)
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", refuse)
        report(reporter, range(1, 6))
        assert reporter.dropped == {"queue full": 2}
        assert reporter.flush(LONG)
        assert sink.ids == [1, 2, 3]
        reporter.report(numbered(6))
    reporter.report(numbered(7))
    assert reporter.close(LONG)
    assert sink.ids == [1, 2, 3, 6, 7]
    assert reporter.sent == 5


def test_a_span_keeps_what_it_had_when_it_was_reported(sink: Held) -> None:
    reporter = Reporter(sink, ZIPKIN_JSON)
    span: Span = numbered(1, "A")
    reporter.report(span)
    assert reporter.close(LONG)
    assert sink.messages == [ZIPKIN_JSON.message([ZIPKIN_JSON.span(span)])]
