"""The testing tools, as tests of others use them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import Context
from pathlib import Path

import pytest

import baggage
from baggage.boundary import Kind
from baggage.runtime import PROCESS
from baggage.testing import Parcel, ParcelAdapter
from metaapps import tracing
from metaapps.tracing.testing import Leak, Recorded, counted_ids, recording, ticking, traced
from metaapps.tracing.tracer import Tracer

__all__ = ["traced"]


def order() -> None:
    """Make three spans in one: two that are concurrent, one after both."""
    with tracing.start("order"):
        user, basket = tracing.start("user"), tracing.start("basket")
        theirs = baggage.split()[1]
        with baggage.attached(theirs):
            user.finish()
        basket.finish()
        baggage.join(theirs)
        tracing.start("pay").finish()


def test_ids_are_counted(traced: Recorded) -> None:
    order()
    assert [span.position.span_id[-1] for span in traced.spans] == ["3", "4", "5", "2"]
    assert {int(span.position.trace_id, 16) for span in traced.spans} == {1}


def test_spans_are_found_by_name_and_kind(traced: Recorded) -> None:
    with tracing.start("get", kind=Kind.SERVER), tracing.start("get", kind=Kind.CLIENT):
        pass
    client, server = traced.by_name("get")
    assert traced.one("get", Kind.SERVER) is server
    assert traced.one("get", Kind.CLIENT) is client
    assert traced.by_name("put") == ()
    with pytest.raises(AssertionError, match="there are 2 spans 'get', not one"):
        traced.one("get")
    with pytest.raises(AssertionError, match="there are no spans 'put', not one"):
        traced.one("put")


def test_what_holds_is_said_by_name_or_by_span(traced: Recorded) -> None:
    order()
    assert traced.happened_before("user", "pay")
    assert traced.happened_before(traced.one("basket"), traced.one("pay"))
    assert traced.concurrent("user", "basket")
    assert traced.siblings("user", "basket", "pay")
    assert traced.waited_for("pay", "basket", "user")
    assert traced.child_of("pay", "order")
    assert traced.one_trace()
    assert traced.no_errors()
    assert [span.name for span in traced.siblings_of("user")] == ["basket", "pay"]


def test_what_does_not_hold_shows_the_tree() -> None:
    with recording(service="shop") as traced:
        Context().run(order)
    with pytest.raises(AssertionError) as raised:
        traced.happened_before("pay", "user")
    assert str(raised.value).splitlines() == [
        "'user' happened before 'pay'; expected: before",
        "trace 00000000000000000000000000000001",
        "  order  (shop)  0000000000000002  joined pay",
        ">   user  (shop)  0000000000000003",
        "    basket  (shop)  0000000000000004",
        ">   pay  (shop)  0000000000000005  after user, basket",
    ]


def test_each_statement_fails_where_it_is_wrong(traced: Recorded) -> None:
    order()
    with tracing.start("other") as other:
        other.error("broken")
    wrong: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: traced.happened_before("user", "basket"), "are concurrent; expected: before"),
        (lambda: traced.concurrent("user", "pay"), "'user' happened before 'pay'"),
        (lambda: traced.siblings("user", "order"), "no siblings"),
        (lambda: traced.waited_for("pay", "user"), "'pay' waited for 'user', 'basket'"),
        (lambda: traced.waited_for("user", "pay"), "'user' waited for nothing"),
        (lambda: traced.child_of("order", "user"), "'order' is no child of 'user'"),
        (lambda: traced.one_trace(), "there are 2 traces"),
        (lambda: traced.no_errors(), "1 of 5 spans have errors"),
        (lambda: traced.shared_span("user", "pay"), "no shared span: they have different ids"),
    )
    for fails, message in wrong:
        with pytest.raises(AssertionError, match=message):
            fails()


def call() -> None:
    """Make a call that a service in this process answers."""
    request = Parcel()

    def serve() -> Parcel:
        answer = Parcel()
        arrival = PROCESS.boundary.arrive(ParcelAdapter(Kind.SERVER), request, "stock")
        assert arrival is not None
        with arrival.scope():
            arrival.begin()
            arrival.end(arrival.answered(answer))
            arrival.respond(answer)
        arrival.close()
        return answer

    PROCESS.boundary.call(ParcelAdapter(), request, lambda: Context().run(serve))


def test_halves_of_a_shared_span_are_told_from_a_child() -> None:
    for share in (True, False):
        with recording(share=share) as recorded:
            call()
        client = recorded.one("SEND parcel", Kind.CLIENT)
        server = recorded.one("SEND parcel", Kind.SERVER)
        if share:
            assert recorded.shared_span(client, server)
            with pytest.raises(AssertionError, match="'SEND parcel' is no client's"):
                recorded.shared_span(server, client)
        else:
            assert recorded.child_of(server, client)
            with pytest.raises(AssertionError, match="different ids"):
                recorded.shared_span(client, server)


def test_without_spans_a_message_says_so(traced: Recorded) -> None:
    with pytest.raises(AssertionError, match="there are no traces, not one\nthere are no spans"):
        traced.one_trace()


def test_a_clock_that_ticks_makes_the_same_times_in_each_run() -> None:
    for _ in range(2):
        with recording(clock=ticking(10)) as recorded:
            order()
        begins = [span.timestamp for span in recorded.spans]
        assert begins == [1_000_000_000_000_020 + 20 * place for place in (0, 1, 3, -1)]
        assert [span.duration for span in recorded.spans] == [30, 20, 10, 100]


def test_a_tracer_takes_ids_and_clock_by_itself() -> None:
    recorded, clock = Recorded(), ticking(5)
    tracer = Tracer(recorded.report, ids=counted_ids(), now=clock.now, ticks=clock.ticks)
    Context().run(tracer.start("leaf").finish)
    assert recorded.one("leaf").duration == 5


def test_who_traced_before_does_so_afterwards() -> None:
    spans: list[tracing.Span] = []
    theirs = tracing.Tracing(spans.append)
    baggage.register(theirs)
    try:
        with recording() as recorded:
            Context().run(tracing.start("here").finish)
        assert theirs in PROCESS.boundary.apps
        Context().run(tracing.start("there").finish)
    finally:
        baggage.unregister("tracing")
    assert ([span.name for span in recorded.spans], [span.name for span in spans]) == (
        ["here"],
        ["there"],
    )
    with recording():
        pass
    assert "tracing" not in [app.name for app in PROCESS.boundary.apps]


def leak() -> None:
    tracing.start("kept").tag("left", True)
    tracing.start("ended").scope().__enter__()
    tracing.current().finish()


def test_what_a_block_leaves_behind_is_named_with_its_place() -> None:
    with pytest.raises(Leak) as raised, recording(patience=0):
        leak()
    here = f"{__name__}.leak"
    unfinished, current = str(raised.value).splitlines()
    assert unfinished.startswith(f"span 'kept' (0000000000000002), started at {here}:")
    assert unfinished.endswith(", was never finished")
    assert current.startswith(f"span 'ended' (0000000000000004), started at {here}:")
    assert current.endswith(", has ended and is still the current span: its scope wasn't left")
    assert not tracing.current().trace_id


def test_what_began_where_no_application_is_has_no_place() -> None:
    def leak_by_a_library() -> None:
        thread = threading.Thread(target=tracing.start, args=("leaf",))
        thread.start()
        thread.join()

    expected = r"^span 'leaf' \(0000000000000002\) was never finished$"
    with pytest.raises(Leak, match=expected), recording(patience=0):
        leak_by_a_library()


def test_what_a_block_raises_is_not_hidden_by_what_it_leaves() -> None:
    def fail() -> None:
        leak()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), recording(patience=0):
        fail()


def test_another_thread_has_time_to_finish() -> None:
    go = threading.Event()

    def work() -> None:
        with tracing.start("slow"):
            go.wait(300)

    with recording(patience=300) as recorded:
        thread = threading.Thread(target=work)
        thread.start()
        while not recorded.unfinished:
            pass
        assert not recorded.wait(0)
        threading.Timer(0.05, go.set).start()
    thread.join()
    assert recorded.one("slow")


def test_a_span_that_nobody_keeps_may_be_left() -> None:
    with recording(sampler=lambda trace, call: False) as recorded:
        tracing.start("unsampled")
    assert recorded.spans == ()


@pytest.fixture
def outside() -> Iterator[None]:
    with tracing.start("another test's"):
        yield


def test_a_test_begins_in_no_trace(outside: None, traced: Recorded) -> None:
    assert not tracing.trace_id()


CONFTEST = "from metaapps.tracing.testing import traced"
TESTS = """
from metaapps import tracing

def test_all_is_well(traced):
    with tracing.start("fine"):
        pass
    assert traced.one("fine")

def test_a_span_is_forgotten(traced):
    tracing.start("forgotten")

def test_a_scope_is_forgotten(traced):
    tracing.start("entered").__enter__().finish()

def test_the_next_test_is_not_concerned(traced):
    assert traced.spans == () and not tracing.trace_id()
"""


def test_a_test_that_leaks_has_an_error_and_the_next_one_none(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={"PYTHONPATH": str(Path.cwd())},
    )
    assert "4 passed, 2 errors" in ran.stdout, ran.stdout + ran.stderr
    assert "started at test_it.test_a_span_is_forgotten:10, was never finished" in ran.stdout
    assert "started at test_it.test_a_scope_is_forgotten:13, has ended and is" in ran.stdout


def test_tracing_itself_needs_no_pytest() -> None:
    code = "import sys, metaapps.tracing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
