"""The coordinator hears whoever has the key, of the executions that go on, and nobody else."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Thread, Timer, active_count

import pytest

from baggage.boundary import Call, CallSite, Fault, FaultKind, Kind
from metaapps.filibuster import reporting
from metaapps.filibuster.brokered import delivered, delivery_ended
from metaapps.filibuster.coordinator import HOST, Coordinator
from metaapps.filibuster.deliveries import Expected
from metaapps.filibuster.index import ROOT, CallFrame, child
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import Orders, sign
from metaapps.filibuster.reporting import ARRIVALS, OBSERVATIONS, QUESTIONS
from metaapps.filibuster.wire import MAX_REPORT, Report, encode_observation, encode_report
from tests.filibuster.shell import wait_until

KEY = b"a key"


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    with Coordinator(KEY) as running:
        yield running


@pytest.fixture
def orders(coordinator: Coordinator) -> Orders:
    return Orders("e", coordinator=coordinator.address, key=KEY)


def call(number: int, *, by_test: bool = False, injected: Fault | None = None) -> Observation:
    frame = CallFrame("foo", "app", "foo", "GET /", number)
    return Observation(
        role=Role.CALL,
        index=child(ROOT, frame),
        parent=ROOT,
        position=number,
        source="foo",
        target="bar",
        operation="GET /",
        site=CallSite("app", "foo"),
        occurrence=number,
        by_test=by_test,
        injected=injected,
    )


ARRIVAL = Call(kind=Kind.SERVER, library="flask", operation="GET /", source="foo")


def ask(coordinator: Coordinator, path: str, body: bytes = b"", **headers: str) -> int:
    connection = http.client.HTTPConnection(coordinator.address, timeout=300)
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_listens_on_the_loopback_interface_alone(coordinator: Coordinator) -> None:
    assert coordinator.address.startswith(f"{HOST}:")
    assert HOST == "127.0.0.1"


def test_it_can_listen_for_services_elsewhere() -> None:
    with Coordinator(KEY, "0.0.0.0", reached_at="localhost") as wide:
        assert wide.address.startswith("localhost:")
        inbox = wide.open("e")
        orders = Orders("e", coordinator=wide.address, key=KEY)
        reporting.report(orders, [encode_observation(call(1))])
        assert len(inbox.settle(0)) == 1


def test_what_is_reported_is_heard_once(coordinator: Coordinator, orders: Orders) -> None:
    inbox = coordinator.open("e")
    reporting.report(orders, [encode_observation(call(1)), encode_observation(call(2))])
    reporting.report(orders, [encode_observation(call(1))])
    assert sorted(seen.position for seen in inbox.settle(0)) == [1, 2]


def test_reports_of_many_at_once_are_all_heard(coordinator: Coordinator, orders: Orders) -> None:
    inbox = coordinator.open("e")
    with ThreadPoolExecutor(16) as pool:
        numbers = range(200)
        list(pool.map(lambda n: reporting.report(orders, [encode_observation(call(n))]), numbers))
    assert sorted(seen.position for seen in inbox.settle(0)) == list(numbers)


def test_executions_are_kept_apart(coordinator: Coordinator, orders: Orders) -> None:
    one, other = coordinator.open("e"), coordinator.open("f")
    reporting.report(orders, [encode_observation(call(1))])
    assert (len(one.settle(0)), len(other.settle(0))) == (1, 0)


def test_nothing_is_heard_of_an_execution_that_is_over(
    coordinator: Coordinator, orders: Orders
) -> None:
    inbox = coordinator.open("e")
    coordinator.close("e")
    coordinator.close("e")
    reporting.report(orders, [encode_observation(call(1))])
    assert inbox.settle(0) == ()


def test_equal_requests_of_the_test_have_places_of_their_own(
    coordinator: Coordinator, orders: Orders
) -> None:
    coordinator.open("e")
    steps = [reporting.arrive(orders, ARRIVAL) for _ in range(3)]
    assert all(step is not None for step in steps)
    known = [step for step in steps if step is not None]
    assert [(step.position, step.occurrence) for step in known] == [(0, 1), (1, 2), (2, 3)]
    assert len({step.index for step in known}) == 3
    assert [step.clock for step in known] == [{"test": 1}, {"test": 2}, {"test": 3}]


def test_an_announced_call_is_waited_for(coordinator: Coordinator, orders: Orders) -> None:
    inbox = coordinator.open("e")
    step = reporting.arrive(orders, ARRIVAL)
    assert step is not None
    seen = replace(call(0, by_test=True), index=step.index)
    later = Thread(target=lambda: reporting.report(orders, [encode_observation(seen)]))
    later.start()
    assert [heard.index for heard in inbox.settle(30)] == [step.index]
    later.join()


def test_what_never_ends_is_waited_for_in_bounds(coordinator: Coordinator, orders: Orders) -> None:
    inbox = coordinator.open("e")
    reporting.arrive(orders, ARRIVAL)
    assert inbox.settle(0.05) == ()


def branch(role: Role) -> Observation:
    return Observation(role=role, index=b"b" * 16, parent=ROOT, position=0)


def test_a_branch_is_waited_for_until_it_ends(coordinator: Coordinator, orders: Orders) -> None:
    inbox = coordinator.open("e")
    inbox.put((branch(Role.BRANCH),))
    ends = [encode_observation(call(3)), encode_observation(branch(Role.END))]
    later = Thread(target=lambda: reporting.report(orders, ends))
    later.start()
    assert {heard.role for heard in inbox.settle(30)} == {Role.BRANCH, Role.CALL, Role.END}
    later.join()


def test_a_branch_that_is_known_to_be_endless_is_not_waited_for(coordinator: Coordinator) -> None:
    inbox = coordinator.open("e")
    inbox.put((branch(Role.BRANCH),))
    assert inbox.settle(600, Expected(frozenset({b"b" * 16}))) == (branch(Role.BRANCH),)


def test_messages_that_are_taken_too_late_are_counted(
    coordinator: Coordinator, orders: Orders
) -> None:
    taking = Call(kind=Kind.CONSUMER, library="pika", operation="orders", source="worker")
    taken = delivered(taking, b"m" * 16, 2)
    told = [taken, delivery_ended(taken)]
    reporting.report(orders, [encode_observation(one) for one in told])
    assert coordinator.late_deliveries == {"worker: orders": 1}
    assert coordinator.ended_late() == {taken.index, b"m" * 16}
    assert coordinator.ended_late() == frozenset()


def test_deliveries_are_counted_for_each_taker(coordinator: Coordinator, orders: Orders) -> None:
    assert reporting.delivery(orders, b"m", "worker: orders", 1) is None
    coordinator.open("e")
    taken = [("worker", 1), ("worker", 1), ("mailer", 1), ("worker", 7), ("worker", 2)]
    numbers = [reporting.delivery(orders, b"m", *each) for each in taken]
    assert numbers == [1, 2, 1, 7, 8]


def test_a_fault_counts_as_injected_once_it_was_hit(
    coordinator: Coordinator, orders: Orders
) -> None:
    inbox = coordinator.open("e")
    assert not reporting.was_injected(orders, "", recorded=True)
    hit = call(1, injected=Fault(FaultKind.REFUSED))
    reporting.report(orders, [encode_observation(hit)])
    assert reporting.was_injected(orders, "", recorded=True)
    assert reporting.was_injected(orders, "bar", recorded=True)
    assert not reporting.was_injected(orders, "foo", recorded=True)
    assert inbox.settle(0) == (hit,)


def test_who_asks_waits_for_the_calls_from_outside_that_are_under_way(
    coordinator: Coordinator, orders: Orders
) -> None:
    coordinator.open("e")
    step = reporting.arrive(orders, ARRIVAL)
    assert step is not None
    hit = call(1, injected=Fault(FaultKind.REFUSED))
    ended = replace(call(0, by_test=True), index=step.index)
    told = [encode_observation(one) for one in (hit, ended)]
    later = Timer(0.05, lambda: reporting.report(orders, told))
    later.start()
    assert reporting.was_injected(orders, "bar", recorded=False)
    later.join()


def test_what_is_under_way_is_waited_for_by_its_name(
    coordinator: Coordinator, orders: Orders
) -> None:
    inbox = coordinator.open("e")
    hit = encode_observation(call(1, injected=Fault(FaultKind.REFUSED)))
    later = Timer(0.05, lambda: reporting.report(orders, [hit], b"a parcel"))
    later.start()
    assert reporting.was_injected(orders, "", recorded=True, parcels=[b"a parcel"])
    later.join()
    assert inbox.lost == 0


def test_a_question_from_outside_is_part_of_the_execution(
    coordinator: Coordinator, orders: Orders
) -> None:
    inbox = coordinator.open("e")
    assert not reporting.was_injected(orders, "bar", recorded=False)
    (asked,) = inbox.settle(0)
    assert (asked.role, asked.target, asked.ok) == (Role.ASK, "bar", False)


def test_strangers_are_refused(coordinator: Coordinator) -> None:
    inbox = coordinator.open("e")
    body = encode_report(Report("e", [encode_observation(call(1))]))
    assert ask(coordinator, OBSERVATIONS, body) == 403
    for other in ("Bearer x", "Signature x", "Signature é"):
        assert ask(coordinator, OBSERVATIONS, body, Authorization=other) == 403
    elsewhere = sign(ARRIVALS.encode() + b"\n" + body, KEY).hex()
    assert ask(coordinator, OBSERVATIONS, body, Authorization=f"Signature {elsewhere}") == 403
    assert inbox.settle(0) == ()


def test_who_has_another_key_is_refused(coordinator: Coordinator, orders: Orders) -> None:
    inbox = coordinator.open("e")
    reporting.report(replace(orders, key=b"another"), [encode_observation(call(1))])
    assert inbox.settle(0) == ()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/", b"", 404),
        (OBSERVATIONS, b"garbage", 404),
        (OBSERVATIONS, encode_report(Report("unknown")), 404),
        (ARRIVALS, b"garbage", 400),
        (ARRIVALS, b"[]", 400),
        (ARRIVALS, json.dumps({"execution": "unknown"}).encode(), 404),
        (QUESTIONS, b"{}", 404),
        (QUESTIONS, json.dumps({"execution": "e", "parcels": ["x"]}).encode(), 400),
        (QUESTIONS, json.dumps({"execution": "e", "parcels": 1}).encode(), 400),
        (QUESTIONS, b"[" * 200_000, 400),
    ],
)
def test_nonsense_is_refused(coordinator: Coordinator, path: str, body: bytes, status: int) -> None:
    coordinator.open("e")
    signature = sign(path.encode() + b"\n" + body, KEY).hex()
    assert ask(coordinator, path, body, Authorization=f"Signature {signature}") == status


def test_a_body_that_is_too_long_is_not_read(coordinator: Coordinator) -> None:
    connection = http.client.HTTPConnection(coordinator.address, timeout=300)
    connection.putrequest("POST", "/observations")
    connection.putheader("Content-Length", str(MAX_REPORT + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_length_that_no_body_has_is_refused(coordinator: Coordinator) -> None:
    for length in ("9" * 5000, "-1", "", "1e3"):
        connection = http.client.HTTPConnection(coordinator.address, timeout=300)
        connection.putrequest("POST", OBSERVATIONS)
        connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_nothing_is_said_of_who_goes_away_amid_a_report(
    coordinator: Coordinator, capfd: pytest.CaptureFixture[str]
) -> None:
    host, _, port = coordinator.address.partition(":")
    before = active_count()
    for _ in range(3):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /observations HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
            # What is closed like this is reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ask(coordinator, OBSERVATIONS) == 403
    wait_until(lambda: active_count() <= before)
    assert capfd.readouterr().err == ""


def test_a_coordinator_that_is_gone_is_logged_and_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Coordinator(KEY) as gone:
        orders = Orders("e", coordinator=gone.address, key=KEY)
    reporting.report(orders, [b""])
    assert reporting.arrive(orders, ARRIVAL) is None
    assert not reporting.was_injected(orders, "", recorded=True)
    assert [record.message for record in caplog.records] == ["coordinator not reached"] * 3


def test_orders_that_nobody_signed_have_nobody_contacted() -> None:
    with socket.create_server((HOST, 0)) as stranger:
        stranger.setblocking(False)
        orders = Orders("e", coordinator=f"{HOST}:{stranger.getsockname()[1]}")
        assert not reporting.was_injected(orders, "", recorded=True)
        assert reporting.arrive(orders, ARRIVAL) is None
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_without_a_coordinator_nobody_is_asked() -> None:
    assert reporting.arrive(Orders("e"), ARRIVAL) is None
    assert not reporting.was_injected(Orders("e"), "", recorded=False)
