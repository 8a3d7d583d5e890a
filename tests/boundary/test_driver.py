"""The drivers: what happens around one call, in a thread and in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import replace
from typing import Any, Final

import pytest

from baggage.boundary import (
    Boundary,
    Call,
    CallSite,
    Endpoint,
    Fault,
    FaultKind,
    Inject,
    Interest,
    Kind,
    MetaApp,
    PlainFacts,
    Policy,
    Proceed,
    Raised,
    Returned,
    read_header,
    write_header,
)
from baggage.boundary.transport import write
from baggage.context import (
    Branch,
    attached,
    branch,
    pack,
    remove,
    suppressed,
    unpack,
)
from baggage.testing import (
    Parcel,
    ParcelAdapter,
    ParcelRefused,
    ParcelReturned,
    Recorder,
    Scripted,
)
from baggage.testing.suite import chain, failure
from baggage.values import EMPTY, Baggage, Key
from tests.boundary.parts import DOWN, HOME, SERVER, arrive, strict

CLIENT = ParcelAdapter()
REFUSED = Fault(FaultKind.REFUSED)

Drive = Callable[[Boundary, Parcel, Callable[[], Any]], Any]


def in_thread(boundary: Boundary, request: Parcel, send: Callable[[], Any]) -> Any:
    return boundary.call(CLIENT, request, send)


def in_loop(boundary: Boundary, request: Parcel, send: Callable[[], Any]) -> Any:
    async def sending() -> Any:
        await asyncio.sleep(0)
        return send()

    return asyncio.run(call_in_loop(boundary, request, sending))


async def call_in_loop(
    boundary: Boundary, request: Parcel, send: Callable[[], Awaitable[Any]]
) -> Any:
    return await boundary.acall(CLIENT, request, send)


BOTH_DRIVERS = pytest.mark.parametrize("drive", [in_thread, in_loop])


# One call


@BOTH_DRIVERS
def test_a_call_sends_and_joins(drive: Drive) -> None:
    request = Parcel()
    with attached(EMPTY.pack("n", 1)) as running:

        def send() -> Parcel:
            came = read_header(request.headers["baggage"])
            assert (came.unpack("n"), came.origin) == ((1,), "here")
            return Parcel({"baggage": write_header(EMPTY.pack("n", 2), origin="callee")})

        drive(strict(), request, send)
        assert set(running.unpack("n")) == {1, 2}


@BOTH_DRIVERS
def test_nothing_happens_where_nothing_is_carried_and_nobody_asks(drive: Drive) -> None:
    request, response = Parcel(), Parcel()
    assert drive(strict(), request, lambda: response) is response
    assert request.headers == {}
    assert branch() is None


@BOTH_DRIVERS
def test_an_exception_passes_untouched(drive: Drive) -> None:
    cause, error = KeyError("cause"), LookupError("error")
    error.__cause__ = cause
    recorder = Recorder()

    def send() -> Any:
        raise error

    assert failure(lambda: drive(strict(recorder), Parcel(), send)) is error
    assert (error.__cause__, error.__context__) == (cause, None)
    assert recorder.ended[0].outcome == Raised(error)


def above() -> Any:
    try:
        raise OSError("below")
    except OSError:
        raise LookupError("above")  # noqa: B904 - the context is what is tried


def test_an_exception_keeps_what_it_came_of_in_a_handler() -> None:
    """Raised anew, an exception would get what the application handles as its context."""

    def handling() -> None:
        try:
            raise KeyError("being handled")
        except KeyError:
            strict(Recorder()).call(CLIENT, Parcel(), above)

    links = [kind for kind, _ in chain(failure(handling))]
    assert links == [LookupError, OSError, KeyError]


def test_an_exception_keeps_what_it_came_of_in_a_handler_of_a_coroutine() -> None:
    async def send() -> Any:
        return above()

    async def handling() -> None:
        try:
            raise KeyError("being handled")
        except KeyError:
            await call_in_loop(strict(Recorder()), Parcel(), send)

    links = [kind for kind, _ in chain(failure(lambda: asyncio.run(handling())))]
    assert links == [LookupError, OSError, KeyError]


def test_an_enacted_exception_keeps_what_it_came_of_in_a_handler() -> None:
    class Chaining(ParcelAdapter):
        def enact(self, fault: Fault, request: Parcel, response: Parcel | None = None) -> Parcel:
            try:
                raise OSError("below")
            except OSError:
                raise ParcelRefused("above")  # noqa: B904 - the context is what is tried

    boundary = strict(Scripted(Inject(REFUSED)))

    def handling() -> Any:
        try:
            raise KeyError("being handled")
        except KeyError:
            return boundary.call(Chaining(), Parcel(), Parcel)

    assert [kind for kind, _ in chain(failure(handling))] == [ParcelRefused, OSError, KeyError]


@BOTH_DRIVERS
def test_a_replaced_exception_is_delivered(drive: Drive) -> None:
    response = Parcel()

    def send() -> Any:
        raise LookupError

    assert drive(strict(Scripted(then=Returned(response))), Parcel(), send) is response


@BOTH_DRIVERS
def test_an_injected_fault_is_delivered_without_a_call(drive: Drive) -> None:
    sent: list[int] = []
    boundary = strict(Scripted(Inject(REFUSED)))
    error = failure(lambda: drive(boundary, Parcel(), lambda: sent.append(1)))
    assert (type(error), sent) == (ParcelRefused, [])


def test_a_delay_does_not_block_the_loop() -> None:
    boundary = strict(Scripted(Proceed(delay=0.05)))
    order: list[str] = []

    async def send() -> Parcel:
        order.append("sent")
        return Parcel()

    async def run() -> None:
        calling = asyncio.ensure_future(call_in_loop(boundary, Parcel(), send))
        await asyncio.sleep(0)
        order.append("other")
        await calling

    asyncio.run(run())
    assert order == ["other", "sent"]


@pytest.mark.parametrize("delay", [0.0, 60.0])
def test_a_call_that_is_cancelled_ends_its_flows(delay: float) -> None:
    recorder = Recorder()
    boundary = strict(recorder, Scripted(Proceed(delay=delay)))

    async def send() -> Parcel:
        await asyncio.sleep(60)
        return Parcel()

    async def run() -> None:
        calling = asyncio.ensure_future(call_in_loop(boundary, Parcel(), send))
        await asyncio.sleep(0.01)
        calling.cancel()
        await calling

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert len(recorder.ended) == 1
    outcome = recorder.ended[0].outcome
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, asyncio.CancelledError)


def test_a_cancellation_can_be_a_fault() -> None:
    class Cancelling(ParcelAdapter):
        def enact(self, fault: Fault, request: Parcel, response: Parcel | None = None) -> Parcel:
            raise asyncio.CancelledError

    recorder = Recorder()
    boundary = strict(recorder, Scripted(Inject(Fault(FaultKind.CANCELLED))))
    with pytest.raises(asyncio.CancelledError):
        boundary.call(Cancelling(), Parcel(), Parcel)
    assert recorder.ended[0].outcome is not None
    assert recorder.ended[0].outcome.injected == Fault(FaultKind.CANCELLED)


def test_concurrent_calls_of_one_loop_keep_their_flows_apart() -> None:
    recorder = Recorder()
    boundary = strict(recorder)

    async def one(n: int) -> Any:
        async def send() -> Parcel:
            await asyncio.sleep(0.001 * (5 - n))
            return Parcel(status=200 + n)

        return await call_in_loop(boundary, Parcel(), send)

    async def run() -> list[Any]:
        return await asyncio.gather(*(one(n) for n in range(5)))

    assert [each.status for each in asyncio.run(run())] == [200, 201, 202, 203, 204]
    outcomes = [crossed.outcome for crossed in recorder.begun]
    told = [each.facts.status for each in outcomes if isinstance(each, Returned)]
    assert told == [200, 201, 202, 203, 204]


def test_a_call_of_a_meta_application_is_not_seen() -> None:
    recorder = Recorder()
    boundary = strict(recorder)
    with suppressed():
        boundary.call(CLIENT, Parcel(), Parcel)
        assert boundary.arrive(SERVER, Parcel()) is None
        fork = boundary.fork(ParcelAdapter(Kind.SPAWN), None)
        assert fork is not None
        fork.start(lambda: None)
    fork.run(lambda: boundary.call(CLIENT, Parcel(), Parcel))
    assert recorder.begun == []


# Libraries that stack

BELOW: Final = ParcelAdapter(library="pipe", below=frozenset({"parcel"}))


@BOTH_DRIVERS
def test_what_a_library_is_built_on_is_a_part_of_its_call(drive: Drive) -> None:
    recorder = Recorder()
    boundary = strict(recorder)

    def send() -> Parcel:
        return boundary.call(BELOW, Parcel(), Parcel)

    drive(boundary, Parcel(), send)
    assert [crossed.call.library for crossed in recorder.begun] == ["parcel"]
    boundary.call(BELOW, Parcel(), Parcel)
    assert [crossed.call.library for crossed in recorder.begun] == ["parcel", "pipe"]


def test_what_another_branch_calls_meanwhile_is_no_part_of_a_call() -> None:
    recorder = Recorder()
    boundary = strict(recorder)

    def serve() -> Parcel:
        arrival = arrive(boundary)
        arrival.begin()
        with arrival.scope():
            boundary.call(BELOW, Parcel(), Parcel)
        return Parcel()

    boundary.call(CLIENT, Parcel(), serve)
    assert [crossed.call.library for crossed in recorder.begun] == ["parcel", "parcel", "pipe"]


def test_a_branch_that_a_library_starts_for_its_own_ends_is_no_fork() -> None:
    boundary = strict(Recorder())
    spawning = ParcelAdapter(Kind.SPAWN, library="task", below=frozenset({"parcel"}))

    def send() -> Parcel:
        assert boundary.fork(spawning, None) is None
        return Parcel()

    boundary.call(CLIENT, Parcel(), send)
    assert boundary.fork(spawning, None) is not None


# Exceptions that tell of an answer


@BOTH_DRIVERS
def test_an_exception_that_tells_of_an_answer_brings_home_what_the_answer_does(
    drive: Drive,
) -> None:
    recorder = Recorder()
    answer = answer_from("callee")
    answer.status = 404

    def send() -> Parcel:
        raise ParcelReturned(answer)

    error = failure(lambda: drive(strict(recorder), Parcel(), send))
    [ended] = recorder.ended
    assert isinstance(ended.outcome, Raised)
    assert ended.outcome.error is error
    assert (ended.outcome.target, ended.outcome.facts.status) == ("callee", 404)


def test_a_fault_that_befalls_an_answer_is_enacted_on_it() -> None:
    class Editing(ParcelAdapter):
        def enact(self, fault: Fault, request: Parcel, response: Parcel | None = None) -> Parcel:
            assert response is not None
            return Parcel(response.headers, status=fault.status or 0)

    fault = Fault(FaultKind.BODY, status=299)
    boundary = strict(Scripted(then=fault))
    edited = boundary.call(Editing(), Parcel(), lambda: Parcel({"x": "y"}))
    assert (edited.headers, edited.status) == ({"x": "y"}, 299)


# Carriers and hosts


class Deaf(ParcelAdapter):
    def request_carrier(self, request: Parcel) -> Any:
        return None

    def response_carrier(self, response: Parcel) -> Any:
        return None


def test_a_library_that_carries_nothing_is_called_all_the_same() -> None:
    request = Parcel()
    recorder = Recorder()
    with attached(EMPTY.pack("n", 1)):
        strict(recorder).call(Deaf(), request, Parcel)
    assert request.headers == {}
    assert len(recorder.ended) == 1


@pytest.mark.parametrize("apps", [(), (Recorder(),)])
def test_hosts_that_are_not_allowed_get_nothing(apps: tuple[MetaApp, ...]) -> None:
    boundary = Boundary(Policy(hosts=("*.internal", "localhost")), apps)
    for host, allowed in (
        ("db.internal", True),
        ("localhost", True),
        ("internal", False),
        ("evil.example", False),
    ):
        request = Parcel()
        with attached(EMPTY.pack("n", 1)):
            boundary.call(ParcelAdapter(endpoint=Endpoint(host)), request, Parcel)
        assert ("baggage" in request.headers) is allowed, host


def test_a_call_to_an_unknown_host_gets_nothing_where_hosts_are_limited() -> None:
    request = Parcel()
    with attached(EMPTY.pack("n", 1)):
        Boundary(Policy(hosts=("known",))).call(ParcelAdapter(endpoint=None), request, Parcel)
    assert request.headers == {}


def test_a_flow_can_send_keys_where_nothing_is_carried() -> None:
    request = Parcel()
    strict(Scripted(Proceed({DOWN: 1}))).call(CLIENT, request, Parcel)
    assert read_header(request.headers["baggage"]).unpack(DOWN) == (1,)
    assert branch() is None


def test_what_fits_no_header_is_left_out_and_the_call_is_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = Parcel()
    boundary = Boundary(Policy(strict=True, budget=200))
    with attached(EMPTY.pack("large", "x" * 500).pack("small", "y")):
        boundary.call(CLIENT, request, Parcel)
    assert len(request.headers["baggage"]) <= 200
    (record,) = caplog.records
    assert record.message == "baggage over budget"
    assert "large" in record.dropped  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", ["describe", "request_carrier", "response_carrier", "facts"])
def test_an_adapter_that_fails_leaves_the_call_to_happen(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> Any:
        raise ValueError("the adapter's")

    adapter: Any = type("Failing", (ParcelAdapter,), {step: failing})()
    response = Parcel()
    with attached(EMPTY.pack("n", 1)):
        got = Boundary(apps=(Recorder(),)).call(adapter, Parcel(), lambda: response)
    assert got is response
    assert [record.message for record in caplog.records] == ["propagation failed"]


# Who is on the other side


def answer_from(service: str) -> Parcel:
    return Parcel({"baggage": write_header(EMPTY.pack("n", 1), origin=service)})


def test_the_name_of_a_service_is_learnt_once_for_each_endpoint() -> None:
    recorder = Recorder()
    boundary = strict(recorder)
    one, two = (ParcelAdapter(endpoint=Endpoint("host", port)) for port in (1, 2))
    for adapter, service in ((one, "one"), (two, "two"), (one, "one"), (one, "moved")):
        boundary.call(adapter, Parcel(), lambda service=service: answer_from(service))  # type: ignore[misc]
    boundary.call(one, Parcel(), Parcel)
    assert [crossed.call.target for crossed in recorder.begun] == ["", "", "one", "one", "moved"]
    assert [crossed.outcome and crossed.outcome.target for crossed in recorder.ended] == [
        "one",
        "two",
        "one",
        "moved",
        "moved",
    ]


def test_a_call_that_is_never_sent_has_the_name_that_was_learnt() -> None:
    recorder = Recorder()
    boundary = strict(recorder)
    boundary.call(CLIENT, Parcel(), lambda: answer_from("stock"))
    boundary.register(Scripted(Inject(REFUSED)))
    failure(lambda: boundary.call(CLIENT, Parcel(), Parcel))
    outcome = recorder.ended[1].outcome
    assert isinstance(outcome, Raised)
    assert outcome.target == "stock"


def test_names_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baggage.boundary.driver._REMEMBERED_ENDPOINTS", 2)
    recorder = Recorder()
    boundary = strict(recorder)
    adapters = [ParcelAdapter(endpoint=Endpoint("host", port)) for port in (1, 2, 3)]
    for adapter in adapters:
        boundary.call(adapter, Parcel(), lambda: answer_from("first"))
    for adapter in adapters:
        boundary.call(adapter, Parcel(), lambda: answer_from("second"))
    for adapter in adapters:
        boundary.call(adapter, Parcel(), Parcel)
    assert [crossed.call.target for crossed in recorder.begun[6:]] == ["second", "second", ""]


def test_a_call_that_nobody_asks_about_teaches_nothing() -> None:
    boundary = strict()
    with attached(EMPTY):
        boundary.call(CLIENT, Parcel(), lambda: answer_from("stock"))
    recorder = Recorder()
    boundary.register(recorder)
    boundary.call(CLIENT, Parcel(), Parcel)
    assert recorder.begun[0].call.target == ""


def test_a_call_without_an_endpoint_is_learnt_from_all_the_same() -> None:
    recorder = Recorder()
    adapter = ParcelAdapter(endpoint=None)
    strict(recorder).call(adapter, Parcel(), lambda: answer_from("stock"))
    assert recorder.ended[0].outcome is not None
    assert recorder.ended[0].outcome.target == "stock"


def test_a_branch_of_a_named_service_speaks_in_its_name() -> None:
    request, recorder = Parcel(), Recorder()
    with attached(Branch(service="named")):
        strict(recorder).call(CLIENT, request, Parcel)
    assert recorder.begun[0].call.source == "named"
    assert read_header(request.headers["baggage"]).origin == "named"


# Registering


def test_a_meta_application_of_the_same_name_takes_the_place() -> None:
    first, second, other = Recorder("a"), Recorder("a"), Recorder("b")
    boundary = strict(first, other)
    boundary.call(CLIENT, Parcel(), Parcel)
    boundary.register(second)
    boundary.call(CLIENT, Parcel(), Parcel)
    assert boundary.apps == (second, other)
    assert [len(app.ended) for app in (first, second, other)] == [1, 1, 2]


def test_an_unregistered_meta_application_is_not_asked() -> None:
    recorder = Recorder()
    boundary = strict(recorder)
    boundary.unregister("nobody")
    boundary.unregister("recorder")
    boundary.call(CLIENT, Parcel(), Parcel)
    assert recorder.begun == []


def test_who_registers_while_others_are_asked_for_interest_is_asked_too() -> None:
    """A cache that is filled by what was known before must not hide who came meanwhile."""
    boundary = strict()
    late = Recorder("late")

    class Slow(Recorder):
        def interest(self, kind: Kind, library: str) -> Interest:
            if late not in boundary.apps:
                boundary.register(late)
            return Interest.OBSERVE

    boundary.register(Slow("slow"))
    boundary.call(CLIENT, Parcel(), Parcel)
    boundary.call(CLIENT, Parcel(), Parcel)
    assert late.ended


def test_many_may_register_at_a_time() -> None:
    boundary = strict()
    together = threading.Barrier(8)

    def register(n: int) -> None:
        together.wait(300)
        for m in range(50):
            boundary.register(Recorder(f"{n}.{m}"))

    threads = [threading.Thread(target=register, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(boundary.apps) == 400


# Arrivals


def test_what_is_served_runs_in_the_scope_of_its_request_and_answers_with_what_it_packed() -> None:
    request = Parcel({"baggage": write_header(EMPTY.pack("n", 1), origin="caller")})

    def handle() -> Parcel:
        assert unpack("n") == (1,)
        pack("n", 2)
        return Parcel()

    response = strict().serve(SERVER, request, handle, "callee")
    back = read_header(response.headers["baggage"])
    assert (sorted(back.unpack("n")), back.origin) == ([1, 2], "callee")
    assert branch() is None


def test_what_a_handler_raises_is_told_and_passes() -> None:
    error, recorder = KeyError("mine"), Recorder()

    def handle() -> Parcel:
        raise error

    assert failure(lambda: strict(recorder).serve(SERVER, Parcel(), handle)) is error
    assert recorder.ended[0].outcome == Raised(error, "here")


def test_an_answer_that_a_flow_makes_is_given_without_the_handler() -> None:
    fault = Fault(FaultKind.STATUS, status=503)
    boundary = strict(Scripted(Inject(fault), kinds=(Kind.SERVER,)))
    assert boundary.serve(SERVER, Parcel(), lambda: Parcel(status=200)).status == 503


def test_what_a_meta_application_serves_is_not_seen() -> None:
    recorder = Recorder()
    with suppressed():
        assert strict(recorder).serve(SERVER, Parcel(), lambda: Parcel(status=201)).status == 201
    assert recorder.begun == []


def test_a_scope_may_be_entered_again_for_the_parts_of_a_stream() -> None:
    arrival = arrive(strict(), EMPTY.pack("n", 1))
    for _ in range(3):
        with arrival.scope():
            assert 1 in unpack("n")
            pack("n", 2)
        assert branch() is None
    assert len(arrival.branch.unpack("n")) == 4


def test_a_scope_left_in_another_context_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scope = arrive(strict()).scope()
    copy_context().run(scope.__enter__)
    scope.__exit__(None, None, None)
    assert [record.message for record in caplog.records] == ["scope left in another context"]


def test_a_response_without_a_carrier_sends_home_values_to_their_owner() -> None:
    recorder = Recorder("test")
    arrival = arrive(strict(recorder))
    with arrival.scope():
        pack(HOME, 1)
        arrival.respond(None)
    assert recorder.lost == [("test.home", 1)]


def test_home_values_that_find_no_room_go_to_their_owner() -> None:
    recorder = Recorder("test")
    boundary = Boundary(Policy(strict=True, budget=100), (recorder,))
    arrival, response = arrive(boundary), Parcel()
    with arrival.scope():
        for n in range(9):
            pack(HOME, f"{n}" * 20)
        arrival.respond(response)
    home = read_header(response.headers["baggage"]).unpack(HOME)
    assert {*home, *(value for _, value in recorder.lost)} == {f"{n}" * 20 for n in range(9)}
    assert home
    assert recorder.lost


def test_values_that_nobody_owns_are_logged_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Careless:
        name = "test"

        def interest(self, kind: Kind, library: str) -> Interest:
            return Interest.NONE

        def around(self, call: Call) -> Any:
            yield Proceed()

    for apps in ((), (Careless(),), (Recorder("tes"),)):
        caplog.clear()
        strict(*apps).overflow({"test.home": (1, 2)})
        (record,) = caplog.records
        assert (record.message, record.count) == ("values lost", 2)  # type: ignore[attr-defined]


def test_an_overflow_sink_that_fails_is_isolated(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Recorder):
        def overflow(self, key: Key, values: Any) -> None:
            raise ValueError("full")

    Boundary(apps=(Failing("test"),)).overflow({"test.home": (1,)})
    assert [record.message for record in caplog.records] == ["propagation failed"]


def test_flows_that_were_begun_and_never_ended_are_closed() -> None:
    recorder = Recorder()
    arrival = arrive(strict(recorder))
    with arrival.scope():
        arrival.begin()
    arrival.close()
    assert [crossed.outcome for crossed in recorder.ended] == [None]


def test_a_bare_arrival_is_not_described() -> None:
    arrival = arrive(strict(), None)
    assert arrival.call is None
    assert arrival.target == "here"
    assert arrival.begin() is None


# Values


def test_an_endpoint_is_told_with_its_port_if_that_is_known() -> None:
    assert [str(Endpoint("h", 80)), str(Endpoint("h"))] == ["h:80", "h"]


class Placed(ParcelAdapter):
    """Knows by itself who asked for a call."""

    def describe(self, request: Parcel) -> Call:
        return replace(super().describe(request), site=CallSite("shop.orders", "pay"))


def test_a_departure_has_the_site_that_its_adapter_knows_or_else_where_the_stack_is() -> None:
    recorder = Recorder()
    for adapter in (CLIENT, Placed()):
        strict(recorder).call(adapter, Parcel(), Parcel)
    found, known = (crossed.call.site for crossed in recorder.ended)
    assert found.module == __name__
    assert known == CallSite("shop.orders", "pay")


def test_a_fault_is_told_with_what_makes_it_up() -> None:
    told = [
        str(Fault(FaultKind.STATUS, status=503)),
        str(Fault(FaultKind.RAISE, name="a.B")),
        str(REFUSED),
    ]
    assert told == ["status 503", "raise a.B", "refused"]


def test_an_exception_is_named_in_full_unless_it_is_builtin() -> None:
    names = [Raised(ParcelRefused()).name, Raised(ValueError()).name]
    assert names == ["baggage.testing.parcel.ParcelRefused", "ValueError"]


def test_plain_facts_know_the_size_of_their_content() -> None:
    assert (PlainFacts().size(), PlainFacts(content=b"abc").size()) == (None, 3)
    assert PlainFacts(content=b"abc").digest() is None


def test_departing_kinds_are_the_first_of_each_pair() -> None:
    departing = {kind for kind in Kind if kind.departs}
    assert departing == {Kind.CLIENT, Kind.PRODUCER, Kind.SPAWN}


def test_what_the_caller_knows_already_does_not_travel_back() -> None:
    sent = EMPTY.pack("n", "x" * 100)
    arrival, response = arrive(strict(), sent), Parcel()
    with arrival.scope():
        fork = strict().fork(ParcelAdapter(Kind.SPAWN), None)
        assert fork is not None
        fork.start(lambda: fork.run(lambda: unpack("n")))
        fork.join()
        arrival.respond(response)
    back = read_header(response.headers["baggage"])
    assert (back.keys(), back.origin) == ((), "here")


@pytest.mark.parametrize("change", [lambda: pack("n", 2), lambda: remove("n")])
def test_what_the_callee_changed_travels_back(change: Callable[[], None]) -> None:
    sent = EMPTY.pack("n", 1)
    arrival, response = arrive(strict(), sent), Parcel()
    with arrival.scope():
        change()
        seen = unpack("n")
        arrival.respond(response)
    assert set(sent.join(read_header(response.headers["baggage"])).unpack("n")) == set(seen)


def test_home_values_that_come_with_a_request_are_not_believed() -> None:
    forged = Baggage(origin="caller").pack(HOME, "forged")
    carrier = Parcel()
    write(carrier, forged, origin="caller", budget=4096)
    arrival = strict().arrive(SERVER, carrier)
    assert arrival is not None
    with arrival.scope():
        assert unpack(HOME) == ()


def test_a_host_that_may_not_receive_baggage_brings_none_home() -> None:
    boundary = Boundary(Policy(strict=True, hosts=("known",)))
    with attached(EMPTY.pack("n", 1)) as running:
        boundary.call(ParcelAdapter(endpoint=Endpoint("evil")), Parcel(), lambda: answer_from("x"))
        assert running.unpack("n") == (1,)
