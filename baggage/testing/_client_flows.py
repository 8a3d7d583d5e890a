"""What meta-applications see and do around the calls of an HTTP client."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from baggage import context
from baggage.boundary import (
    Answer,
    Fault,
    FaultKind,
    Inject,
    Kind,
    Policy,
    Proceed,
    Raised,
    Returned,
    read_header,
)
from baggage.context import attached, pack, suppressed, unpack
from baggage.testing._client import DOWN, NONSENSE, Client
from baggage.testing.origin import Reply, service
from baggage.testing.suite import HERE, outcome_of
from baggage.values import EMPTY, Direction, key


class Flows(Client):
    """Meta-applications are asked, followed and told."""

    def test_a_call_is_described_without_saying_where_it_goes(self) -> None:
        recorder = self.recorded()
        self.sender()(self.origin.url + "users?all=1")
        (crossed,) = recorder.ended
        call = crossed.call
        assert call.endpoint is not None
        assert (call.kind, call.source, call.endpoint.port) == (Kind.CLIENT, HERE, self.origin.port)
        assert "/users" in call.operation
        assert "127.0.0.1" not in call.operation
        assert call.site.module == type(self).__module__

    def test_the_answer_is_told_with_its_facts(self) -> None:
        recorder = self.recorded()
        replies = [Reply(200, {}, b"a"), Reply(200, {}, b"a"), Reply(404, {}, b"b")]
        for _ in range(3):
            self.send(lambda _: replies[len(self.origin.received) - 1])
        first, second, third = (crossed.outcome for crossed in recorder.ended)
        assert isinstance(first, Returned)
        assert isinstance(second, Returned)
        assert isinstance(third, Returned)
        assert (first.facts.status, first.facts.ok, first.facts.size()) == (200, True, 1)
        assert (third.facts.status, third.facts.ok) == (404, False)
        assert first.facts.digest() == second.facts.digest() != third.facts.digest()
        assert first.injected is None

    def test_the_service_on_the_other_side_is_learnt_from_what_comes_home(self) -> None:
        context.ensure()
        recorder = self.recorded()
        # A service of another test may have been at that address: ports are used again.
        name = f"stock-{uuid.uuid4().hex}"
        for _ in range(2):
            self.send(service(lambda: None, name))
        first, second = recorder.ended
        assert first.outcome is not None
        assert first.call.target != name
        assert first.outcome.target == name
        assert second.call.target == name

    def test_a_redirect_is_two_attempts(self) -> None:
        stamps = iter(range(9))
        self.scripted(lambda _: Proceed(down={DOWN: next(stamps)}))
        recorder = self.recorded()
        self.send(self.redirect(self.origin.url))
        carried = [read_header(received.baggage or "") for received in self.origin.received]
        assert [each.unpack(DOWN) for each in carried] == [(0,), (1,)]
        assert len(recorder.ended) == 2

    def test_each_retry_that_the_hook_can_see_is_an_attempt(self) -> None:
        replies = iter([503, 503, 200])
        self.origin.answer = lambda _: Reply(next(replies))
        recorder = self.recorded()
        self.retrying()(self.origin.url)
        assert len(self.origin.received) == 3
        assert len(recorder.ended) == self.crossings_of_a_retry

    def test_what_a_flow_changes_is_for_the_callee_alone(self) -> None:
        self.scripted(Proceed(down={DOWN: "changed"}, headers={"x-foreign": "yes"}))
        with attached(EMPTY.with_down({DOWN: "mine"})):
            self.send()
            assert unpack(DOWN) == ("mine",)
        assert self.sent().unpack(DOWN) == ("changed",)
        assert self.origin.received[0].headers["x-foreign"] == "yes"

    def test_an_injected_fault_never_contacts_the_callee(self) -> None:
        for fault in self.faults:
            scripted = self.scripted(Inject(fault))
            seen = outcome_of(self.send)
            told = scripted.saw[0]
            assert told.injected == fault
            assert self.told(seen) is (told.error if isinstance(told, Raised) else told.value)
        assert self.origin.received == []

    def test_an_injected_status_looks_like_an_answer(self) -> None:
        self.scripted(Inject(Fault(FaultKind.STATUS, status=503, body=b"no")))
        assert self.status(self.send()) == 503

    def test_an_answer_of_a_flow_never_contacts_the_callee(self) -> None:
        recorder = self.recorded()
        response = self.send()
        outcome = recorder.ended[0].outcome
        assert outcome is not None
        self.scripted(Answer(outcome))
        assert self.send() is response
        assert len(self.origin.received) == 1

    def test_a_fault_after_the_answer_takes_its_place(self) -> None:
        fault = Fault(FaultKind.STATUS, status=500)
        recorder = self.recorded()
        self.scripted(then=fault)
        assert self.status(self.send()) == 500
        assert len(self.origin.received) == 1
        assert recorder.ended[0].outcome is not None
        assert recorder.ended[0].outcome.injected == fault

    def test_a_fault_that_cannot_be_enacted_leaves_the_call_to_happen(self) -> None:
        others = [key(f"suite.{name}", direction=Direction.DOWN) for name in ("outer", "inner")]
        self.scripted(Proceed(down={others[0]: 1}), name="outer")
        injecting = self.scripted(Inject(NONSENSE, Proceed(down={DOWN: 2})), name="injecting")
        inner = self.scripted(Proceed(down={others[1]: 3}), name="inner")
        assert self.status(self.send()) == 200
        assert injecting.saw[0].injected is None
        assert injecting.saw == inner.saw
        assert [self.sent().unpack(each) for each in (others[0], DOWN, others[1])] == [
            (1,),
            (2,),
            (3,),
        ]

    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    def test_a_meta_application_that_fails_is_isolated(self, script: dict[str, Any]) -> None:
        self.boundary.configure(Policy(service=HERE))
        self.scripted(**script, name="failing")
        self.scripted(Proceed(down={DOWN: 1}))
        assert self.status(self.send()) == 200
        assert self.sent().unpack(DOWN) == (1,)

    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    def test_a_meta_application_that_fails_is_heard_in_strict_mode(
        self, script: dict[str, Any]
    ) -> None:
        self.scripted(**script)
        with pytest.raises(ValueError, match="x"):
            self.send()

    def test_calls_of_a_meta_application_are_its_own_affair(self) -> None:
        recorder = self.recorded()
        pack("tenant", "acme")
        with suppressed():
            self.send()
        assert recorder.begun == []
        assert self.origin.received[0].baggage is None
