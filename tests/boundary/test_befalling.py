"""Faults of calls that happen: lost and changed answers, waits, and what meta-applications see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import (
    PROCEED,
    Answer,
    Boundary,
    Directive,
    Fault,
    FaultKind,
    Inject,
    Kind,
    MetaApp,
    Outcome,
    PlainFacts,
    Policy,
    Proceed,
    Raised,
    Receipt,
    Returned,
    read_header,
    write_header,
)
from baggage.boundary.directive import LONGEST_DELAY, MetaAppError, check
from baggage.boundary.pending import Pending, launch
from baggage.context import attached, unpack
from baggage.instrumentation._forking import ForkAdapter
from baggage.testing import (
    Parcel,
    ParcelAdapter,
    ParcelLate,
    ParcelRefused,
    ParcelReturned,
    Recorder,
    Scripted,
)
from baggage.testing.suite import failure, outcome_of
from baggage.values import EMPTY
from tests.boundary.parts import DOWN, strict

CLIENT = ParcelAdapter()
HASTY = ParcelAdapter(timeout=0.5)
LOST = Fault(FaultKind.TIMEOUT, late=True)
GONE = Fault(FaultKind.STATUS, status=503, late=True)
NULLED = Fault(FaultKind.BODY, edit="null a")
SLOW = Fault(FaultKind.DELAY, seconds=2.0)


def told(boundary: Boundary, send: Callable[[], Any], adapter: ParcelAdapter) -> Any:
    return boundary.call(adapter, Parcel(), send)


def in_loop(boundary: Boundary, send: Callable[[], Any], adapter: ParcelAdapter) -> Any:
    async def answer() -> Any:
        return send()

    return asyncio.run(boundary.acall(adapter, Parcel(), answer))


def later(boundary: Boundary, send: Callable[[], Any], adapter: ParcelAdapter) -> Any:
    """Call by a future, whose answer is taken after the call was made."""
    departure = boundary.depart(adapter, Parcel())
    assert departure is not None
    launched = launch(departure, lambda: None)
    if isinstance(launched, Pending):
        came = outcome_of(send)
        launched = launched.settle(
            lambda it: it.raised(came) if isinstance(came, BaseException) else it.answered(came)
        )
    if isinstance(launched, Raised):
        raise launched.error
    return launched.value


WAYS = pytest.mark.parametrize("way", [told, in_loop, later])
Way = Callable[[Boundary, Callable[[], Any], ParcelAdapter], Any]


def made(
    way: Way, *apps: MetaApp, send: Callable[[], Any] = Parcel, adapter: ParcelAdapter = CLIENT
) -> Any:
    return way(strict(*apps), send, adapter)


def raises(error: BaseException) -> Callable[[], Any]:
    def send() -> Any:
        raise error

    return send


# Late


@WAYS
def test_a_late_fault_befalls_the_answer_of_a_callee_who_did_run(way: Way) -> None:
    ran: list[int] = []
    scripted = Scripted(Inject(LOST))

    def send() -> Parcel:
        ran.append(1)
        return Parcel()

    assert isinstance(failure(lambda: made(way, scripted, send=send)), ParcelLate)
    assert (ran, scripted.saw[0].injected) == ([1], LOST)


@WAYS
@pytest.mark.parametrize("too_late", [True, False])
def test_a_late_fault_may_depend_on_the_answer(way: Way, too_late: bool) -> None:
    answers: list[Outcome] = []

    def when(outcome: Outcome) -> bool:
        answers.append(outcome)
        return too_late

    scripted = Scripted(Inject(LOST, when=when))
    came = outcome_of(lambda: made(way, scripted))
    assert isinstance(came, ParcelLate) is too_late
    assert [type(answer) for answer in answers] == [Returned]
    assert scripted.saw[0].injected == (LOST if too_late else None)


def test_only_what_comes_late_can_wait_for_an_answer() -> None:
    with pytest.raises(MetaAppError, match="only a late fault"):
        check(Inject(Fault(FaultKind.TIMEOUT), when=lambda _: True))


@WAYS
def test_a_call_that_raises_by_itself_is_left_alone(way: Way) -> None:
    scripted = Scripted(Inject(GONE))
    own = OSError("its own")
    assert failure(lambda: made(way, scripted, send=raises(own))) is own
    outcome = scripted.saw[0]
    assert isinstance(outcome, Raised)
    assert (outcome.error, outcome.injected) == (own, None)


@WAYS
def test_an_exception_that_tells_of_an_answer_is_an_answer(way: Way) -> None:
    scripted = Scripted(Inject(LOST))
    own = ParcelReturned(Parcel(status=404))
    assert isinstance(failure(lambda: made(way, scripted, send=raises(own))), ParcelLate)
    assert scripted.saw[0].injected == LOST


def test_a_late_fault_goes_on_as_otherwise_says() -> None:
    request = Parcel()
    scripted = Scripted(Inject(GONE, Proceed({DOWN: 1}, {"x": "y"})))
    answer = Boundary(Policy(strict=True), (scripted,)).call(CLIENT, request, Parcel)
    assert (answer.status, request.headers["x"]) == (503, "y")
    assert read_header(request.headers["baggage"]).unpack(DOWN) == (1,)


def test_what_a_lost_answer_brought_is_not_lost() -> None:
    brought = Parcel()
    with attached(EMPTY.pack("n", 1)):
        server = Boundary(Policy(service="there", strict=True))
        server.call(CLIENT, brought, Parcel)
    with attached(EMPTY):
        failure(lambda: made(told, Scripted(Inject(LOST)), send=lambda: brought))
        assert unpack("n") == (1,)


@WAYS
@pytest.mark.parametrize("fault", [LOST, GONE])
def test_who_gave_the_answer_that_got_lost_is_told(way: Way, fault: Fault) -> None:
    scripted = Scripted(Inject(fault))
    boundary = Boundary(Policy(service="here", strict=True, receipts=True), (scripted,))

    def send() -> Parcel:
        return Parcel({"baggage": write_header(EMPTY, origin="there")})

    with attached(EMPTY.pack("n", 1)):
        outcome_of(lambda: way(boundary, send, CLIENT))
    assert scripted.saw[0].target == "there"
    assert scripted.saw[0].receipt is not Receipt.UNKNOWN


@WAYS
def test_those_inside_see_the_answer_and_those_outside_see_the_fault(way: Way) -> None:
    outer, inner = Scripted(name="outer"), Scripted(name="inner")
    injecting, recorder = Scripted(Inject(GONE), name="injects"), Recorder()
    assert made(way, outer, injecting, inner, recorder).status == 503
    outcomes = [recorder.ended[0].outcome, *(app.saw[0] for app in (outer, injecting, inner))]
    seen = [outcome and (outcome.injected, outcome.facts.status) for outcome in outcomes]
    assert seen == [(GONE, 503), (GONE, 503), (GONE, 503), (None, 200)]


def test_the_inner_one_of_two_befalls_first() -> None:
    outer, inner = Scripted(Inject(LOST), name="o"), Scripted(Inject(GONE), name="i")
    assert isinstance(failure(lambda: made(told, outer, inner)), ParcelLate)
    assert (inner.saw[0].injected, outer.saw[0].injected) == (GONE, LOST)
    outer, inner = Scripted(Inject(GONE), name="o"), Scripted(Inject(LOST), name="i")
    assert isinstance(failure(lambda: made(told, outer, inner)), ParcelLate)
    assert (inner.saw[0].injected, outer.saw[0].injected) == (LOST, LOST)


def test_a_fault_within_a_late_one_is_no_answer_and_one_that_answers_is() -> None:
    refused = Fault(FaultKind.REFUSED)
    outer = Scripted(Inject(LOST), name="o")
    error = failure(lambda: made(told, outer, Scripted(Inject(refused), name="i")))
    assert isinstance(error, ParcelRefused)
    assert outer.saw[0].injected == refused
    outer = Scripted(Inject(LOST), name="o")
    failure(lambda: made(told, outer, Scripted(Answer(Returned(Parcel())), name="i")))
    assert outer.saw[0].injected == LOST


@WAYS
def test_a_late_fault_that_the_library_does_not_know_leaves_the_answer(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    scripted = Scripted(Inject(Fault(FaultKind.RAISE, name="no.such", late=True)))
    with caplog.at_level(logging.WARNING):
        assert made(way, scripted).status == 200
    assert scripted.saw[0].injected is None
    assert "fault not enacted" in caplog.text


def test_one_who_returns_something_else_has_the_last_word() -> None:
    scripted = Scripted(Inject(GONE), then=Returned(Parcel(status=204)))
    assert made(told, scripted).status == 204
    assert scripted.saw[0].injected == GONE


# Edits


@WAYS
def test_an_edit_changes_the_body_that_came(way: Way) -> None:
    scripted = Scripted(Inject(NULLED))
    answer = made(way, scripted, send=lambda: Parcel({"x": "y"}, body=b'{"a": 1, "b": 2}'))
    assert (answer.body, answer.headers["x"]) == (b'{"a":null,"b":2}', "y")
    assert scripted.saw[0].injected == NULLED


@WAYS
@pytest.mark.parametrize("body", [b"", b"no json", b"{}", b"[1]", b'{"a": null}'])
def test_an_edit_without_room_for_it_leaves_the_answer(way: Way, body: bytes) -> None:
    scripted = Scripted(Inject(NULLED))
    assert made(way, scripted, send=lambda: Parcel(body=body)).body == body
    assert scripted.saw[0].injected is None


def test_an_edit_may_be_returned_too() -> None:
    scripted = Scripted(then=NULLED)
    assert made(told, scripted, send=lambda: Parcel(body=b'{"a": 1}')).body == b'{"a":null}'


def test_a_library_without_bodies_knows_no_edit() -> None:
    class Bodiless(ParcelAdapter):
        edited = None  # type: ignore[assignment]

    scripted = Scripted(Inject(NULLED))
    assert made(told, scripted, adapter=Bodiless()).status == 200
    assert scripted.saw[0].injected is None


# Delays


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    noted: list[float] = []

    async def sleep(seconds: float, result: object = None) -> object:
        noted.append(seconds)
        return result

    monkeypatch.setattr("time.sleep", noted.append)
    monkeypatch.setattr("asyncio.sleep", sleep)
    return noted


WAITING = pytest.mark.parametrize("way", [told, in_loop])


@WAITING
def test_a_delay_is_waited_for_and_told(way: Way, slept: list[float]) -> None:
    scripted = Scripted(Inject(SLOW, Proceed(delay=0.5)))
    assert made(way, scripted).status == 200
    assert (slept, scripted.saw[0].injected) == ([2.5], SLOW)


@WAITING
def test_a_delay_as_long_as_the_caller_waits_is_a_timeout(way: Way, slept: list[float]) -> None:
    ran: list[int] = []
    scripted, inner = Scripted(Inject(SLOW)), Scripted(name="inner")

    def send() -> Parcel:
        ran.append(1)
        return Parcel()

    error = failure(lambda: made(way, scripted, inner, send=send, adapter=HASTY))
    assert isinstance(error, ParcelLate)
    assert (slept, ran) == ([0.5], [1])
    assert (scripted.saw[0].injected, inner.saw[0].injected) == (SLOW, None)


@WAITING
def test_a_delay_that_the_caller_can_bear_is_no_timeout(way: Way, slept: list[float]) -> None:
    scripted = Scripted(Inject(Fault(FaultKind.DELAY, seconds=0.25)))
    assert made(way, scripted, adapter=HASTY).status == 200
    assert slept == [0.25]


@WAITING
def test_a_delayed_call_that_fails_by_itself_was_delayed_all_the_same(
    way: Way, slept: list[float]
) -> None:
    scripted, own = Scripted(Inject(SLOW)), OSError("its own")
    assert failure(lambda: made(way, scripted, send=raises(own), adapter=HASTY)) is own
    assert (slept, scripted.saw[0].injected) == ([0.5], SLOW)


def test_what_interrupts_the_wait_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt = KeyboardInterrupt()
    monkeypatch.setattr("time.sleep", lambda _: raises(interrupt)())
    scripted = Scripted(Inject(SLOW))
    with pytest.raises(KeyboardInterrupt):
        made(told, scripted)
    outcome = scripted.saw[0]
    assert isinstance(outcome, Raised)
    assert (outcome.error, outcome.injected) == (interrupt, SLOW)


def test_a_caller_who_gives_up_while_a_call_is_slow_is_told_of() -> None:
    scripted = Scripted(Inject(Fault(FaultKind.DELAY, seconds=3600)))
    boundary = Boundary(Policy(strict=True), (scripted,))

    async def answer() -> Parcel:
        return Parcel()

    async def call() -> None:
        async with asyncio.timeout(0.01):
            await boundary.acall(CLIENT, Parcel(), answer)

    with pytest.raises(TimeoutError):
        asyncio.run(call())
    outcome = scripted.saw[0]
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, asyncio.CancelledError)
    assert outcome.injected is not None


def test_nobody_waits_where_a_branch_starts(slept: list[float]) -> None:
    scripted = Scripted(Inject(SLOW), kinds=(Kind.SPAWN,))
    boundary = Boundary(Policy(strict=True), (scripted,))
    fork = boundary.fork(ForkAdapter("strands", "Strand.start", frozenset()), None)
    assert fork is not None
    assert fork.start(lambda: 1) == 1
    assert (slept, scripted.saw[0].injected) == ([], None)


def test_an_arrival_may_be_slow(slept: list[float]) -> None:
    scripted = Scripted(Inject(SLOW), kinds=(Kind.SERVER,))
    boundary = Boundary(Policy(strict=True), (scripted,))
    assert boundary.serve(ParcelAdapter(Kind.SERVER), Parcel(), Parcel).status == 200
    assert (slept, scripted.saw[0].injected) == ([2.0], SLOW)


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.DUPLICATE])
def test_calls_are_neither_dropped_nor_duplicated(kind: FaultKind) -> None:
    scripted = Scripted(Inject(Fault(kind)))
    assert made(told, scripted).status == 200
    assert scripted.saw[0].injected is None


# What can't be asked for


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.DELAY),
        *(
            Fault(FaultKind.DELAY, seconds=seconds)
            for seconds in (-0.1, float("nan"), float("inf"), 1e300, LONGEST_DELAY * 1.01)
        ),
        Fault(FaultKind.DELAY, seconds=1, late=True),
        Fault(FaultKind.DROP, late=True),
        Fault(FaultKind.DUPLICATE, late=True),
        Fault(FaultKind.BODY, edit="nonsense"),
        Fault(FaultKind.BODY, edit="null a", body=b""),
        Fault(FaultKind.STATUS, status=503, edit="null a"),
    ],
)
def test_faults_whose_fields_do_not_go_together_are_refused(fault: Fault) -> None:
    with pytest.raises(MetaAppError):
        check(Inject(fault))


def test_a_proceed_waits_no_longer_than_a_fault() -> None:
    check(Proceed(delay=LONGEST_DELAY))
    with pytest.raises(MetaAppError):
        check(Proceed(delay=LONGEST_DELAY * 1.01))


# All of it together

REFUSED = Fault(FaultKind.REFUSED)
FAILED = Fault(FaultKind.STATUS, status=500)
NO_WAIT = Fault(FaultKind.DELAY, seconds=0)
NEVER = Fault(FaultKind.DUPLICATE)
OTHER = Answer(Returned(Parcel(), PlainFacts(299)))
_Seen = tuple[int | None, Fault | None]
"""The status that a flow sees, None of an exception, and the fault that it is told of."""


def predicted(directives: list[Directive]) -> list[_Seen]:
    """Return what each flow that is asked sees, outermost first."""
    if not directives:
        return []
    first, *rest = directives
    if isinstance(first, Answer):
        return [(299, None)]
    fault = first.fault if isinstance(first, Inject) else None
    if fault in (REFUSED, FAILED):
        return [(None if fault == REFUSED else 500, fault)]
    inner = predicted(rest)
    status, injected = inner[0] if inner else (200, None)
    if fault == NO_WAIT:
        injected = fault
    elif fault in (LOST, GONE) and status is not None:
        status, injected = None if fault == LOST else 503, fault
    return [(status, injected), *inner]


@given(
    st.lists(
        st.sampled_from(
            [
                PROCEED,
                *(Inject(fault) for fault in (LOST, GONE, NO_WAIT, REFUSED, FAILED, NEVER)),
                OTHER,
            ]
        ),
        max_size=5,
    ),
    st.sampled_from([told, in_loop, later]),
)
def test_each_sees_what_those_inside_of_it_made_of_the_call(
    directives: list[Directive], way: Way
) -> None:
    apps = [Scripted(each, name=f"{n}") for n, each in enumerate(directives)]
    seen = outcome_of(lambda: made(way, *apps))
    outcomes = [outcome for app in apps for outcome in app.saw]
    statuses = [(_status(outcome), outcome.injected) for outcome in outcomes]
    assert statuses == predicted(directives)
    if outcomes:
        outcome = outcomes[0]
        assert seen is (outcome.error if isinstance(outcome, Raised) else outcome.value)


def _status(outcome: Outcome) -> int | None:
    return None if isinstance(outcome, Raised) else outcome.facts.status
