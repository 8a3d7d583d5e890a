"""What tracing must not do to the application that it looks at, however long that runs."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Generator, Iterator
from contextvars import Context
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Boundary, Kind, Policy
from baggage.context import Branch, attached, branch, current, ensure
from baggage.testing import Parcel, ParcelAdapter
from baggage.values import EMPTY, Baggage, key
from metaapps.tracing import Handle, Span, Tracer, Tracing
from metaapps.tracing.dots import DONE
from metaapps.tracing.frontier import CUT
from metaapps.tracing.handle import NONE

USER = key("user")


@dataclass
class Services:
    """Services in one process that call each other by parcels."""

    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        tracing = Tracing(self.spans.append)
        self.tracer = tracing.tracer
        self.boundary = Boundary(Policy(service="test", strict=True), (tracing,))

    def call(self, work: Callable[[], None]) -> Parcel:
        """Call a service that does this work; return its request."""
        request = Parcel()

        def serve() -> Parcel:
            answer: Parcel = self.boundary.serve(ParcelAdapter(Kind.SERVER), request, handle)
            return answer

        def handle() -> Parcel:
            work()
            return Parcel()

        self.boundary.call(ParcelAdapter(), request, lambda: Context().run(serve))
        return request

    def step(self) -> None:
        with self.tracer.start("step"):
            pass


@pytest.fixture
def services() -> Iterator[Services]:
    with attached(EMPTY):  # what a test packs is no other's
        yield Services()


def size(request: Parcel) -> int:
    return len(request.headers["baggage"])


def test_a_loop_of_calls_leaves_room_for_what_the_application_packed(services: Services) -> None:
    seen = set()

    def work() -> None:
        seen.add(current().unpack(USER))
        services.step()

    with services.tracer.start("root"):
        ensure().pack(USER, "ann")
        for _ in range(400):
            assert size(services.call(work)) < 700
        assert current().complete("user")
    assert seen == {("ann",)}


def test_stamps_say_so_when_there_were_more_roots(services: Services) -> None:
    with services.tracer.start("root"):
        running = ensure()
        for _ in range(30):
            child = running.fork()
            with attached(child):
                services.step()
            running.rejoin(child)
            services.step()
        assert size(services.call(services.step)) < 700
    steps = [span for span in services.spans if span.name == "step"]
    assert CUT not in steps[0].labels()
    assert steps[-1].labels()[CUT] == "seen"


def test_spans_leave_alone_how_the_application_s_values_merge(services: Services) -> None:
    with attached(EMPTY), services.tracer.start("root"):
        ensure().pack(USER, "ann")
        before = current().history
        for _ in range(30):
            services.step()
        after = current().history
        assert after.own == before.own
        assert after.entries[USER.name] == before.entries[USER.name]
        ensure().pack(USER, "bob")
        assert current().unpack(USER) == ("ann", "bob")
        assert len(current().history.own) == 1


def test_many_that_ended_at_once_in_a_service_dont_fill_its_answer(services: Services) -> None:
    def many() -> None:
        running = ensure()
        children = [running.fork() for _ in range(64)]
        for child in children:
            with attached(child):
                services.step()
        for child in children:
            running.join(child)

    with services.tracer.start("root"):
        services.call(many)
        assert len(current().serialize()) < 600
    served = next(span for span in services.spans if span.kind is Kind.SERVER)
    assert len(served.labels()["causal.joined"].split(",")) == 64


def test_an_idle_worker_is_idle_after_spans_of_its_own(services: Services) -> None:
    worker = Branch(idle=True)
    with attached(worker):
        with services.tracer.start("start"):
            services.step()
            services.call(services.step)
        assert worker.idle


def test_an_idle_worker_that_packs_within_a_span_keeps_that(services: Services) -> None:
    worker = Branch(idle=True)
    with attached(worker):
        with services.tracer.start("start"):
            services.step()
            worker.pack(USER, "ann")
        assert not worker.idle
        assert worker.unpack(USER) == ("ann",)
        assert worker.unpack(DONE) == ()


def test_an_idle_worker_is_idle_after_a_call_in_no_trace(services: Services) -> None:
    worker = Branch(idle=True)
    with attached(worker):
        services.call(services.step)
        assert worker.idle


def test_where_no_branch_was_there_is_none_after_a_call(services: Services) -> None:
    def work() -> None:
        services.call(services.step)
        assert branch() is None

    Context().run(work)


def test_what_a_callee_packs_gets_home_where_no_span_stands(services: Services) -> None:
    def pack() -> None:
        services.step()
        ensure().pack(USER, "ann")

    def work() -> None:
        services.call(pack)
        assert current().unpack(USER) == ("ann",)
        assert current().keys() == ("user",)

    Context().run(work)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_span_is_the_span_itself(
    services: Services, copied: Callable[[Handle], Handle]
) -> None:
    span = services.tracer.start("work")
    assert copied(span) is span


def test_a_span_from_another_process_tells_where_it_stands_and_records_nothing(
    services: Services,
) -> None:
    span = services.tracer.start("work")
    there = pickle.loads(pickle.dumps(span))
    assert there.position == span.position
    assert not there.recording
    assert services.tracer.start("more", parent=there.position).parent_id == span.span_id


def test_blocks_of_one_span_in_two_threads_may_end_in_any_order(services: Services) -> None:
    span = services.tracer.start("work")
    first, second = threading.Event(), threading.Event()
    after = []

    def hold(mine: threading.Event, other: threading.Event) -> None:
        with span:
            mine.set()
            assert other.wait(300)
        after.append(branch())
        mine.set()

    def enter_later() -> None:
        assert first.wait(300)
        first.clear()
        hold(second, first)

    threads = [threading.Thread(target=hold, args=(first, second))]
    threads.append(threading.Thread(target=enter_later))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert after == [None, None]
    assert not services.tracer.live


def test_a_trace_that_begins_after_messages_of_others_were_joined_names_them(
    services: Services,
) -> None:
    messages = []
    for name in ("one", "two"):
        with attached(EMPTY), services.tracer.start(name):
            services.step()
            messages.append(current().departing())
    with attached(EMPTY):
        for message in messages:
            ensure().join(message)
        with services.tracer.start("batch"):
            pass
    first, _, second, _, batch = services.spans
    expected = {f"{each.position.trace_id}-{each.position.span_id}" for each in (first, second)}
    assert set(batch.labels()["causal.after"].split(",")) == expected


@pytest.mark.parametrize("start", [EMPTY, EMPTY.pack(USER, "ann"), Branch(idle=True)])
def test_a_generator_that_is_closed_in_another_block_leaves_no_span_behind(
    services: Services, start: Baggage | Branch
) -> None:
    tracer = services.tracer

    def held() -> Generator[None, None, None]:
        with tracer.start("held"):
            yield

    with attached(start) as running:
        before = running.baggage.keys()
        holding = held()
        next(holding)
        with tracer.start("work") as work:
            holding.close()
            assert tracer.current() is work
        assert not tracer.current().recording
        assert running.baggage.keys() == before
        assert running.idle is (isinstance(start, Branch))
    assert not tracer.live


@given(st.lists(st.integers(0, 4), max_size=20))
def test_blocks_that_end_in_any_order_leave_nothing_behind(ends: list[int]) -> None:
    services = Services()
    with attached(EMPTY.pack(USER, "ann")) as running:
        opened: list[Handle] = []
        for which in ends:
            if which < len(opened):
                opened.pop(which).__exit__(None, None, None)
            else:
                opened.append(services.tracer.start("block").__enter__())
            assert services.tracer.current() is (opened[-1] if opened else NONE)
        for span in opened:
            span.__exit__(None, None, None)
        assert running.baggage.keys() == ("user",)
    assert not services.tracer.live


def test_a_worker_is_as_idle_after_a_span_as_without_it(services: Services) -> None:
    idle = []
    for tracer in (services.tracer, Tracer(None)):
        with attached(Branch(idle=True)) as worker:
            with tracer.start("work"):
                worker.pack(USER, "ann")
                worker.update(lambda carried: carried.remove(USER))
            idle.append(worker.idle)
    assert idle == [False, False]
