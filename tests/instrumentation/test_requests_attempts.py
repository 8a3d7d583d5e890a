"""Each attempt that urllib3 makes of a call of requests is a crossing of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any, ClassVar

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import NewConnectionError
from urllib3.util import Retry

from baggage import context
from baggage.boundary import (
    PROCEED,
    Answer,
    Call,
    Directive,
    Fault,
    FaultKind,
    Inject,
    Interest,
    Kind,
    Outcome,
    Proceed,
    Raised,
    Returned,
    read_header,
)
from baggage.context import attached, pack, unpack
from baggage.instrumentation import requests as instrumentation
from baggage.testing import HANG, RESET, Origin, Recorder, Reply, Scripted
from baggage.testing._client_faults import refusing
from baggage.testing.origin import Silence, service
from baggage.testing.suite import InstrumentationSuite, chain, eventually, failure
from baggage.values import EMPTY, Direction, key

DOWN = key("suite.down", direction=Direction.DOWN)
REFUSED = Fault(FaultKind.REFUSED)
UNAVAILABLE = Fault(FaultKind.STATUS, status=503)
PATIENCE, HASTE = 60, 0.05


def session(**options: Any) -> requests.Session:
    """Return a session that tries three times."""
    made = requests.Session()
    retry = Retry(total=2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
    made.mount("http://", HTTPAdapter(max_retries=retry, **options))
    return made


class TestAttempts(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    origin: Origin

    @pytest.fixture(autouse=True)
    def _origin(self, _clean: None) -> Iterator[None]:
        with Origin(lambda _: Reply()).serving() as self.origin:
            yield

    def answers(self, *answers: Reply | Silence) -> None:
        """Have the origin answer so, and by its last answer from then on."""
        left = list(answers)
        self.origin.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.CLIENT,))
        self.boundary.register(recorder)
        return recorder

    def scripted(self, *directives: Directive, then: object = None) -> Scripted:
        """Register what gives these directives, one to each attempt, and then lets it be."""
        left = list(directives)

        def first(_: Call) -> Directive:
            return left.pop(0) if left else PROCEED

        scripted = Scripted(first, then)
        self.boundary.register(scripted)
        return scripted

    def carried(self) -> list[Any]:
        return [read_header(received.baggage or "") for received in self.origin.received]

    def test_each_has_its_own_stamp_and_headers(self) -> None:
        self.answers(Reply(503), Reply(503), Reply())
        self.scripted(
            Proceed(down={DOWN: 1}, headers={"x-span": "1", "x-first": "yes"}),
            Proceed(down={DOWN: 2}, headers={"x-span": "2"}),
        )
        with attached(EMPTY.pack("tenant", "acme")):
            session().get(self.origin.url, headers={"X-Span": "mine", "baggage": "own=1"})
        sent = [received.headers for received in self.origin.received]
        assert [headers["x-span"] for headers in sent] == ["1", "2", "mine"]
        assert ["x-first" in headers for headers in sent] == [True, False, False]
        assert [each.unpack(DOWN) for each in self.carried()] == [(1,), (2,), ()]
        assert [each.unpack("tenant") for each in self.carried()] == [("acme",)] * 3
        assert [each.foreign for each in self.carried()] == [("own=1",)] * 3

    def test_what_the_answer_of_one_brings_home_is_carried_by_the_next(self) -> None:
        answer = service(lambda: pack("n", len(self.origin.received)))

        def answering(received: Any) -> Reply:
            reply = answer(received)
            assert isinstance(reply, Reply)
            return Reply(503 if len(self.origin.received) < 3 else 200, reply.headers)

        self.origin.answer = answering
        pack("n", 0)
        session().get(self.origin.url)
        assert [sorted(each.unpack("n")) for each in self.carried()] == [[0], [0, 1], [0, 1, 2]]
        assert sorted(unpack("n")) == [0, 1, 2, 3]

    def test_a_caller_who_carried_nothing_is_asked_as_often(self) -> None:
        self.origin.answer = service(lambda: pack("n", 1))
        replies = iter([503, 200])
        answer = self.origin.answer

        def answering(received: Any) -> Reply:
            reply = answer(received)
            assert isinstance(reply, Reply)
            return Reply(next(replies), reply.headers)

        self.origin.answer = answering
        recorder = self.recorded()
        self.scripted(Proceed(down={DOWN: 1}), Proceed(down={DOWN: 2}))
        session().get(self.origin.url)
        assert len(recorder.ended) == 2

    def test_one_ends_before_the_next_begins_with_what_it_came_to(self) -> None:
        self.answers(Reply(503), RESET, Reply())
        order: list[str] = []
        recorder = self.recorded()
        self.scripted(*[PROCEED] * 3)
        self.boundary.register(_Noting(order))
        session().get(self.origin.url)
        assert order == ["begin", "end"] * 3
        first, second, third = (crossed.outcome for crossed in recorder.ended)
        assert isinstance(first, Returned)
        assert isinstance(first.value, requests.Response)
        assert (first.facts.status, first.facts.size()) == (503, None)
        assert isinstance(second, Raised)
        assert isinstance(second.error, ConnectionResetError)
        assert isinstance(third, Returned)
        assert third.facts.size() == 4

    def test_all_are_of_one_call_site(self) -> None:
        self.answers(Reply(503), Reply())
        recorder = self.recorded()
        session().get(self.origin.url)
        first, second = (crossed.call for crossed in recorder.ended)
        assert first == second
        assert first.site.module == __name__

    def test_one_alone_may_fail_and_the_next_is_sent(self) -> None:
        for fault in (REFUSED, UNAVAILABLE, Fault(FaultKind.RESET), Fault(FaultKind.TIMEOUT)):
            self.origin.received.clear()
            scripted = self.scripted(Inject(fault))
            assert session().get(self.origin.url).status_code == 200
            assert [outcome.injected for outcome in scripted.saw] == [fault, None]
            assert len(self.origin.received) == 1

    def test_two_may_fail_before_one_does_not(self) -> None:
        scripted = self.scripted(Inject(REFUSED), Inject(UNAVAILABLE))
        assert session().get(self.origin.url).status_code == 200
        refused, unavailable, answered = scripted.saw
        assert isinstance(refused, Raised)
        assert isinstance(refused.error, NewConnectionError)
        assert isinstance(unavailable, Returned)
        assert (refused.injected, unavailable.injected) == (REFUSED, UNAVAILABLE)
        assert (answered.injected, len(self.origin.received)) == (None, 1)

    def test_later_ones_fail_as_they_would_by_themselves(self) -> None:
        self.answers(Reply(503), RESET)
        real = failure(lambda: session().get(self.origin.url))
        self.origin.received.clear()
        self.answers(Reply(503), Reply())
        resetting = Inject(Fault(FaultKind.RESET))
        scripted = self.scripted(PROCEED, resetting, resetting)
        error = failure(lambda: session().get(self.origin.url))
        assert chain(error) == chain(real)
        assert len(self.origin.received) == 1
        last = scripted.saw[-1]
        assert isinstance(last, Raised)
        assert (last.error, last.injected) == (error, resetting.fault)

    def test_a_later_one_may_raise_what_no_connection_does(self) -> None:
        self.answers(Reply(503), Reply())
        name = Fault(FaultKind.RAISE, name="requests.exceptions.ContentDecodingError")
        scripted = self.scripted(PROCEED, Inject(name))
        send = session(pool_maxsize=1, pool_block=True)
        error = failure(lambda: send.get(self.origin.url))
        assert type(error) is requests.exceptions.ContentDecodingError
        assert (error.__cause__, error.__context__) == (None, None)
        assert [outcome.injected for outcome in scripted.saw] == [None, name]
        assert len(self.origin.received) == 1
        assert send.get(self.origin.url).status_code == 200

    def test_a_later_one_may_be_answered_by_a_flow(self) -> None:
        self.answers(Reply(503), Reply())
        response = requests.Response()
        outcome: Outcome = Returned(response)
        scripted = self.scripted(PROCEED, Answer(outcome))
        assert session().get(self.origin.url) is response
        assert scripted.saw[-1] is outcome

    def test_a_fault_in_place_of_an_answer_is_what_the_call_comes_to(self) -> None:
        self.answers(Reply(503), Reply())
        fault = Fault(FaultKind.STATUS, status=404)
        scripted = self.scripted(then=fault)
        assert session().get(self.origin.url).status_code == 404
        assert len(scripted.saw) == len(self.origin.received) == 1

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(FaultKind.RESET, late=True),
            Fault(FaultKind.TIMEOUT, late=True),
            Fault(FaultKind.STATUS, status=503, late=True),
        ],
    )
    def test_an_answer_that_is_lost_is_asked_for_again(self, fault: Fault) -> None:
        scripted = self.scripted(Inject(fault))
        assert session().get(self.origin.url).status_code == 200
        assert [outcome.injected for outcome in scripted.saw] == [fault, None]
        assert len(self.origin.received) == 2

    def test_answers_that_are_all_lost_fail_as_by_themselves(self) -> None:
        self.origin.answer = lambda _: RESET
        real = failure(lambda: session().get(self.origin.url))
        tried, self.origin.answer = len(self.origin.received), lambda _: Reply()
        lost = Fault(FaultKind.RESET, late=True)
        scripted = self.scripted(*[Inject(lost)] * 5)
        assert chain(failure(lambda: session().get(self.origin.url))) == chain(real)
        assert [outcome.injected for outcome in scripted.saw] == [lost] * tried
        assert len(self.origin.received) == 2 * tried

    def test_a_slow_one_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slept: list[float] = []
        monkeypatch.setattr("time.sleep", slept.append)
        slow = Fault(FaultKind.DELAY, seconds=PATIENCE + 0.5)
        scripted = self.scripted(Inject(slow))
        assert session().get(self.origin.url, timeout=PATIENCE).status_code == 200
        assert [outcome.injected for outcome in scripted.saw] == [slow, None]
        assert (len(self.origin.received), PATIENCE in slept) == (2, True)

    def test_the_body_of_the_last_one_is_edited(self) -> None:
        self.answers(Reply(503), Reply(body=b'{"a": 1}'))
        edit = Inject(Fault(FaultKind.BODY, edit="null a"))
        scripted = self.scripted(edit, edit)
        assert session().get(self.origin.url).content == b'{"a":null}'
        assert [outcome.injected for outcome in scripted.saw] == [None, edit.fault]

    def test_a_later_one_may_be_delayed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slept: list[float] = []
        monkeypatch.setattr("time.sleep", slept.append)
        self.answers(Reply(503), Reply())
        self.scripted(Proceed(delay=1.5), Proceed(delay=2.5))
        session().get(self.origin.url)
        assert [time for time in slept if time > 1] == [1.5, 2.5]

    def test_the_applications_request_stays_as_it_was(self) -> None:
        self.answers(Reply(503), Reply())
        self.scripted(Proceed(headers={"x-span": "1"}), Proceed(headers={"x-span": "2"}))
        prepared = requests.Request("GET", self.origin.url).prepare()
        before, kind = dict(prepared.headers), type(prepared.headers)
        response = session().send(prepared)
        assert response.request is prepared
        assert (dict(prepared.headers), type(prepared.headers)) == (before, kind)

    def test_a_body_is_sent_by_each(self) -> None:
        self.answers(Reply(503), Reply())
        context.ensure()
        self.scripted(Inject(REFUSED))
        session().post(self.origin.url, data=b"body")
        assert [received.body for received in self.origin.received] == [b"body"] * 2

    def test_no_more_are_told_apart_once_a_meta_application_has_left(self) -> None:
        self.answers(Reply(503), Reply())

        def leave(_: Call) -> Directive:
            self.boundary.unregister("leaving")
            return PROCEED

        scripted = Scripted(leave, name="leaving")
        self.boundary.register(scripted)
        assert session().get(self.origin.url).status_code == 200
        assert len(scripted.saw) == 1

    @pytest.mark.parametrize("fault", [REFUSED, UNAVAILABLE, Fault(FaultKind.TIMEOUT)])
    def test_a_call_by_a_proxy_fails_as_by_itself(self, fault: Fault) -> None:
        silent = fault.kind is FaultKind.TIMEOUT
        self.answers(HANG if silent else Reply(503))
        with refusing() as nobody:
            proxy = nobody if fault is REFUSED else self.origin.url
            proxies = {"http": proxy, "https": proxy}

            def ask(url: str) -> Any:
                return session().get(url, proxies=proxies, timeout=HASTE if silent else PATIENCE)

            real = chain(failure(lambda: ask("http://callee.test/")))
            eventually(lambda: fault is REFUSED or len(self.origin.received) == 3)
            self.origin.received.clear()
            scripted = self.scripted(*[Inject(fault)] * 3)
            assert chain(failure(lambda: ask("http://callee.test/"))) == real
            self.scripted(Inject(fault))
            if fault is UNAVAILABLE:
                assert ask("https://callee.test/").status_code == 503
            else:
                failure(lambda: ask("https://callee.test/"))
        assert scripted.saw[0].injected == fault
        assert self.origin.received == []

    def test_what_sends_by_no_connection_is_not_failed(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Pool:
            def urlopen(self, **_: Any) -> Any:
                return _answer()

        class Apart(HTTPAdapter):
            def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
                return Pool()

            def get_connection(self, *_: Any, **__: Any) -> Any:
                return Pool()

        scripted = self.scripted(Inject(REFUSED))
        made = requests.Session()
        made.mount("http://", Apart(max_retries=1))
        with caplog.at_level(logging.WARNING):
            assert made.get(self.origin.url).status_code == 200
        assert scripted.saw[0].injected is None
        assert "fault not enacted" in caplog.messages


def _answer() -> HTTPResponse:
    return HTTPResponse(BytesIO(b"done"), status=200, preload_content=False)


class _Noting:
    """Notes when flows begin and end."""

    name = "noting"

    def __init__(self, order: list[str]) -> None:
        self.order = order

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.AROUND

    def around(self, call: Call) -> Any:
        self.order.append("begin")
        yield PROCEED
        self.order.append("end")
