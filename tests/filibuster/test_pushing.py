"""What finds no way home is pushed behind the application's back; what is under way is known."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from baggage.boundary import Boundary, Fault, FaultKind, Kind, Policy
from baggage.context import Branch, attached, ensure
from baggage.instrumentation._wsgi import Environ, StartResponse, WsgiAdapter
from baggage.instrumentation._wsgi_server import serve
from baggage.values import EMPTY
from metaapps.filibuster import pushing
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.assertions import was_fault_injected, was_fault_injected_on
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.explore.completeness import unseen
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.index import DIGEST_SIZE, ROOT
from metaapps.filibuster.lineage import Lineage
from metaapps.filibuster.observation import Execution, Observation, Role, open_branches
from metaapps.filibuster.orders import LINEAGE, ORDERS, SEEN, Orders
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.pushing import Pusher
from metaapps.filibuster.wire import (
    MAX_REPORT,
    decode_observations,
    encode_lineage,
    encode_observation,
    encode_orders,
)
from tests.filibuster.test_app import CALL, SPAWN, cross

KEY = b"a key"
LATER = 2**40


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    with Coordinator(KEY) as running:
        yield running


def orders_to(address: str, execution: str = "e") -> Orders:
    return Orders(execution, expires=LATER, coordinator=address, key=KEY)


def seen(number: int) -> Observation:
    index = number.to_bytes(DIGEST_SIZE, "little")
    return Observation(role=Role.CALL, index=index, parent=ROOT, position=number)


def told(*numbers: int) -> list[bytes]:
    return [encode_observation(seen(number)) for number in numbers]


def test_what_is_pushed_from_many_threads_is_all_heard(coordinator: Coordinator) -> None:
    inbox, pusher = coordinator.open("e"), Pusher()
    with ThreadPoolExecutor(16) as pool:
        orders = orders_to(coordinator.address)
        list(pool.map(lambda number: pusher.push(orders, told(number)), range(300)))
    assert pusher.flush(30)
    assert sorted(one.position for one in inbox.settle(0)) == list(range(300))
    assert pusher.lost == 0


def test_executions_of_several_explorers_are_told_each_its_own() -> None:
    with Coordinator(KEY) as one, Coordinator(b"another") as other:
        inboxes, pusher = (one.open("e"), other.open("e")), Pusher()
        for number in range(10):
            pusher.push(orders_to(one.address), told(number))
            pusher.push(replace(orders_to(other.address), key=b"another"), told(number + 10))
        assert pusher.flush(30)
        heard = [sorted(one.position for one in inbox.settle(0)) for inbox in inboxes]
    assert heard == [list(range(10)), list(range(10, 20))]


def test_what_is_too_much_for_one_report_is_sent_in_several(coordinator: Coordinator) -> None:
    inbox, pusher = coordinator.open("e"), Pusher()
    long = [replace(seen(number), arguments="x" * 100_000) for number in range(30)]
    blobs = [encode_observation(one) for one in long]
    assert sum(map(len, blobs)) > 2 * MAX_REPORT
    inbox.put([replace(seen(30), role=Role.PUSHED, index=b"parcel", position=30)])
    pusher.push(orders_to(coordinator.address), blobs, b"parcel")
    assert len(inbox.settle(30)) == 30


@contextmanager
def silent() -> Iterator[tuple[str, Event]]:
    """Listen, and take what comes, but answer nothing; the event says that something came."""
    came = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                came.set()
                while connection.recv(65536):
                    pass

        taking = Thread(target=take, daemon=True)
        taking.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", came


def test_nobody_waits_for_a_coordinator_that_does_not_answer() -> None:
    pusher = Pusher()
    with silent() as (address, came):
        pusher.push(orders_to(address), told(1))
        assert came.wait(300)
        # The report is under way, and unanswered: yet all of these return.
        for number in range(1000):
            pusher.push(orders_to(address), told(number))
        assert not pusher.flush(0)


def test_what_waits_is_bounded_and_what_is_beyond_counted(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_MOST_BYTES", 10_000)
    pusher = Pusher()
    with silent() as (address, came):
        pusher.push(orders_to(address), told(1))
        assert came.wait(300)
        for _ in range(5):
            pusher.push(orders_to(address), [b"x" * 4000])
        assert pusher.lost == 3
    # There is room again as soon as it's gone, one way or another.
    assert pusher.flush(30)
    monkeypatch.setattr(pushing, "_TIMEOUT", 60.0)  # a slow machine is no silent one
    inbox, pusher = coordinator.open("e"), Pusher()
    for number in range(20):
        pusher.push(orders_to(coordinator.address), [*told(number), b"x" * 4000])
        assert pusher.flush(300)
    assert len(inbox.settle(0)) == 20
    assert pusher.lost == 0


def test_what_a_coordinator_that_is_gone_does_not_hear_is_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Coordinator(KEY) as gone:
        orders = orders_to(gone.address)
    pusher = Pusher()
    pusher.push(orders, told(1, 2))
    assert pusher.flush(30)
    assert pusher.lost == 2
    assert [record.message for record in caplog.records] == ["observations lost"]


def test_a_coordinator_that_closes_connections_is_reached_again(coordinator: Coordinator) -> None:
    inbox, pusher = coordinator.open("e"), Pusher()
    pusher.push(orders_to(coordinator.address), told(1))
    assert pusher.flush(30)
    (connection,) = pusher._connections.values()
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_RDWR)
    pusher.push(orders_to(coordinator.address), told(2))
    assert pusher.flush(30)
    assert len(inbox.settle(0)) == 2
    assert pusher.lost == 0


@pytest.mark.parametrize("address", ["127.0.0.1:port", "a..b:80", f"{'a' * 64}.b:80", "\0:80"])
def test_a_coordinator_that_cannot_be_costs_its_own_reports_alone(
    address: str, coordinator: Coordinator
) -> None:
    inbox, pusher = coordinator.open("e"), Pusher()
    pusher.push(orders_to(address), told(1))
    pusher.push(orders_to(coordinator.address), told(2))
    assert pusher.flush(30)
    assert len(inbox.settle(0)) == 1
    assert pusher.lost == 1


def test_where_no_thread_can_be_started_nothing_fails_and_a_later_one_sends_it_all(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Thread:
        raise RuntimeError("can't create new thread at interpreter shutdown")  # of Python 3.12

    inbox, pusher = coordinator.open("e"), Pusher()
    with monkeypatch.context() as patched:
        patched.setattr(pushing, "Thread", refuse)
        pusher.push(orders_to(coordinator.address), told(1))
        assert not pusher.flush(30)
    pusher.push(orders_to(coordinator.address), told(2))
    assert pusher.flush(30)
    assert [one.position for one in inbox.settle(0)] == [1, 2]


def test_without_a_coordinator_nothing_is_pushed() -> None:
    pusher = Pusher()
    pusher.push(Orders("e"), told(1))
    assert pusher.flush(0)


def test_reports_for_an_execution_that_is_over_are_ignored_and_counted(
    coordinator: Coordinator,
) -> None:
    inbox, pusher = coordinator.open("e"), Pusher()
    coordinator.close("e")
    pusher.push(orders_to(coordinator.address), told(1, 2, 3))
    assert pusher.flush(30)
    assert inbox.settle(0) == ()
    assert coordinator.late == 3
    assert pusher.lost == 0


PUSHES = """
import os, sys
from metaapps.filibuster import pushing
from tests.filibuster.test_pushing import orders_to, told

pushing._AT_EXIT = 60.0  # the machine may be busy
pusher = pushing.Pusher()
pusher.push(orders_to(sys.argv[1]), told(1))
if sys.argv[2] == "fork":
    assert pusher.flush(30)
    if not os.fork():
        pusher.push(orders_to(sys.argv[1]), told(2))
        assert pusher.flush(30)
        os._exit(0)
    assert os.wait()[1] == 0
    pusher.push(orders_to(sys.argv[1]), told(3))
if sys.argv[2] == "multiprocessing":
    import multiprocessing
    def work():
        pusher.push(orders_to(sys.argv[1]), [one for number in range(200) for one in told(2)])
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
"""


@pytest.mark.parametrize(
    ("how", "numbers"), [("exit", [1]), ("fork", [1, 2, 3]), ("multiprocessing", [1, 2])]
)
def test_what_is_left_at_the_end_is_sent_and_forked_children_send_theirs(
    coordinator: Coordinator, how: str, numbers: list[int]
) -> None:
    inbox = coordinator.open("e")
    # Python 3.12 and later warn of a fork beside threads, which is what is tried.
    words = [sys.executable, "-W", "ignore:This process", "-c", PUSHES, coordinator.address, how]
    done = subprocess.run(
        words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(one.position for one in inbox.settle(0)) == numbers


# In a service


def request(coordinator: Coordinator, plan: Plan = Plan()) -> Branch:  # noqa: B008 - immutable
    """Return a branch of whoever calls a service, under orders."""
    orders = Orders("e", plan, LATER, coordinator.address)
    lineage = Lineage(b"1" * DIGEST_SIZE, clock={"test": 1})
    down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(lineage)}
    return Branch(EMPTY.with_down(down), "test")


def served(
    app: Filibuster, caller: Branch, work: Callable[[], object], *, streams: bool = False
) -> tuple[list[Observation], list[bytes]]:
    """Serve one request; return what its response brings home, and the body."""

    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [] if streams else [("Content-Length", "2")])
        if streams:
            return streamed()
        work()
        return iter([b"ok"])

    def streamed() -> Iterator[bytes]:
        yield b"first"
        work()

    from baggage.boundary import write_header

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "HTTP_BAGGAGE": write_header(caller.baggage, origin="test"),
        "HTTP_FILIBUSTER_DIRECT": "1",
    }
    headers: list[tuple[str, str]] = []

    def start(status: str, answered: list[tuple[str, str]], *_: object) -> Callable[..., None]:
        headers.extend(answered)
        return lambda _: None

    boundary = Boundary(Policy(service="foo"), (app,))
    body = list(serve(boundary, WsgiAdapter("flask"), application, environ, start))
    from baggage.boundary import read_header

    (home,) = [value for name, value in headers if name.lower() == "baggage"]
    return list(decode_observations(read_header(home).unpack(SEEN))), body


def calls(app: Filibuster, number: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(number):
            cross(app, ensure(), CALL)

    return work


def test_an_answer_whose_headers_have_no_room_says_what_is_under_way(
    coordinator: Coordinator,
) -> None:
    inbox, app = coordinator.open("e"), Filibuster((KEY,))
    home, _ = served(app, request(coordinator), calls(app, 200))
    (pushed,) = home
    assert (pushed.role, pushed.position) == (Role.PUSHED, 200)
    inbox.put(home)
    assert len(inbox.settle(30)) == 200
    assert inbox.lost == 0


def test_what_was_announced_and_never_came_is_waited_for_in_bounds_and_counted() -> None:
    with Coordinator(KEY) as gone:
        pass
    with Coordinator(KEY) as coordinator:
        inbox, app = coordinator.open("e"), Filibuster((KEY,))
        home, _ = served(app, request(gone), calls(app, 200))
        inbox.put(home)
        assert inbox.settle(0.05) == ()
        assert inbox.lost == 200


def test_what_did_not_come_in_time_is_said() -> None:
    serving = replace(seen(1), role=Role.SERVING, source="foo", operation="GET /stream")
    findings = [*unseen(Execution(FAULT_FREE, unfinished=(serving,), lost=3))]
    assert [(finding.kind, finding.text) for finding in findings] == [
        (FindingKind.UNSEEN, "what foo answers to GET /stream did not end in time"),
        (
            FindingKind.LOST,
            "3 observations were said to be under way, and did not come in time",
        ),
    ]


def test_a_stream_is_known_to_be_served_until_its_end(coordinator: Coordinator) -> None:
    inbox, app = coordinator.open("e"), Filibuster((KEY,))
    home, body = served(app, request(coordinator), calls(app, 1), streams=True)
    assert body == [b"first"]
    (serving,) = home
    assert (serving.role, serving.source) == (Role.SERVING, "foo")
    assert open_branches(home) == (serving,)
    inbox.put(home)
    assert {one.role for one in inbox.settle(30)} == {Role.SERVING, Role.END, Role.CALL}


def test_a_stream_that_calls_nobody_ends_too(coordinator: Coordinator) -> None:
    inbox, app = coordinator.open("e"), Filibuster((KEY,))
    home, _ = served(app, request(coordinator), lambda: None, streams=True)
    inbox.put(home)
    assert open_branches(inbox.settle(30)) == ()


def test_whether_a_fault_was_hit_is_known_while_that_is_still_under_way(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILIBUSTER_KEY", KEY.decode())
    app, held = Filibuster((KEY,)), Event()
    push = Pusher.push

    def later(self: Pusher, orders: Orders, observations: object, name: bytes = b"") -> None:
        Thread(target=lambda: held.wait(300) and push(self, orders, observations, name)).start()  # type: ignore[arg-type]

    monkeypatch.setattr(Pusher, "push", later)
    coordinator.open("e")
    refused = Fault(FaultKind.REFUSED)
    caller = request(coordinator, Plan((PlannedFault(b"2" * DIGEST_SIZE, refused, "bar"),)))

    def work() -> None:
        calls(app, 100)()
        hit = replace(seen(7), injected=refused, target="bar")
        ensure().pack(SEEN, encode_observation(hit))

    home, _ = served(app, caller, work)
    assert [one.role for one in home] == [Role.PUSHED]
    with attached(caller):
        caller.pack(SEEN, encode_observation(home[0]))
        asking = Thread(target=held.set)
        asking.start()
        assert was_fault_injected()
        assert was_fault_injected_on("bar")
        assert not was_fault_injected_on("foo")


def test_an_end_comes_with_what_it_is_the_end_of(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, reports = Filibuster((KEY,)), list[list[Role]]()

    def report(orders: Orders, observations: list[bytes], parcel: bytes = b"") -> None:
        reports.append([one.role for one in decode_observations(observations)])

    monkeypatch.setattr(app, "_report", report)
    parent = request(coordinator)
    child = parent.fork()
    parent.release()
    # The answer has left, and the request is not over yet: this one stays where it is.
    cross(app, child, CALL)
    parent.close()
    cross(app, child, CALL)
    cross(app, child, replace(SPAWN, kind=Kind.RUN))
    assert reports[0] == [Role.CALL]
    assert sorted(reports[1], key=str) == [Role.CALL, Role.END]


def test_a_test_s_own_process_tells_before_it_goes_on(coordinator: Coordinator) -> None:
    inbox, app = coordinator.open("e"), Filibuster((KEY,), by_test=True)
    with attached(request(coordinator)) as running:
        cross(app, running, CALL)
        app.overflow(SEEN, running.unpack(SEEN))
    assert len(inbox.settle(0)) == 1
