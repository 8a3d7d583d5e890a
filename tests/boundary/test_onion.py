"""Several meta-applications at one crossing: in what order they are asked, and who has the say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import (
    PROCEED,
    Answer,
    Boundary,
    Call,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Interest,
    Kind,
    MetaApp,
    Policy,
    Proceed,
    Raised,
    Returned,
    read_header,
)
from baggage.testing import Parcel, ParcelAdapter, ParcelRefused, Recorder, Scripted
from baggage.testing.suite import failure
from baggage.values import key
from tests.boundary.parts import DOWN

CLIENT = ParcelAdapter()
REFUSED = Fault(FaultKind.REFUSED)
UNAVAILABLE = Fault(FaultKind.STATUS, status=503)
NONSENSE = Fault(FaultKind.RAISE, name="no.such")
BOTH = key("test.both")


class Noting:
    """Notes when it is asked, told and closed."""

    def __init__(self, name: str, notes: list[str], asks: Interest = Interest.AROUND) -> None:
        self.name, self.notes, self.asks = name, notes, asks

    def interest(self, kind: Kind, library: str) -> Interest:
        return self.asks

    def around(self, call: Call) -> Flow:
        self.notes.append(f"+{self.name}")
        try:
            yield PROCEED
            self.notes.append(f"-{self.name}")
        finally:
            self.notes.append(f"/{self.name}")
        return None


def call(*apps: MetaApp, strict: bool = True, send: Callable[[], Any] = Parcel) -> Any:
    return Boundary(Policy(strict=strict), apps).call(CLIENT, Parcel(), send)


def test_who_is_asked_first_is_told_last() -> None:
    notes: list[str] = []
    call(Noting("a", notes), Noting("b", notes))
    assert notes == ["+a", "+b", "-b", "/b", "-a", "/a"]


@given(st.lists(st.booleans(), max_size=6))
def test_who_observes_stands_outside_of_who_acts(acts: list[bool]) -> None:
    notes: list[str] = []
    asks = {True: Interest.AROUND, False: Interest.OBSERVE}
    apps = [Noting(f"{n}", notes, asks[act]) for n, act in enumerate(acts)]
    call(*apps)
    order = [n for n, act in enumerate(acts) if not act] + [n for n, act in enumerate(acts) if act]
    assert [int(note[1:]) for note in notes if note[0] == "+"] == order
    assert [int(note[1:]) for note in notes if note[0] == "-"] == order[::-1]


def test_who_is_not_interested_is_not_asked() -> None:
    notes: list[str] = []
    call(Noting("a", notes, Interest.NONE))
    assert notes == []


def test_interest_is_asked_once_for_each_kind_and_library() -> None:
    asked: list[tuple[Kind, str]] = []

    class Asking(Recorder):
        def interest(self, kind: Kind, library: str) -> Interest:
            asked.append((kind, library))
            return Interest.OBSERVE

    boundary = Boundary(apps=(Asking(),))
    for _ in range(2):
        boundary.call(CLIENT, Parcel(), Parcel)
        boundary.call(ParcelAdapter(library="other"), Parcel(), Parcel)
    assert asked == [(Kind.CLIENT, "parcel"), (Kind.CLIENT, "other")]


def test_an_inner_fault_is_seen_outside_and_hides_the_call_from_the_inside() -> None:
    notes: list[str] = []
    outer, injecting = Recorder(), Scripted(Inject(REFUSED))
    error = failure(lambda: call(outer, injecting, Noting("inner", notes)))
    assert isinstance(error, ParcelRefused)
    assert notes == []
    outcome = outer.ended[0].outcome
    assert outcome == Raised(error, injected=REFUSED)
    assert injecting.saw == [outcome]


def test_an_answer_is_seen_outside_and_the_call_is_not_made() -> None:
    parcel = Parcel(status=418)
    outer = Recorder()
    sent: list[int] = []
    answer = Returned(parcel)
    assert call(outer, Scripted(Answer(answer)), send=lambda: sent.append(1)) is parcel
    assert outer.ended[0].outcome is answer
    assert sent == []


def test_an_answer_that_is_an_exception_is_raised() -> None:
    error = LookupError("answered")
    assert failure(lambda: call(Scripted(Answer(Raised(error))))) is error


def test_a_replaced_outcome_is_what_those_outside_see() -> None:
    parcel, error = Parcel(), LookupError("replaced")
    outer = Recorder()
    middle = Scripted(then=Raised(error), name="middle")
    inner = Scripted(then=Returned(parcel), name="inner")
    assert failure(lambda: call(outer, middle, inner)) is error
    assert isinstance(middle.saw[0], Returned)
    assert middle.saw[0].value is parcel
    assert outer.ended[0].outcome == Raised(error)


def test_an_exception_can_be_replaced_by_an_answer() -> None:
    parcel = Parcel()

    def send() -> Parcel:
        raise LookupError

    assert call(Scripted(then=Returned(parcel)), send=send) is parcel


def test_a_fault_after_an_exception_is_raised_with_its_own_causes() -> None:
    def send() -> Parcel:
        raise LookupError("the real one")

    error = failure(lambda: call(Scripted(then=REFUSED), send=send))
    assert isinstance(error, ParcelRefused)


def test_a_fault_after_the_answer_that_cannot_be_enacted_leaves_the_answer() -> None:
    parcel = Parcel()
    outer = Recorder()
    assert call(outer, Scripted(then=NONSENSE), send=lambda: parcel) is parcel
    assert outer.ended[0].outcome is not None
    assert outer.ended[0].outcome.injected is None


def test_a_fault_that_cannot_be_enacted_lets_the_next_one_try() -> None:
    first = Scripted(Inject(NONSENSE, Proceed(headers={"a": "1"})), name="first")
    second = Scripted(Inject(UNAVAILABLE), name="second")
    third = Scripted(name="third")
    assert call(first, second, third).status == 503
    assert [len(app.saw) for app in (first, second, third)] == [1, 1, 0]
    assert first.saw[0].injected == UNAVAILABLE


def test_a_fault_that_cannot_be_enacted_lets_the_next_one_answer() -> None:
    parcel = Parcel()
    answering = Scripted(Answer(Returned(parcel)), name="answering")
    assert call(Scripted(Inject(NONSENSE)), answering) is parcel


def test_who_is_asked_later_has_the_last_word_on_keys_and_headers() -> None:
    request = Parcel()
    outer = Scripted(Proceed({DOWN: 1}, {"a": "1", "b": "1"}), name="outer")
    silent = Scripted(name="silent")
    inner = Scripted(Proceed({DOWN: 2}, {"b": "2"}), name="inner")
    Boundary(Policy(strict=True), (outer, silent, inner)).call(CLIENT, request, Parcel)
    assert (request.headers["a"], request.headers["b"]) == ("1", "2")
    assert read_header(request.headers["baggage"]).unpack(DOWN) == (2,)


def test_delays_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    call(
        Scripted(Proceed(delay=1.0), name="a"),
        Scripted(Inject(NONSENSE, Proceed(delay=0.5)), name="b"),
        Scripted(Proceed(delay=0.25), name="c"),
    )
    assert slept == [1.75]


def test_a_delay_before_a_fault_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    failure(lambda: call(Scripted(Proceed(delay=1.0), name="a"), Scripted(Inject(REFUSED))))
    assert slept == []


# Broken meta-applications


def twice(call: Call) -> Any:
    yield PROCEED
    yield PROCEED


def never(call: Call) -> Any:
    return
    yield


def clinging(call: Call) -> Any:
    try:
        yield PROCEED
    except GeneratorExit:
        yield PROCEED


def clinging_to_nonsense(call: Call) -> Any:
    try:
        yield "nonsense"
    except GeneratorExit:
        yield PROCEED


def no_flow(call: Call) -> Any:
    return None


BROKEN_STARTS = [
    *(Scripted(first) for first in (LookupError("x"), None, "nonsense", 1)),  # type: ignore[arg-type]
    *(
        Scripted(first)
        for first in (
            Answer(None),  # type: ignore[arg-type]
            Answer(Raised("nonsense")),  # type: ignore[arg-type]
            Inject("nonsense"),  # type: ignore[arg-type]
            Inject(REFUSED, Proceed(delay=-1)),
            Inject(REFUSED, None),  # type: ignore[arg-type]
            Proceed({BOTH: 1}),
            Proceed({DOWN: object()}),  # type: ignore[dict-item]
            Proceed({"name": 1}),  # type: ignore[dict-item]
            Proceed(headers={"a": "line\r\nbreak"}),
            Proceed(headers={"a b": "c"}),
            Proceed(headers={"": "c"}),
            Proceed(headers={"a": "é"}),
            Proceed(headers={"a": 1}),  # type: ignore[dict-item]
            Proceed(delay=-1.0),
            Proceed(delay=float("nan")),
            Proceed(delay=float("inf")),
            Proceed(delay="1"),  # type: ignore[arg-type]
        )
    ),
]
BROKEN_ENDS = [
    Scripted(then=then)
    for then in (LookupError("x"), "nonsense", 1, Raised("nonsense"))  # type: ignore[arg-type]
]


class Made:
    """A meta-application of one function."""

    name = "made"

    def __init__(self, around: Callable[[Call], Any]) -> None:
        self.around = around

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.AROUND


BROKEN: list[MetaApp] = [
    *BROKEN_STARTS,
    *BROKEN_ENDS,
    *(Made(around) for around in (twice, never, clinging_to_nonsense, no_flow)),
]


@pytest.mark.parametrize("broken", BROKEN, ids=map(str, range(len(BROKEN))))
def test_a_broken_meta_application_is_left_out_and_logged(
    broken: MetaApp, caplog: pytest.LogCaptureFixture
) -> None:
    parcel = Parcel()
    outer, inner = Recorder("outer"), Scripted(Proceed({DOWN: 1}), name="inner")
    assert call(outer, broken, inner, strict=False, send=lambda: parcel) is parcel
    assert outer.ended[0].outcome == inner.saw[0]
    assert [record.message for record in caplog.records] == ["meta-application failed"]
    assert caplog.records[0].metaapp == broken.name  # type: ignore[attr-defined]


@pytest.mark.parametrize("broken", BROKEN, ids=map(str, range(len(BROKEN))))
def test_a_broken_meta_application_is_raised_in_strict_mode(broken: MetaApp) -> None:
    outer = Recorder("outer")
    inner = Recorder("inner", asks=Interest.AROUND)
    failure(lambda: call(outer, broken, inner))
    assert len(outer.begun) == len(outer.ended) == 1
    assert len(inner.begun) == len(inner.ended)


def test_a_flow_that_clings_to_life_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    notes: list[str] = []
    departure = Boundary(apps=(Noting("outer", notes), Made(clinging))).depart(CLIENT, Parcel())
    assert departure is not None
    departure.begin()
    departure.close()
    assert notes == ["+outer", "/outer"]
    assert len(caplog.records) == 1


def test_every_flow_is_closed_though_one_fails_at_it_in_strict_mode() -> None:
    notes: list[str] = []
    apps = (Noting("outer", notes), Made(clinging), Noting("inner", notes))
    departure = Boundary(Policy(strict=True), apps).depart(CLIENT, Parcel())
    assert departure is not None
    departure.begin()
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        departure.close()
    assert notes == ["+outer", "+inner", "/inner", "/outer"]


def test_a_failing_interest_is_none(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Recorder):
        def interest(self, kind: Kind, library: str) -> Interest:
            raise LookupError("x")

    failing = Failing()
    assert call(failing, strict=False).status == 200
    assert failing.begun == []
    assert len(caplog.records) == 1


@pytest.mark.parametrize("exit_by", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_is_not_kept_from_it(exit_by: type[BaseException]) -> None:
    def exiting(call: Call) -> Any:
        raise exit_by

    notes: list[str] = []
    with pytest.raises(exit_by):
        call(Noting("outer", notes), Made(exiting), strict=False)
    assert notes == ["+outer", "/outer"]


def test_an_interrupted_call_is_told_and_goes_on() -> None:
    outer = Recorder()

    def send() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(outer, send=send)
    assert isinstance(outer.ended[0].outcome, Raised)
