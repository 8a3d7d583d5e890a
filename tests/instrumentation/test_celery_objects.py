"""Celery's corners: faults as they really are, tasks run eagerly, signals, what flows are told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from celery import Celery, chord, signals, states
from celery.app import trace
from celery.app.trace import build_tracer as build_plain_tracer
from celery.result import AsyncResult

from baggage.boundary import Boundary, Call, Fault, FaultKind, Inject, Kind
from baggage.context import Branch, attached, branch, current, pack, unpack
from baggage.instrumentation import celery as instrumentation
from baggage.instrumentation import concurrent_futures, queue
from baggage.instrumentation import threading as threading_
from baggage.instrumentation._celery.calls import CONSUMING
from baggage.instrumentation._celery.messages import Taken
from baggage.testing.apps import Recorder, Scripted
from tests.brokers import unique
from tests.instrumentation.celery_tasks import working
from tests.instrumentation.waist import Waist


@pytest.fixture(scope="module")
def instrumented() -> Waist:
    return Waist(instrumentation, concurrent_futures, queue, threading_)


@pytest.fixture
def boundary(instrumented: Waist) -> Iterator[Boundary]:
    with instrumented.on() as boundary:
        yield boundary


def application(url: str = "memory://", **settings: Any) -> Celery:
    app = Celery(unique("app"), broker=url, set_as_current=False)
    hasty = {"polling_interval": 0.01, "max_retries": 1, "interval_start": 0}
    settings = {"broker_transport_options": hasty, **settings}
    app.conf.update(task_default_queue=unique("queue"), task_publish_retry=False, **settings)
    return app


def messages(app: Celery) -> list[Any]:
    """Take all messages that lie in an application's queue."""
    found: list[Any] = []
    with app.connection_for_read() as connection:
        queue = app.amqp.default_queue(connection.default_channel)
        queue.declare()
        while (message := queue.get(no_ack=True)) is not None:
            found.append(message)
    return found


# Faults


def refusing() -> Iterator[int]:
    """Give a port that nobody listens at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def silent() -> Iterator[int]:
    """Give a port that accepts nobody: its queue is full."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        with socket.create_connection(held.getsockname()):
            yield held.getsockname()[1]


REAL = {FaultKind.REFUSED: refusing, FaultKind.TIMEOUT: silent}
SHORT = {"max_retries": 1, "interval_start": 0, "socket_connect_timeout": 0.2}


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "amqp://guest:guest@127.0.0.1:{}//"])
def test_a_broker_that_cannot_be_reached_fails_as_it_really_does(
    of_blue: Branch, boundary: Boundary, kind: FaultKind, url: str
) -> None:
    for port in REAL[kind]():
        app = application(
            url.format(port), broker_connection_timeout=0.2, broker_transport_options=SHORT
        )
        real = failure(partial(app.send_task, "order"))
        scripted = Scripted(Inject(Fault(kind)), kinds=(Kind.PRODUCER,))
        boundary.register(scripted)
        enacted = failure(partial(app.send_task, "order"))
        assert looks(enacted) == looks(real)
        assert scripted.saw[0].injected == Fault(kind)


def failure(step: Callable[[], object]) -> BaseException:
    try:
        step()
    except Exception as error:
        return error
    raise AssertionError("it should have failed")


def looks(error: BaseException | None) -> list[object]:
    """Return all that an application can see of an error and its causes."""
    told: list[object] = []
    while error is not None:
        cause = error.__cause__
        told.append((type(error), error.args, vars(error), cause is not None))
        error = cause or error.__context__
    return told


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.REFUSED),
        Fault(FaultKind.RESET),
        Fault(FaultKind.RAISE, name="kombu.exceptions.OperationalError"),
    ],
)
def test_a_broker_in_memory_fails_as_others_do(
    of_blue: Branch, boundary: Boundary, fault: Fault
) -> None:
    boundary.register(Scripted(Inject(fault), kinds=(Kind.PRODUCER,)))
    app = application()
    error = failure(lambda: app.send_task("order"))
    assert type(error).__name__ == "OperationalError"
    assert isinstance(error.__cause__, OSError)
    assert not messages(app)


def test_who_sends_a_task_that_is_dropped_waits_for_a_result_that_never_comes(
    of_blue: Branch, boundary: Boundary
) -> None:
    boundary.register(Scripted(Inject(Fault(FaultKind.DROP)), kinds=(Kind.PRODUCER,)))
    app = application(result_backend="cache+memory://")
    told: list[object] = []
    receiver = _told_to(told)
    signals.after_task_publish.connect(receiver, weak=False)
    try:
        result = app.send_task("order", task_id="that one")
    finally:
        signals.after_task_publish.disconnect(receiver)
    assert isinstance(result, AsyncResult)
    assert (result.id, result.state) == ("that one", states.PENDING)
    assert told == ["order"]
    assert not messages(app)


def _told_to(told: list[object]) -> Callable[..., None]:
    def receiver(sender: object = None, **_: object) -> None:
        told.append(sender)

    return receiver


def test_a_task_that_is_duplicated_comes_twice_by_one_name_and_is_told_of_once(
    of_blue: Branch, boundary: Boundary
) -> None:
    boundary.register(Scripted(Inject(Fault(FaultKind.DUPLICATE)), kinds=(Kind.PRODUCER,)))
    app = application()
    told: list[object] = []
    receiver = _told_to(told)
    signals.before_task_publish.connect(receiver, weak=False)
    try:
        result = app.send_task("order")
    finally:
        signals.before_task_publish.disconnect(receiver)
    first, second = messages(app)
    assert first.headers == second.headers
    assert first.headers["id"] == result.id
    assert told == ["order"]


# Signals, and other tools


def test_what_receivers_put_on_a_message_goes_along_with_ours(of_blue: Branch) -> None:
    def receiver(headers: dict[str, Any], **_: object) -> None:
        headers["baggage"] = "theirs=1"
        headers["x-theirs"] = "1"

    signals.before_task_publish.connect(receiver, weak=False)
    try:
        app = application()
        app.send_task("order")
    finally:
        signals.before_task_publish.disconnect(receiver)
    (message,) = messages(app)
    assert message.headers["x-theirs"] == "1"
    assert "theirs=1" in message.headers["baggage"].split(",")
    assert _seen_by(app, message) == ("blue",)


@pytest.mark.parametrize(
    "options",
    [
        {"correlation_id": "theirs"},
        {"headers": [("x-theirs", "1"), ("baggage", "theirs=1")]},
        {"headers": None, "task_id": None},
    ],
)
def test_a_task_carries_whatever_else_its_sender_says(
    of_blue: Branch, options: dict[str, Any]
) -> None:
    app = application()
    app.send_task("order", **options)
    (message,) = messages(app)
    assert _seen_by(app, message) == ("blue",)


@pytest.mark.parametrize("headers", [None, "text", 3, ["list"], {"baggage": 3}, {"baggage": "%"}])
def test_a_message_with_odd_headers_is_a_message(boundary: Boundary, headers: object) -> None:
    seen: list[object] = []
    run = tracer(application(), lambda: seen.append(current().keys()))
    run("id", (), {}, {"id": "id", "delivery_info": None, "headers": headers, "baggage": headers})
    assert seen == [()]


def test_a_task_that_a_receiver_sends_is_a_task_of_its_own(of_blue: Branch) -> None:
    app = application()

    def receiver(sender: str, **_: object) -> None:
        if sender == "order":
            app.send_task("notice")

    signals.before_task_publish.connect(receiver, weak=False)
    try:
        app.send_task("order")
    finally:
        signals.before_task_publish.disconnect(receiver)
    sent = {message.headers["task"]: _seen_by(app, message) for message in messages(app)}
    assert sent == {"order": ("blue",), "notice": ("blue",)}


def _seen_by(app: Celery, message: Any) -> object:
    """Run a task for a message; return what it sees of the tenant."""
    seen: list[object] = []
    run = tracer(app, lambda: seen.append(unpack("tenant")))
    run("id", (), {}, {**message.headers, "delivery_info": {}})
    return seen[0]


def tracer(app: Celery, work: Callable[[], object]) -> Callable[..., object]:
    """Return what a worker runs a task by that does some work."""
    task = made(app, work)
    run: Callable[..., object] = trace.build_tracer(task.name, task, app=app)
    return run


def made(app: Celery, work: Callable[[], object]) -> Any:
    def run() -> None:
        work()

    return app.task(run, name=unique("task"))


def test_a_call_that_celery_refuses_fails_as_ever(of_blue: Branch) -> None:
    app = application()
    for args, kwargs in [((), {}), (("order",), {"name": "order"}), (("order", 1), {})]:
        assert isinstance(failure(partial(app.send_task, *args, **kwargs)), TypeError)


def test_tasks_that_a_worker_had_prepared_before_are_run_in_their_scope(of_blue: Branch) -> None:
    app = application()
    seen: list[object] = []
    task = made(app, lambda: seen.append(unpack("tenant")))
    task.__trace__ = build_plain_tracer(task.name, task, app=app)
    late = Waist()
    instrumentation.instrument(late.boundary, late.switch)
    app.send_task(task.name)
    (message,) = messages(app)
    late.switch.on = True
    try:
        task.__trace__("id", (), {}, {**message.headers, "delivery_info": {}})
    finally:
        late.switch.on = False
    assert seen == [("blue",)]


# Tasks that are run where they are called


def test_a_task_that_is_run_eagerly_is_a_call_in_its_callers_branch(
    of_blue: Branch, boundary: Boundary
) -> None:
    app = application(task_always_eager=True, task_store_eager_result=True)
    recorder = Recorder()
    boundary.register(recorder)

    @app.task(name="order")  # type: ignore[untyped-decorator]
    def order() -> object:
        pack("steps", "order")
        return branch()

    assert order.delay().get() is of_blue
    assert order.apply().get() is of_blue
    assert unpack("steps") == ("order", "order")
    assert not recorder.begun


# A backend that keeps its own count of a chord's header


def test_in_a_worker_of_this_process_tasks_alone_are_told_and_a_chord_knows_its_header(
    of_blue: Branch, boundary: Boundary
) -> None:
    app = application(result_backend="cache+memory://")
    recorder = Recorder()
    boundary.register(recorder)
    threads = {threading.get_ident()}

    @app.task(name="step", shared=False)  # type: ignore[untyped-decorator]
    def step(before: object, name: str) -> list[Any]:
        threads.add(threading.get_ident())
        known = sorted(map(str, unpack("steps")))
        pack("steps", name)
        return known

    with working(app, pool="threads", concurrency=2):
        header = [step.si(None, "a"), step.si(None, "b")]
        assert chord(header)(step.s("body")).get(timeout=300, interval=0.01) == ["a", "b"]
    assert sorted(map(str, unpack("steps"))) == ["a", "b", "body"]
    assert len(threads) > 1
    assert {crossed.call.library for crossed in recorder.begun} == {"celery"}


def test_what_polls_for_a_chord_is_told_to_nobody_and_carries_what_it_knows(
    of_blue: Branch, boundary: Boundary
) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    app = application()
    app.send_task("celery.chord_unlock")
    (message,) = messages(app)
    assert _seen_by(app, message) == ("blue",)
    assert not [each for each in recorder.begun if each.call.kind is Kind.PRODUCER]


# What is told of tasks


def test_equal_arguments_have_equal_payloads(of_blue: Branch, boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    boundary.register(recorder)
    app = application()
    app.send_task("order", (1,), {"b": [2], "a": "x"})
    app.send_task("order", args=[1], kwargs={"a": "x", "b": [2]})
    app.send_task("order", (2,))
    first, second, third = (crossed.call for crossed in recorder.begun)
    assert first.payload == second.payload != third.payload
    assert third.arguments == {"args": "(2,)", "kwargs": "{}"}
    assert (first.operation, first.method) == ("order", "apply_async")
    assert first.site.function == "test_equal_arguments_have_equal_payloads"


def test_what_no_message_can_say_is_no_payload(of_blue: Branch, boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    boundary.register(recorder)
    app = application(task_serializer="pickle")
    app.send_task("order", (object,))
    assert recorder.begun[0].call.payload is None


@pytest.mark.parametrize(
    ("url", "request_", "delivery"),
    [
        ("amqp://", {"delivery_info": {"redelivered": False}}, 1),
        ("amqp://", {"delivery_info": {"redelivered": True}}, 2),
        ("amqp://", {"delivery_info": {"redelivered": True}, "x-delivery-count": 4}, 5),
        ("redis://", {"delivery_info": {}}, 1),
        ("memory://", {"delivery_info": {"redelivered": False}}, 0),
        ("memory://", {}, 0),
    ],
)
def test_a_delivery_is_counted_as_the_broker_counts(
    url: str, request_: dict[str, Any], delivery: int
) -> None:
    assert told(request_, url).delivery == delivery


def test_headers_of_others_are_shown(boundary: Boundary) -> None:
    request = {"id": "1", "task": "order", "lang": "py", "Traceparent": "00", "shadow": "x"}
    assert told({**request, "headers": {"x-theirs": "1"}}).arrived == {
        "traceparent": "00",
        "x-theirs": "1",
    }


def told(request: dict[str, Any], url: str = "memory://") -> Call:
    return CONSUMING.describe(Taken(application(url), "order", (), {}, request))


def test_nothing_is_left_where_a_task_was_run(boundary: Boundary) -> None:
    run = tracer(application(), lambda: pack("left", "behind"))
    with attached(Branch()) as running:
        run("id", (), {}, {"id": "id", "delivery_info": {}})
        assert branch() is running
        assert current().keys() == ()
