"""What came before what in programs that really ran: by threads, tasks, queues and services."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import Context
from itertools import permutations

import pytest
import requests
from flask import Flask

from baggage import context
from baggage.boundary import Boundary, Kind, Policy, write_header
from baggage.instrumentation.flask import name_service
from baggage.runtime import Runtime, Settings
from baggage.testing import Parcel, ParcelAdapter
from metaapps.tracing.app import Tracing
from metaapps.tracing.causality import Causality, Order
from metaapps.tracing.export import zipkin
from metaapps.tracing.formats import FORMATS
from metaapps.tracing.span import Span
from metaapps.tracing.testing import Recorded
from metaapps.tracing.tracer import Tracer
from tests.tracing.test_services import served

LIBRARIES = ("requests", "flask", "threading", "concurrent.futures", "asyncio", "queue")
Program = Callable[[Tracer], None]


@contextmanager
def instrumented(*, share: bool = True) -> Iterator[tuple[Tracer, Recorded]]:
    recorded = Recorded()
    tracing = Tracing(recorded.report, share=share, started=recorded.started)
    runtime = Runtime(Settings(Policy(service="test", strict=True), metaapps=frozenset()))
    runtime.register(tracing)
    runtime.instrument(*LIBRARIES)
    try:
        yield tracing.tracer, recorded
    finally:
        runtime.uninstrument()


def ran(program: Program) -> Recorded:
    """Run a program within a span, in a context of its own; stamps must agree with edges."""
    with instrumented() as (tracer, recorded):

        def within() -> None:
            with tracer.start("root"):
                program(tracer)

        Context().run(within)
        assert recorded.wait(300)
    agree(recorded)
    return recorded


def agree(recorded: Recorded) -> None:
    causality = recorded.causality
    for one, other in permutations(recorded.spans, 2):
        stamped = causality.stamp_order(one, other)
        assert stamped in {None, causality.order(one, other)}


def leaf(tracer: Tracer, name: str) -> None:
    with tracer.start(name):
        pass


def before(recorded: Recorded, name: str) -> set[str]:
    """Return what had ended, and was known, before the span of that name began."""
    causality, span = recorded.causality, recorded.one(name)
    return {each.name for each in recorded.spans if causality.happened_before(each, span)}


def read_by_threads(tracer: Tracer) -> None:
    answers = [threading.Event() for _ in range(4)]

    def ask(server: int) -> None:
        with tracer.start(f"ask {server}"):
            answers[server].wait(300)

    threads = [threading.Thread(target=ask, args=(server,)) for server in range(4)]
    for thread in threads:
        thread.start()
    for server in (2, 0, 1):
        answers[server].set()
        threads[server].join()
    leaf(tracer, "ask 4")
    answers[3].set()
    threads[3].join()


def read_by_a_warm_pool(tracer: Tracer) -> None:
    answers = [threading.Event() for _ in range(4)]

    def ask(server: int) -> None:
        with tracer.start(f"ask {server}"):
            answers[server].wait(300)

    with ThreadPoolExecutor(4) as pool:
        for warm in [pool.submit(threading.Event().wait, 0.01) for _ in range(4)]:
            warm.result()
        asked = [pool.submit(ask, server) for server in range(4)]
        for server in (2, 0, 1):
            answers[server].set()
            asked[server].result()
        leaf(tracer, "ask 4")
        answers[3].set()
        asked[3].result()


def read_by_tasks(tracer: Tracer) -> None:
    async def read() -> None:
        answers = [asyncio.Event() for _ in range(4)]

        async def ask(server: int) -> None:
            with tracer.start(f"ask {server}"):
                await answers[server].wait()

        tasks = [asyncio.create_task(ask(server)) for server in range(4)]
        for server in (2, 0, 1):
            answers[server].set()
            await tasks[server]
        with tracer.start("ask 4"):
            await asyncio.sleep(0)
        answers[3].set()
        await tasks[3]

    asyncio.run(read())


def read_by_handles(tracer: Tracer) -> None:
    asked = [tracer.start(f"ask {server}") for server in range(4)]
    for server in (2, 0, 1):
        asked[server].finish()
    leaf(tracer, "ask 4")
    asked[3].finish()


@pytest.mark.parametrize(
    "read", [read_by_threads, read_by_a_warm_pool, read_by_tasks, read_by_handles]
)
def test_the_fifth_is_after_exactly_three_and_concurrent_with_the_straggler(read: Program) -> None:
    recorded = ran(read)
    assert before(recorded, "ask 4") == {"ask 0", "ask 1", "ask 2"}
    assert recorded.concurrent("ask 4", "ask 3")
    assert recorded.siblings(*(f"ask {server}" for server in range(5)))
    if read is not read_by_handles:
        # One thread knows in which order they ended, so the last of them stands for all.
        assert recorded.waited_for("ask 4", "ask 0", "ask 1", "ask 2")
        for one, other in permutations(range(4), 2):
            assert recorded.concurrent(f"ask {one}", f"ask {other}")


@pytest.mark.parametrize("read", [read_by_threads, read_by_tasks])
def test_the_straggler_is_what_the_read_waited_for_last(read: Program) -> None:
    recorded = ran(read)
    root = recorded.one("root")
    assert {each.name for each in recorded.causality.joined(root)} == {"ask 3", "ask 4"}
    steps = recorded.causality.critical_path(root)
    assert [step.span.name for step in steps if step.begin < step.end][-2:] == ["ask 3", "root"]


def test_spans_say_the_same_after_they_were_written_and_read() -> None:
    recorded = ran(read_by_threads)
    written = b"[" + b",".join(zipkin.encode(span) for span in recorded.spans) + b"]"
    again = zipkin.decode_array(written)
    was, is_ = recorded.causality, Causality.of(again)
    for (one, other), (first, second) in zip(
        permutations(recorded.spans, 2), permutations(again, 2), strict=True
    ):
        assert is_.order(first, second) is was.order(one, other)
        assert is_.stamp_order(first, second) is was.stamp_order(one, other)


def test_a_chain_and_a_diamond() -> None:
    def program(tracer: Tracer) -> None:
        leaf(tracer, "top")
        sides = [threading.Thread(target=leaf, args=(tracer, name)) for name in ("left", "right")]
        for side in sides:
            side.start()
        for side in sides:
            side.join()
        leaf(tracer, "bottom")
        leaf(tracer, "then")

    recorded = ran(program)
    assert recorded.waited_for("left", "top")
    assert recorded.waited_for("right", "top")
    assert recorded.concurrent("left", "right")
    assert recorded.waited_for("bottom", "left", "right")
    assert recorded.waited_for("then", "bottom")


def test_a_pipeline_through_queues() -> None:
    jobs: queue.Queue[int | None] = queue.Queue()
    done: queue.Queue[int] = queue.Queue()
    workers: list[threading.Thread] = []

    def work(tracer: Tracer) -> None:
        while (job := jobs.get()) is not None:
            leaf(tracer, f"work {job}")
            done.put(job)

    def program(tracer: Tracer) -> None:
        for job in range(2):
            leaf(tracer, f"make {job}")
            jobs.put(job)
        jobs.put(None)
        for _ in range(2):
            done.get()
        leaf(tracer, "use")

    with instrumented() as (tracer, recorded):
        # The worker is older than all traces, as those of a pool are.
        workers.append(threading.Thread(target=Context().run, args=(work, tracer)))
        workers[0].start()

        def within() -> None:
            with tracer.start("root"):
                program(tracer)

        Context().run(within)
        workers[0].join()
        assert recorded.wait(300)
    agree(recorded)
    assert recorded.happened_before("make 0", "work 0")
    assert recorded.happened_before("make 1", "work 1")
    assert recorded.concurrent("make 1", "work 0")
    assert before(recorded, "use") >= {"make 0", "make 1", "work 0", "work 1"}


def test_a_batch_is_after_all_that_its_messages_came_after() -> None:
    def program(tracer: Tracer) -> None:
        messages: queue.Queue[str] = queue.Queue()

        def produce(name: str) -> None:
            with tracer.start(f"produce {name}"):
                leaf(tracer, f"prepare {name}")
                messages.put(name)
                leaf(tracer, f"tidy {name}")

        def consume() -> None:
            with tracer.start("batch"):
                messages.get()
                messages.get()
                leaf(tracer, "write")

        threads = [
            *(threading.Thread(target=produce, args=(name,)) for name in "ab"),
            threading.Thread(target=consume),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    recorded = ran(program)
    assert before(recorded, "write") >= {"prepare a", "prepare b"}
    for name in "ab":
        assert recorded.concurrent("write", f"tidy {name}")
        assert recorded.concurrent("batch", f"prepare {name}")


def test_what_is_fired_and_forgotten_comes_before_nothing() -> None:
    go = threading.Event()
    threads: list[threading.Thread] = []

    def program(tracer: Tracer) -> None:
        def mail() -> None:
            with tracer.start("mail"):
                go.wait(300)

        threads.append(threading.Thread(target=mail))
        threads[0].start()
        leaf(tracer, "answer")

    with instrumented() as (tracer, recorded):

        def within() -> None:
            with tracer.start("root"):
                program(tracer)

        Context().run(within)
        go.set()
        threads[0].join()
        assert recorded.wait(300)
    assert recorded.concurrent("mail", "answer")
    mail, root = recorded.one("mail"), recorded.one("root")
    assert mail not in recorded.causality.joined(root)
    path = recorded.causality.critical_path(root)
    assert "mail" not in [step.span.name for step in path]


def stock(name: str, answer: Callable[[], object]) -> Flask:
    app = Flask(name)
    name_service(app, name)

    @app.get("/stock")
    def ask() -> str:
        answer()
        return "some"

    return app


def read_by_services(tracer: Tracer, urls: Sequence[str], late: threading.Event) -> None:
    """Ask four services at once, go on after three answers, ask a fifth, join the straggler."""
    sessions = [threading.Thread(target=requests.get, args=(f"{url}stock",)) for url in urls[:4]]
    for session in sessions:
        session.start()
    for session in sessions[:3]:
        session.join()
    requests.get(f"{urls[4]}stock", timeout=300)
    late.set()
    sessions[3].join()


@pytest.mark.parametrize("share", [True, False])
def test_a_quorum_read_across_services(share: bool) -> None:
    late = threading.Event()
    with ExitStack() as stack:
        names = [f"stock-{number}" for number in range(5)]
        waits: dict[str, Callable[[], object]] = {"stock-3": lambda: late.wait(300)}
        urls = [
            stack.enter_context(served(stock(name, waits.get(name, lambda: None))))
            for name in names
        ]
        tracer, recorded = stack.enter_context(instrumented(share=share))

        def within() -> None:
            with tracer.start("read"):
                read_by_services(tracer, urls, late)

        Context().run(within)
        assert recorded.wait(300)
    agree(recorded)
    causality = recorded.causality
    servers = {span.local.service: span for span in recorded.by_name("GET /stock", Kind.SERVER)}
    calls = {span.remote.service: span for span in recorded.spans if span.kind is Kind.CLIENT}
    fifth, straggler = calls["stock-4"], calls["stock-3"]
    first = [calls[name] for name in names[:3]]
    assert set(map(id, causality.after(fifth))) == set(map(id, first))
    assert causality.concurrent(fifth, straggler)
    # What the servers did stands where their calls stand.
    for name in names[:3]:
        assert causality.order(servers[name], servers["stock-4"]) is Order.BEFORE
    assert causality.order(servers["stock-3"], servers["stock-4"]) is Order.CONCURRENT
    joined = causality.joined(recorded.one("read"))
    assert {id(span) for span in joined} == {id(fifth), id(straggler)}
    path = [step.span for step in causality.critical_path(recorded.one("read"))]
    assert any(span is straggler for span in path)
    assert any(span is servers["stock-3"] for span in path)


def test_what_is_started_in_another_span_says_all_that_it_waited_for() -> None:
    def program(tracer: Tracer) -> None:
        elsewhere = tracer.start("elsewhere")
        leaf(tracer, "first")
        with tracer.start("here"):
            elsewhere.child("there").finish()
        elsewhere.finish()

    recorded = ran(program)
    assert recorded.waited_for("here", "first")
    assert recorded.waited_for("there", "first")
    assert recorded.child_of("there", "elsewhere")


def crossing(carry: Callable[[Boundary, Tracer], Parcel]) -> tuple[Recorded, Span]:
    """Let something begin, end `first`, and send a request that is then served."""
    recorded = Recorded()
    tracing = Tracing(recorded.report, formats=(FORMATS["b3"],))
    boundary = Boundary(Policy(service="shop", strict=True), (tracing,))

    def within() -> None:
        with tracing.tracer.start("root"):
            leaf(tracing.tracer, "first")
            carry(boundary, tracing.tracer)
            leaf(tracing.tracer, "then")

    Context().run(within)
    agree(recorded)
    (server,) = (span for span in recorded.spans if span.kind is Kind.SERVER)
    return recorded, server


def serve(boundary: Boundary, request: Parcel) -> Parcel:
    answer = Parcel()

    def within() -> None:
        arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), request)
        assert arrival is not None
        with arrival.scope():
            arrival.begin()
            arrival.end(arrival.answered(answer))
            arrival.respond(answer)
        arrival.close()

    Context().run(within)
    return answer


def test_what_was_sent_by_hand_came_after_what_its_sender_knew() -> None:
    def by_hand(boundary: Boundary, tracer: Tracer) -> Parcel:
        carried = write_header(context.current().departing(), origin="shop")
        return serve(boundary, Parcel(headers={"baggage": carried}))

    recorded, server = crossing(by_hand)
    assert recorded.happened_before("first", server)
    assert recorded.concurrent(server, "then")  # nobody saw the answer


def test_what_another_tracer_forwards_keeps_its_place_in_the_order() -> None:
    def forwarded(boundary: Boundary, tracer: Tracer) -> Parcel:
        request = Parcel()

        def send() -> Parcel:
            trace, span, *_ = request.headers["b3"].split("-")
            request.headers["b3"] = f"{trace}-{'ab' * 8}-1-{span}"
            return serve(boundary, request)

        return boundary.call(ParcelAdapter(), request, send)

    recorded, server = crossing(forwarded)
    assert server.position.span_id == "ab" * 8
    assert recorded.happened_before("first", server)
    assert recorded.happened_before(server, "then")
