"""What faults look like to those who call by an HTTP client, before and after an answer."""

from __future__ import annotations

import gzip
import socket
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import pytest

from baggage.boundary import PROCEED, Fault, FaultKind, Inject, Proceed, Raised, Returned
from baggage.context import ensure, pack, unpack
from baggage.testing._client import Client
from baggage.testing.origin import HANG, RESET, Received, Reply, service
from baggage.testing.suite import chain, failure, outcome_of

_JSON: Final = b'{"a": {"b": [1, "x"]}, "c": "y"}'
_EDITS: Final = (
    ("null a.b[1]", b'{"a":{"b":[1,null]},"c":"y"}'),
    ("drop a", b'{"c":"y"}'),
    ("retype c", b'{"a":{"b":[1,"x"]},"c":1}'),
    ("truncate 7", b'{"a": {'),
)
_CHANGED: Final = Fault(FaultKind.BODY, body=b"changed")
_DELAY: Final = 0.05
# The timers of event loops may be early by a tick of the clock.
_TICK: Final = 0.016


class Faults(Client):
    """A fault is told from a real one by nothing; one that befalls an answer did reach the callee.

    Those of `faults` are tried.
    """

    def test_an_injected_refusal_is_like_a_real_one(self) -> None:
        for fault in self._known(FaultKind.REFUSED):
            with refusing() as url:
                self._compare(lambda: self.sender()(url), Inject(fault))

    def test_an_injected_timeout_is_like_a_real_one(self) -> None:
        for fault in self._known(FaultKind.TIMEOUT):
            self.origin.answer = lambda _: HANG
            real = chain(self.origin.overdue(self._ask_hastily))
            contacts = len(self.origin.received)
            self._compare(self._ask_hastily, Inject(fault), real)
            assert len(self.origin.received) == contacts

    def test_an_injected_reset_is_like_a_real_one(self) -> None:
        for fault in self._known(FaultKind.RESET):
            self._compare(lambda: self.send(lambda _: RESET), Inject(fault))
            assert len(self.origin.received) == 1

    def test_an_injected_cancellation_is_an_event_loops_own(self) -> None:
        for fault in self._known(FaultKind.CANCELLED):
            scripted = self.scripted(Inject(fault))
            assert chain(failure(self.send)) == [(CancelledError, False)]
            assert scripted.saw[0].injected == fault
            assert self.origin.received == []

    def test_a_call_that_times_out_after_arrival_did_reach_the_callee(self) -> None:
        for fault in self._known(FaultKind.TIMEOUT):
            self.origin.answer = lambda _: HANG
            real = chain(self.origin.overdue(self._ask_hastily))
            assert self._lost_by(fault) == real

    def test_an_answer_that_is_lost_by_a_reset_did_reach_the_callee(self) -> None:
        for fault in self._known(FaultKind.RESET):
            real = chain(failure(lambda: self.send(lambda _: RESET)))
            assert self._lost_by(fault) == real

    def test_the_next_call_after_an_answer_was_lost_gets_its_own(self) -> None:
        send = self.sender()
        lost = [*self._known(FaultKind.TIMEOUT), *self._known(FaultKind.RESET), _CHANGED]
        for fault in lost:
            scripted = self.scripted(then=fault)
            self.origin.answer = lambda _: Reply(body=b"first" * 9999)
            outcome_of(lambda: send(self.origin.url))
            self.boundary.unregister(scripted.name)
            self.origin.answer = lambda _: Reply(body=b"second")
            assert self.body(send(self.origin.url)) == b"second"

    def test_a_body_that_is_changed_leaves_status_and_headers_as_they_are(self) -> None:
        recorder = self.recorded()
        scripted = self.scripted(then=_CHANGED)
        work = service(lambda: pack("n", 2))
        ensure()

        def answer(received: Received) -> Reply:
            reply = work(received)
            assert isinstance(reply, Reply)
            return Reply(404, {**reply.headers, "X-Told": "yes"}, b"as the callee wrote it")

        response = self.send(answer)
        assert (self.status(response), self.header(response, "x-told")) == (404, "yes")
        assert self.body(response) == b"changed"
        assert len(self.origin.received) == 1
        assert isinstance(scripted.saw[0], Returned)
        assert scripted.saw[0].injected is None
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        assert (outcome.injected, outcome.facts.status) == (_CHANGED, 404)
        assert unpack("n") == (2,)

    def test_a_body_that_the_application_streams_can_be_changed(self) -> None:
        self.scripted(then=_CHANGED)
        self.origin.answer = lambda _: Reply(body=iter([b"chunk", b"chunk"]))
        assert b"".join(self.streaming()(self.origin.url)) == b"changed"

    def test_a_delay_comes_before_the_callee_is_contacted(self) -> None:
        moments: list[float] = []

        def first(_: object) -> Proceed:
            moments.append(time.monotonic())
            return Proceed(delay=_DELAY)

        def answer(_: object) -> Reply:
            moments.append(time.monotonic())
            return Reply()

        self.scripted(first)
        assert self.status(self.send(answer)) == 200
        began, arrived = moments
        # A bound from below, which no slow machine can miss.
        assert arrived - began >= _DELAY - _TICK

    def test_a_late_fault_is_like_one_that_befalls_an_answer(self) -> None:
        for fault in (*self._known(FaultKind.TIMEOUT), *self._known(FaultKind.RESET)):
            assert self._lost_by(replace(fault, late=True)) == self._lost_by(fault)

    def test_a_late_status_stands_for_what_the_callee_answered(self) -> None:
        for fault in self._known(FaultKind.STATUS):
            late = replace(fault, late=True, body=b"gone")
            scripted = self.scripted(Inject(late))
            response = self.send()
            assert (self.status(response), self.body(response)) == (fault.status, b"gone")
            assert (scripted.saw[0].injected, len(self.origin.received)) == (late, 1)

    def test_a_late_fault_leaves_a_call_alone_that_fails_by_itself(self) -> None:
        for fault in self._known(FaultKind.STATUS):
            scripted = self.scripted(Inject(replace(fault, late=True)))
            real = failure(lambda: self.send(lambda _: RESET))
            outcome = scripted.saw[0]
            assert isinstance(outcome, Raised)
            assert (outcome.injected, outcome.error) == (None, self.told(real))

    def test_a_flow_within_sees_what_the_callee_answered(self) -> None:
        for fault in self._known(FaultKind.STATUS):
            self.scripted(Inject(replace(fault, late=True)), name="injects")
            inner = self.scripted(name="inner")
            assert self.status(self.send()) == fault.status
            assert (inner.saw[0].injected, inner.saw[0].facts.status) == (None, 200)

    @pytest.mark.parametrize(("edit", "body"), _EDITS)
    def test_a_body_that_came_is_edited(self, edit: str, body: bytes) -> None:
        fault = Fault(FaultKind.BODY, edit=edit)
        scripted = self.scripted(Inject(fault))
        headers = {"Content-Type": "application/json", "X-Told": "yes"}
        response = self.send(lambda _: Reply(404, headers, _JSON))
        assert (self.status(response), self.header(response, "x-told")) == (404, "yes")
        assert self.body(response) == body
        assert (scripted.saw[0].injected, len(self.origin.received)) == (fault, 1)

    @pytest.mark.parametrize("edit", ["null z", "truncate 9999"])
    def test_a_body_without_room_for_an_edit_is_read_as_it_came(self, edit: str) -> None:
        scripted = self.scripted(Inject(Fault(FaultKind.BODY, edit=edit)))
        assert self.body(self.send(lambda _: Reply(body=_JSON))) == _JSON
        assert scripted.saw[0].injected is None

    def test_an_encoded_body_is_edited_as_it_is_read_or_left_as_it_is(self) -> None:
        fault = Fault(FaultKind.BODY, edit="drop a")
        compressed = gzip.compress(_JSON)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        self.origin.answer = lambda _: Reply(headers=headers, body=compressed)
        unedited = self.body(self.send())
        scripted = self.scripted(Inject(fault))
        assert (self.body(self.send()), scripted.saw[0].injected) in (
            (unedited, None),
            (dict(_EDITS)["drop a"], fault),
        )

    def test_a_body_that_the_application_streams_is_edited_or_left_as_it_is(self) -> None:
        fault = Fault(FaultKind.BODY, edit="drop a")
        scripted = self.scripted(Inject(fault))
        self.origin.answer = lambda _: Reply(body=iter([_JSON[:5], _JSON[5:]]))
        read = b"".join(self.streaming()(self.origin.url))
        assert (read, scripted.saw[0].injected) in (
            (_JSON, None),
            (dict(_EDITS)["drop a"], fault),
        )

    def test_a_slow_call_is_waited_for(self) -> None:
        fault = Fault(FaultKind.DELAY, seconds=_DELAY)
        scripted = self.scripted(Inject(fault))
        began = time.monotonic()
        assert self.status(self.send()) == 200
        assert time.monotonic() - began >= _DELAY - _TICK
        assert scripted.saw[0].injected == fault

    def test_a_call_that_is_slower_than_its_caller_waits_did_reach_the_callee(self) -> None:
        fault = Fault(FaultKind.DELAY, seconds=1)
        for known in self._known(FaultKind.TIMEOUT):
            real = self._lost_by(known)
            scripted = self.scripted(Inject(fault))
            assert chain(self.origin.overdue(self._ask_hastily)) == real
            assert {seen.injected for seen in scripted.saw} == {fault}

    def _known(self, kind: FaultKind) -> list[Fault]:
        """Return the fault of this kind, if the client can enact it."""
        return [fault for fault in self.faults if fault.kind is kind][:1]

    def _ask_hastily(self) -> object:
        return self.hasty()(self.origin.url)

    def _compare(
        self,
        ask: Callable[[], object],
        inject: Inject,
        real: list[tuple[type[BaseException], bool]] | None = None,
    ) -> None:
        """Compare what an injected fault raises with what a real one does: that of `ask`."""
        real = real or chain(failure(ask))
        scripted = self.scripted(inject)
        assert chain(failure(ask)) == real
        assert scripted.saw[0].injected == inject.fault

    def _lost_by(self, fault: Fault) -> list[tuple[type[BaseException], bool]]:
        """Let a fault befall an answer; return what the application sees of it."""
        recorder = self.recorded()
        scripted = self.scripted(*([Inject(fault)] if fault.late else [PROCEED, fault]))
        ran: list[str] = []
        self.origin.received.clear()
        self.origin.answer = service(lambda: ran.append("yes"))
        found = chain(failure(lambda: self.sender()(self.origin.url)))
        assert (ran, len(self.origin.received)) == (["yes"], 1)
        assert isinstance(scripted.saw[0], Raised if fault.late else Returned)
        outcome = recorder.ended[0].outcome
        self.boundary.unregister(recorder.name)
        assert isinstance(outcome, Raised)
        assert outcome.injected == fault
        return found


@contextmanager
def refusing() -> Iterator[str]:
    """Yield an address whose port nobody listens on."""
    with unheard() as port:
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def unheard() -> Iterator[int]:
    """Yield a port of the loopback interface that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
