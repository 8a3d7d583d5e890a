"""An injected fault of http.client is like a real one, and a connection is left as it was."""

from __future__ import annotations

import gc
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException, ResponseNotReady
from typing import Any, ClassVar

import pytest

from baggage.boundary import (
    PROCEED,
    Answer,
    Fault,
    FaultKind,
    Inject,
    Interest,
    Kind,
    Raised,
    Returned,
    write_header,
)
from baggage.context import attached, pack, unpack
from baggage.instrumentation import http_client as instrumentation
from baggage.testing import HANG, RESET, Origin, Recorder, Reply, Scripted
from baggage.testing._client_faults import refusing
from baggage.testing.origin import service
from baggage.testing.suite import InstrumentationSuite, chain, eventually, failure, outcome_of
from baggage.values import EMPTY

PATIENCE, HASTE = 60, 0.2
REFUSED = Fault(FaultKind.REFUSED)
RESETTING = Fault(FaultKind.RESET)
UNAVAILABLE = Fault(FaultKind.STATUS, status=503, body=b"no")


def raising(name: str) -> Fault:
    return Fault(FaultKind.RAISE, name=name)


class TestFaults(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    origin: Origin

    @pytest.fixture(autouse=True)
    def _origin(self, _clean: None) -> Iterator[None]:
        with Origin(lambda _: Reply()).serving() as self.origin:
            self.connection = HTTPConnection("127.0.0.1", self.origin.port, timeout=PATIENCE)
            with closing(self.connection):
                yield

    def ask(self) -> tuple[int, bytes]:
        self.connection.request("GET", "/")
        response = self.connection.getresponse()
        return response.status, response.read()

    def shown(self, ask: Callable[[], object]) -> object:
        """Return all that an application can see of a failure."""
        error = failure(ask)
        self.connection.close()
        text = re.sub(r":\d+", "…", f"{error} {error!r} {getattr(error, 'errno', None)}")
        return chain(error), text, [type(arg) for arg in error.args]

    def scripted(self, first: Any = PROCEED, then: object = None) -> Scripted:
        scripted = Scripted(first, then)
        self.boundary.register(scripted)
        return scripted

    @pytest.mark.parametrize(
        ("faults", "answer"),
        [
            ([Fault(FaultKind.TIMEOUT)], HANG),
            ([RESETTING], RESET),
            ([raising("http.client.RemoteDisconnected")], b""),
            ([raising("http.client.BadStatusLine")], b"nonsense\r\n\r\n"),
        ],
    )
    def test_they_are_like_real_ones(self, faults: list[Fault], answer: Any) -> None:
        self.origin.answer = lambda _: answer
        self.connection.timeout = HASTE if answer is HANG else PATIENCE
        real = self.shown(self.ask)
        eventually(lambda: self.origin.received)
        contacts = len(self.origin.received)
        for fault in faults:
            scripted = self.scripted(Inject(fault))
            assert self.shown(self.ask) == real
            assert scripted.saw[0].injected == fault
            self.connection.timeout = PATIENCE
            self.scripted(then=fault)
            self.origin.answer = lambda _: Reply()
            assert self.shown(self.ask) == real
        assert len(self.origin.received) == contacts + 1

    @pytest.mark.parametrize("opened", [True, False])
    def test_a_refused_connection_is_like_a_real_one(self, opened: bool) -> None:
        def ask(url: str) -> Callable[[], Any]:
            if opened:
                return lambda: urllib.request.urlopen(url)
            host = url.split("/")[2]
            return lambda: HTTPConnection(host).request("GET", "/")

        with refusing() as url:
            real = self.shown(ask(url))
            scripted = self.scripted(Inject(REFUSED))
            assert self.shown(ask(self.origin.url)) == real
        assert scripted.saw[0].injected == REFUSED
        assert self.origin.received == []

    @pytest.mark.parametrize("fault", [REFUSED, RESETTING, UNAVAILABLE])
    def test_a_kept_connection_serves_the_next_call(self, fault: Fault) -> None:
        assert self.ask() == (200, b"done")
        scripted = self.scripted(Inject(fault))
        try:
            assert self.ask() == (503, b"no")
        except OSError:
            self.connection.close()
        self.boundary.unregister(scripted.name)
        assert self.ask() == (200, b"done")
        connections = {received.connection for received in self.origin.received}
        assert len(connections) == (1 if fault is UNAVAILABLE else 2)

    def test_a_fault_at_the_headers_end_leaves_nothing_to_be_sent(self) -> None:
        scripted = self.scripted(Inject(REFUSED))
        failure(self.ask)
        self.connection.close()
        self.boundary.unregister(scripted.name)
        self.ask()
        assert [received.method for received in self.origin.received] == ["GET"]

    @pytest.mark.parametrize(
        "fault",
        [
            raising("os.system"),
            raising("http.client.IncompleteRead"),
            Fault(FaultKind.STATUS, status=100),
            Fault(FaultKind.CANCELLED),
            Fault(FaultKind.BODY, body=b"x"),
        ],
    )
    def test_what_no_request_comes_to_is_not_enacted(self, fault: Fault) -> None:
        scripted = self.scripted(Inject(fault))
        assert self.ask() == (200, b"done")
        assert scripted.saw[0].injected is None

    def test_a_flow_may_raise_instead(self) -> None:
        error = LookupError("the flow's")
        self.scripted(Answer(Raised(error)))
        assert failure(self.ask) is error
        self.connection.close()
        self.scripted(then=Raised(error))
        assert failure(self.ask) is error

    def test_a_flow_may_answer_in_place_of_a_failure(self) -> None:
        self.scripted(Inject(REFUSED), then=UNAVAILABLE)
        assert self.ask() == (503, b"no")
        self.boundary.unregister("scripted")
        assert self.ask() == (200, b"done")

    def test_a_flow_that_fails_strictly_leaves_the_connection_usable(self) -> None:
        self.scripted(ValueError("x"))
        assert isinstance(failure(self.ask), ValueError)
        self.connection.close()


class TestConnections(TestFaults):
    """What applications do with connections, beside asking."""

    def recorded(self, asks: Interest = Interest.OBSERVE) -> Recorder:
        recorder = Recorder(kinds=(Kind.CLIENT,), asks=asks)
        self.boundary.register(recorder)
        return recorder

    def test_a_request_that_carries_baggage_of_ours_is_somebody_elses(self) -> None:
        recorder = self.recorded()
        theirs = write_header(EMPTY.pack("tenant", "theirs"), origin="them")
        pack("tenant", "mine")
        self.connection.request("GET", "/", headers={"Baggage": theirs})
        self.connection.getresponse().read()
        assert self.origin.received[0].baggage == theirs
        assert recorder.begun == []

    def test_a_crossing_lasts_from_the_headers_end_to_the_response(self) -> None:
        recorder = self.recorded()
        self.connection.putrequest("POST", "/")
        self.connection.putheader("Content-Length", "4")
        assert recorder.begun == []
        self.connection.endheaders()
        self.connection.send(b"body")
        assert (len(recorder.begun), recorder.ended) == (1, [])
        self.connection.getresponse()
        assert len(recorder.ended) == 1
        assert self.origin.received[0].body == b"body"

    def test_a_response_that_nobody_asks_for_ends_with_the_connection(self) -> None:
        recorder = self.recorded()
        self.connection.request("GET", "/")
        self.connection.close()
        assert [crossed.outcome for crossed in recorder.ended] == [None]
        assert self.ask() == (200, b"done")
        assert isinstance(recorder.ended[1].outcome, Returned)

    def test_a_connection_that_is_thrown_away_takes_its_crossing_along(self) -> None:
        recorder = self.recorded()
        connection = HTTPConnection("127.0.0.1", self.origin.port)
        connection.request("GET", "/")
        sock, connection.sock = connection.sock, None
        del connection
        gc.collect()
        sock.close()
        assert [crossed.outcome for crossed in recorder.ended] == [None]

    def test_a_response_that_is_asked_for_too_early_can_be_asked_for_again(self) -> None:
        recorder = self.recorded()
        self.connection.request("GET", "/first")
        first = self.connection.getresponse()
        self.connection.request("GET", "/second")
        with pytest.raises(ResponseNotReady):
            self.connection.getresponse()
        assert (len(recorder.begun), len(recorder.ended)) == (2, 1)
        first.read()
        # The first response may have read on into the second one, which never comes then.
        self.connection.sock.settimeout(HASTE)
        outcome_of(self.connection.getresponse)
        assert [c.call.operation for c in recorder.ended] == ["GET /first", "GET /second"]
        assert recorder.ended[1].outcome is not None

    def test_a_response_that_is_asked_for_by_an_older_spelling_is_asked_for_again(self) -> None:
        recorder = self.recorded()
        self.connection.request("GET", "/")
        with pytest.raises(TypeError):
            self.connection.getresponse(buffering=True)  # type: ignore[call-arg]
        assert self.connection.getresponse().read() == b"done"
        assert isinstance(recorder.ended[0].outcome, Returned)

    def test_an_answer_is_joined_where_it_is_asked_for(self) -> None:
        self.origin.answer = service(lambda: pack("n", 2))
        with attached(EMPTY.pack("n", 1)):
            self.connection.request("GET", "/")
        with attached(EMPTY.pack("n", 3)) as running:
            self.connection.getresponse()
            assert {2, 3} <= set(running.unpack("n"))
        assert unpack("n") == ()

    def test_a_call_out_of_turn_is_told_by_the_library(self) -> None:
        self.recorded()
        for call in (self.connection.endheaders, self.connection.getresponse):
            assert isinstance(failure(call), HTTPException)

    def test_a_switch_that_is_turned_off_meanwhile_leaves_nothing_open(self) -> None:
        recorder = self.recorded()
        self.connection.request("GET", "/")
        self.switch.on = False
        self.connection.getresponse().read()
        assert len(recorder.ended) == 1

    def test_a_proxy_is_not_whom_a_request_is_for(self) -> None:
        recorder = self.recorded()
        self.connection.request("GET", "http://callee.test/users?all=1")
        self.connection.getresponse().read()
        call = recorder.ended[0].call
        assert (call.operation, str(call.endpoint)) == ("GET /users", "callee.test:80")
        assert call.timeout == PATIENCE

    def test_a_tunnel_is_not_whom_a_request_is_for(self) -> None:
        recorder = self.recorded()
        pack("tenant", "acme")
        self.origin.answer = lambda _: Reply(body=b"")
        self.connection.set_tunnel("callee.test", 8080, {"Connection": "keep-alive"})
        self.ask()
        assert [received.method for received in self.origin.received] == ["CONNECT", "GET"]
        assert [bool(received.baggage) for received in self.origin.received] == [False, True]
        assert [str(c.call.endpoint) for c in recorder.ended] == ["callee.test:8080"]

    def test_a_status_is_told_and_no_body_is_read(self) -> None:
        self.origin.answer = lambda _: Reply(404, body=b"nothing")
        recorder = self.recorded()
        assert self.ask() == (404, b"nothing")
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        facts = outcome.facts
        assert (facts.status, facts.ok, facts.digest(), facts.size()) == (404, False, None, None)
