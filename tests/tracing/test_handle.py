"""A span is said things and ended by whoever holds it, wherever that is."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from baggage import context
from baggage.context import Branch
from baggage.values import EMPTY
from metaapps.tracing import Annotation, Handle, Kind, Peer
from tests import ipv6
from tests.tracing.tracers import Traced, ticking


@pytest.fixture(autouse=True)
def _own_branch() -> Iterator[None]:
    with context.attached(EMPTY):
        yield


@pytest.fixture
def traced() -> Traced:
    return Traced()


def test_equal_notes_are_all_kept_in_their_order(traced: Traced) -> None:
    span = traced.start()
    span.annotate("sent").annotate("sent").annotate("came", at=7).finish()
    assert traced.spans[0].annotations == (
        Annotation(1_000_001, "sent"),
        Annotation(1_000_002, "sent"),
        Annotation(7, "came"),
    )


def test_the_last_value_of_a_tag_counts_and_is_text(traced: Traced) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("none of your business")

    span = traced.start().tag("n", 1).tag("n", 2).tag("yes", True).tag("none", None)
    span.tag("text", "as it is").tag("odd", Unspeakable()).finish()
    assert traced.spans[0].tags == {
        "n": "2",
        "yes": "true",
        "none": "None",
        "text": "as it is",
        "odd": "<Unspeakable>",
    }


def test_a_span_may_be_renamed_and_says_what_kind_it_is(traced: Traced) -> None:
    traced.start("early", kind=Kind.PRODUCER).rename("late").finish()
    assert (traced.spans[0].name, traced.spans[0].kind) == ("late", Kind.PRODUCER)


def test_what_is_said_of_a_side_adds_to_what_was_said_before(traced: Traced) -> None:
    span = traced.start().remote("catalog").remote(host="10.0.0.1").remote(port=80)
    span.local(host="10.0.0.2", port=5000).finish()
    assert traced.spans[0].remote == Peer("catalog", "10.0.0.1", 80)
    assert traced.spans[0].local == Peer("shop", "10.0.0.2", 5000)


def test_the_local_side_may_be_another_service(traced: Traced) -> None:
    traced.start().local("mirror").finish()
    assert traced.spans[0].local == Peer("mirror")


@pytest.mark.parametrize(
    "family", [socket.AF_INET, pytest.param(socket.AF_INET6, marks=ipv6.MARKS)]
)
def test_a_socket_tells_both_addresses(traced: Traced, family: socket.AddressFamily) -> None:
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with (
        socket.create_server((host, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        traced.start().over(client).finish()
        here, there = client.getsockname()[:2], server.getsockname()[:2]
    assert traced.spans[0].local == Peer("shop", *here)
    assert traced.spans[0].remote == Peer("", *there)


def test_what_is_no_connected_internet_socket_tells_nothing(traced: Traced) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    one.close()
    unconnected = socket.socket()
    for sock in (one, other, unconnected, None, object()):
        traced.start().remote("catalog").over(sock).finish()
    other.close()
    unconnected.close()
    assert {span.remote for span in traced.spans} == {Peer("catalog")}
    assert {span.local.service for span in traced.spans} == {"shop"}


def test_a_span_belongs_to_the_service_that_began_it(traced: Traced) -> None:
    with context.attached(Branch(EMPTY, "catalog")):
        span = traced.start()
    span.finish()
    assert traced.spans[0].local == Peer("catalog")


def test_times_may_be_given_for_every_span_the_root_included(traced: Traced) -> None:
    root = traced.start("root", at=1000)
    root.child("child", at=1200).finish(at=1500)
    root.child("other", at=1300).finish(duration=20)
    root.finish(at=3000)
    times = {span.name: (span.timestamp, span.duration) for span in traced.spans}
    assert times == {"child": (1200, 300), "other": (1300, 20), "root": (1000, 2000)}


def test_a_given_beginning_may_end_now_and_a_beginning_now_at_a_given_time(traced: Traced) -> None:
    traced.start("past", at=1000).finish()  # the clock shows 1 s
    traced.start("future").finish(at=2_000_000)
    times = {span.name: (span.timestamp, span.duration) for span in traced.spans}
    assert times == {"past": (1000, 999_000), "future": (1_000_001, 999_999)}


def test_a_span_that_ended_before_it_began_took_a_microsecond(traced: Traced) -> None:
    traced.start(at=1000).finish(at=10)
    assert traced.spans[0].duration == 1


def test_durations_are_measured_by_a_clock_that_nobody_sets() -> None:
    traced = Traced({"now": ticking(5_000_000, -1_000_000), "ticks": ticking(1, 7_000)})
    traced.start().finish()
    assert (traced.spans[0].timestamp, traced.spans[0].duration) == (5_000_000, 7)


def test_only_the_first_end_counts(traced: Traced) -> None:
    span = traced.start(at=1000)
    span.finish(at=1100)
    span.finish(at=9000)
    assert [each.duration for each in traced.spans] == [100]


def test_of_threads_that_race_one_ends_the_span(traced: Traced) -> None:
    for _ in range(50):
        traced.spans.clear()
        span, barrier = traced.start(), threading.Barrier(8)

        def end(span: Handle = span, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            span.finish()

        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(end) for _ in range(8)]:
                future.result()
        assert len(traced.spans) == 1


def test_what_is_said_after_the_end_is_said_of_nothing(traced: Traced) -> None:
    span = traced.start().tag("early", 1)
    span.finish()
    span.tag("late", 1).annotate("late").error("late").rename("late").remote("late").local("late")
    reported = traced.spans[0]
    assert reported.tags == {"early": "1"}
    assert (reported.name, reported.annotations, reported.error) == ("work", (), None)
    assert (reported.remote, reported.local) == (Peer(), Peer("shop"))


def test_children_may_end_after_their_parent_and_begin_after_its_end(traced: Traced) -> None:
    root = traced.start("root")
    child = root.child("child")
    root.finish()
    child.finish()
    root.child("late").finish()
    assert traced.names == ["root", "child", "late"]
    assert [span.position.parent_id for span in traced.spans] == [None, *[root.span_id] * 2]


def test_spans_end_in_any_order(traced: Traced) -> None:
    root = traced.start("root")
    calls = [root.child(str(n)) for n in range(4)]
    for n in (2, 0, 3, 1):
        calls[n].finish()
    assert traced.names == ["2", "0", "3", "1"]
    assert {span.position.parent_id for span in traced.spans} == {root.span_id}


def test_a_span_that_is_abandoned_is_not_reported(traced: Traced) -> None:
    span = traced.start()
    span.abandon()
    span.finish()
    assert (traced.spans, span.finished) == ([], True)


def test_a_handle_tells_where_it_is_and_whether_it_ended(traced: Traced) -> None:
    root = traced.start()
    child = root.child("child")
    assert (child.trace_id, child.parent_id) == (root.trace_id, root.span_id)
    assert (root.parent_id, len(root.trace_id), len(root.span_id)) == (None, 32, 16)
    assert (root.recording, root.finished) == (True, False)
    root.finish()
    assert (root.recording, root.finished) == (False, True)


def test_a_thread_may_end_what_another_began(traced: Traced) -> None:
    with traced.start("root") as root:
        span = traced.start("call")
        thread = threading.Thread(target=lambda: span.annotate("there").finish())
        thread.start()
        thread.join()
    assert traced.named("call").position.parent_id == root.span_id
    assert [note.value for note in traced.named("call").annotations] == ["there"]


def test_a_callback_and_a_task_may_end_what_another_task_began(traced: Traced) -> None:
    async def end(span: Handle) -> None:
        span.finish()

    async def main() -> None:
        with traced.start("root"):
            spans = [traced.start(name) for name in ("callback", "task")]
            asyncio.get_running_loop().call_soon(spans[0].finish)
            await asyncio.create_task(end(spans[1]))
            await asyncio.sleep(0)

    asyncio.run(main())
    assert sorted(traced.names) == ["callback", "root", "task"]
    assert traced.named("task").position.parent_id == traced.named("root").position.span_id


def test_a_span_is_current_in_its_block_and_ends_with_it(traced: Traced) -> None:
    with traced.start("outer") as outer:
        assert traced.tracer.current() is outer
        with traced.start("inner") as inner:
            assert traced.tracer.current() is inner
            assert inner.parent_id == outer.span_id
        assert inner.finished
        assert traced.tracer.current() is outer
    assert traced.names == ["inner", "outer"]
    assert traced.tracer.current().trace_id == ""


def test_a_started_span_is_not_current(traced: Traced) -> None:
    with traced.start("outer") as outer:
        traced.start("call")
        assert traced.tracer.current() is outer


def test_the_error_of_a_block_is_the_spans_and_goes_on_as_it_is(traced: Traced) -> None:
    error = LookupError("no\n such item")
    with pytest.raises(LookupError) as caught, traced.start():
        raise error
    assert caught.value is error
    assert traced.spans[0].error == "LookupError: no such item"


def test_an_error_without_a_message_and_one_that_fails_to_say_it_are_named(traced: Traced) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    traced.start().error(KeyError()).finish()
    traced.start().error(Mute()).finish()
    traced.start().error("went wrong").finish()
    said = [span.error or "" for span in traced.spans]
    assert (said[0], said[1].rpartition(".")[2], said[2]) == ("KeyError", "Mute", "went wrong")


def test_a_block_that_is_closed_did_not_fail(traced: Traced) -> None:
    with pytest.raises(GeneratorExit), traced.start():
        raise GeneratorExit
    assert traced.spans[0].error is None


def test_whoever_enters_the_current_span_again_leaves_it_as_it_was(traced: Traced) -> None:
    with traced.start("outer") as outer:
        with outer:
            assert traced.tracer.current() is outer
        assert traced.tracer.current().span_id == outer.span_id
        assert outer.finished
    assert context.current().empty
    assert traced.names == ["outer"]


def test_a_span_entered_within_another_is_still_current_around_it(traced: Traced) -> None:
    with traced.start("outer") as outer:
        with traced.start("inner"), outer.scope():
            assert traced.tracer.current() is outer
        traced.tracer.current().tag("seen", 1)
    assert traced.named("outer").tags["seen"] == "1"


def test_a_span_that_is_current_in_two_threads_ends_being_so_in_one(traced: Traced) -> None:
    span, left, done = traced.start(), threading.Event(), threading.Event()

    def other() -> None:
        with span.scope():
            left.set()
            done.wait(300)
            traced.tracer.current().tag("seen", 1)

    thread = threading.Thread(target=other)
    with span.scope():
        thread.start()
        left.wait(300)
    done.set()
    thread.join()
    span.finish()
    assert traced.spans[0].tags == {"seen": "1"}
    assert not traced.tracer.live


def test_a_call_is_current_again_when_its_other_half_in_this_process_ended(traced: Traced) -> None:
    headers: dict[str, str] = {}
    with traced.start("call", kind=Kind.CLIENT) as call:
        call.inject(headers)

        def serve() -> None:
            with traced.tracer.join(headers, "served") as served:
                assert traced.tracer.current() is served

        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()
        assert traced.tracer.current() is call
    assert not traced.tracer.live


def test_a_span_may_be_in_another_than_the_current_one_or_in_none(traced: Traced) -> None:
    with traced.start("outer") as outer, traced.start("inner"):
        aside = traced.start("aside", parent=outer.position)
        alone = traced.start("alone", parent=None)
    assert aside.parent_id == outer.span_id
    assert (alone.parent_id, alone.trace_id != outer.trace_id) == (None, True)


def test_a_trace_of_its_own_takes_nothing_from_the_one_around_it(traced: Traced) -> None:
    with traced.start("outer"):
        traced.start("before").finish()
        with traced.start("aside", parent=None):
            pass
        traced.start("next").finish()
    before = traced.named("before").position.span_id
    assert traced.named("next").labels()["causal.after"] == before
