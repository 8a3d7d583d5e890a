"""What meta-applications see and do around the calls of an RPC library, on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baggage.boundary import (
    PROCEED,
    Answer,
    Fault,
    FaultKind,
    Inject,
    Kind,
    Policy,
    Proceed,
    Raised,
    Returned,
)
from baggage.context import pack, unpack
from baggage.testing._rpc import DOWN, Rpc
from baggage.testing.suite import HERE, eventually, failure
from baggage.values import EMPTY, Direction, key

NONSENSE = Fault(FaultKind.RAISE, name="no.such.Exception")
BODY = Fault(FaultKind.BODY, body=b"other")


class Flows(Rpc):
    """Meta-applications are asked, followed and told."""

    def test_a_call_is_described(self) -> None:
        recorder = self.recorded()
        self.call()
        call = recorder.begun[0].call
        assert (call.kind, call.source, call.library) == (Kind.CLIENT, HERE, call.library)
        assert call.operation.rpartition("/")[2] == call.method != ""
        assert call.endpoint is not None
        assert str(call.endpoint) == self.address
        assert call.site.module.startswith("baggage.testing") or call.site.module != "?"

    def test_equal_requests_have_equal_payloads(self) -> None:
        recorder = self.recorded()
        for request in (b"one", b"one", b"two"):
            self.call(request=request)
        one, same, other = (crossed.call.payload for crossed in recorder.begun)
        assert one is not None
        assert (one == same, one == other) == (True, False)

    def test_an_arrival_is_described(self) -> None:
        recorder = self.recorded(Kind.CLIENT, Kind.SERVER)
        self.call()
        recorder.wait(lambda it: len(it.ended) == 2)
        left, arrived = (crossed.call for crossed in recorder.begun)
        assert (left.kind, arrived.kind) == (Kind.CLIENT, Kind.SERVER)
        assert (left.operation, left.method) == (arrived.operation, arrived.method)

    def test_the_answer_is_told_with_its_facts_on_both_sides(self) -> None:
        recorder = self.recorded(Kind.CLIENT, Kind.SERVER)
        pack("tenant", "acme")
        self.call()
        recorder.wait(lambda it: len(it.ended) == 2)
        for crossed in recorder.ended:
            outcome = crossed.outcome
            assert isinstance(outcome, Returned)
            assert (outcome.facts.status, outcome.facts.ok) == (0, True)
            assert outcome.facts.size() == len(b"request")
            assert (outcome.target, outcome.injected) == (HERE, None)

    def test_a_refusal_is_told_with_its_code_on_both_sides(self) -> None:
        recorder = self.recorded(Kind.CLIENT, Kind.SERVER)
        failure(lambda: self.call(self.refuses()))
        recorder.wait(lambda it: len(it.ended) == 2)
        outcomes = {crossed.call.kind: crossed.outcome for crossed in recorder.ended}
        assert isinstance(outcomes[Kind.CLIENT], Raised)
        for outcome in outcomes.values():
            assert outcome is not None
            assert (outcome.facts.status, outcome.facts.ok) == (self.refusal, False)

    def test_refusals_that_say_something_else_are_told_apart(self) -> None:
        recorder = self.recorded()
        pack("n", 1)  # only those that answer with baggage are believed
        for details in ("gone", "gone", "elsewhere"):
            self.service.answer = self.refuses(details=details)
            failure(self.call)
        outcomes = (crossed.outcome for crossed in recorder.ended)
        first, same, other = (ended and ended.facts.digest() for ended in outcomes)
        assert first == same != other
        assert None not in (first, other)

    def test_an_exception_of_the_callee_is_told_as_it_is(self) -> None:
        recorder = self.recorded(Kind.SERVER)
        own = LookupError("the callee's own")

        def work() -> None:
            raise own

        failure(lambda: self.call(self.does(work)))
        recorder.wait(lambda it: it.ended)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is own
        assert outcome.facts.status == self.failure

    def test_one_call_is_one_crossing_on_each_side(self) -> None:
        recorder = self.recorded(*Kind)
        self.call()
        recorder.wait(lambda it: len(it.ended) == 2)
        assert [crossed.call.kind for crossed in recorder.begun] == [Kind.CLIENT, Kind.SERVER]

    def test_what_a_flow_changes_is_for_the_callee_alone(self) -> None:
        seen: list[object] = []
        self.scripted(Proceed(down={DOWN: "flow's"}, headers={"x-flow": "yes"}))
        self.call(self.does(lambda: seen.append(unpack(DOWN))))
        assert (seen, unpack(DOWN)) == ([("flow's",)], ())

    def test_headers_of_a_flow_arrive(self) -> None:
        self.scripted(Proceed(headers={"X-Flow": "yes"}))
        recorder = self.recorded(Kind.SERVER)
        self.call()
        recorder.wait(lambda it: it.ended)
        assert recorder.ended[0].call.arrived["x-flow"] == "yes"

    def test_what_a_flow_changes_at_an_arrival_shows_in_the_callee(self) -> None:
        seen: list[object] = []
        self.scripted(Proceed(down={DOWN: "flow's"}), kind=Kind.SERVER)
        self.call(self.does(lambda: seen.append(unpack(DOWN))))
        assert seen == [("flow's",)]

    def test_an_injected_fault_never_contacts_the_callee(self) -> None:
        ran: list[int] = []
        self.service.answer = self.does(lambda: ran.append(1))
        call = self.calling(self.address)
        pack("tenant", "acme")
        for fault, code in self.faults:
            scripted = self.scripted(Inject(fault))
            assert self.code(failure(lambda: call(b"request"))) == code
            outcome = scripted.saw[0]
            assert (outcome.injected, outcome.facts.status) == (fault, code)
        assert ran == []

    def test_a_fault_that_befalls_an_answer_takes_its_place(self) -> None:
        self.service.answer = self.does(lambda: pack("n", 1))
        call = self.calling(self.address)
        pack("n", 0)
        for count, (fault, code) in enumerate(self.faults, 1):
            self.scripted(then=fault)
            assert self.code(failure(lambda: call(b"request"))) == code
            assert sorted(unpack("n")) == [0] + [1] * count

    def test_a_late_fault_takes_the_place_of_what_the_callee_answered(self) -> None:
        ran: list[int] = []
        call = self.calling(self.address)
        for count, (fault, code) in enumerate(self.faults, 1):
            late = replace(fault, late=True)
            scripted = self.scripted(Inject(late))
            self.service.answer = self.does(lambda: ran.append(1))
            assert self.code(failure(lambda: call(b"request"))) == code
            assert (scripted.saw[0].injected, len(ran)) == (late, count)

    def test_a_late_fault_takes_the_place_of_a_refusal(self) -> None:
        call = self.calling(self.address)
        self.service.answer = self.refuses()
        for fault, code in self.faults:
            self.scripted(Inject(replace(fault, late=True)))
            assert self.code(failure(lambda: call(b"request"))) == code

    def test_a_flow_within_sees_what_the_callee_answered(self) -> None:
        (fault, code), *_ = self.faults
        self.scripted(Inject(replace(fault, late=True)))
        inner = self.scripted(name="inner")
        assert self.code(failure(self.call)) == code
        assert (inner.saw[0].injected, inner.saw[0].facts.ok) == (None, True)

    def test_a_slow_call_is_answered_as_ever(self) -> None:
        slow = Fault(FaultKind.DELAY, seconds=0.01)
        scripted = self.scripted(Inject(slow))
        assert self.call() == b"request"
        assert scripted.saw[0].injected == slow

    @pytest.mark.parametrize(
        ("edit", "answer"), [("null a", b'{"a":null}'), ("truncate 3", b'{"a')]
    )
    def test_an_answer_that_came_is_edited(self, edit: str, answer: bytes) -> None:
        fault = Fault(FaultKind.BODY, edit=edit)
        scripted = self.scripted(Inject(fault))
        assert self.call(request=b'{"a": 1}') == answer
        assert scripted.saw[0].injected == fault

    def test_an_answer_without_room_for_an_edit_is_left_as_it_is(self) -> None:
        scripted = self.scripted(Inject(Fault(FaultKind.BODY, edit="null a")))
        assert self.call() == b"request"
        assert scripted.saw[0].injected is None

    @pytest.mark.parametrize("script", [{"first": Inject(BODY)}, {"then": BODY}])
    def test_a_changed_body_is_the_answer(self, script: dict[str, Any]) -> None:
        self.scripted(**script)
        assert self.call() == b"other"

    def test_a_fault_that_cannot_be_enacted_leaves_the_call_to_be_made(self) -> None:
        inner = key("suite.inner", direction=Direction.DOWN)
        seen: list[object] = []
        injecting = self.scripted(Inject(NONSENSE, Proceed(down={DOWN: 1})))
        self.scripted(Proceed(down={inner: 2}), name="inner")
        self.call(self.does(lambda: seen.append((unpack(DOWN), unpack(inner)))))
        assert seen == [((1,), (2,))]
        assert injecting.saw[0].injected is None

    def test_an_outcome_of_before_can_be_the_answer(self) -> None:
        recorder = self.scripted()
        self.call(request=b"before")
        self.scripted(Answer(recorder.saw[0]))
        self.service.answer = self.refuses()
        assert self.call(request=b"after") == b"before"

    def test_a_status_injected_at_an_arrival_is_the_answer_and_the_callee_never_runs(self) -> None:
        ran: list[int] = []
        fault = Fault(FaultKind.STATUS, status=8, body=b"full")
        scripted = self.scripted(Inject(fault), kind=Kind.SERVER)
        error = failure(lambda: self.call(self.does(lambda: ran.append(1))))
        assert (self.code(error), ran) == (8, [])
        assert "full" in str(error)
        eventually(lambda: scripted.saw)
        assert scripted.saw[0].injected == fault

    def test_a_status_that_befalls_a_callee_s_answer_takes_its_place(self) -> None:
        self.scripted(then=Fault(FaultKind.STATUS, status=8), kind=Kind.SERVER)
        assert self.code(failure(self.call)) == 8
        assert self.code(failure(lambda: self.call(self.refuses()))) == 8

    @pytest.mark.parametrize("kind", [Kind.CLIENT, Kind.SERVER])
    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    def test_a_meta_application_that_fails_is_isolated(
        self, kind: Kind, script: dict[str, Any]
    ) -> None:
        self.boundary.configure(Policy(service=HERE))
        self.scripted(**script, kind=kind)
        pack("n", 0)
        assert self.call(self.does(lambda: pack("n", 1))) == b"request"
        assert set(unpack("n")) == {0, 1}

    def test_a_delay_is_waited_for_on_both_sides(self) -> None:
        self.scripted(Proceed(delay=0.01))
        self.scripted(Proceed(delay=0.01), name="y", kind=Kind.SERVER)
        assert self.call() == b"request"

    def test_nobody_is_asked_who_has_no_interest(self) -> None:
        scripted = self.scripted(PROCEED, kind=Kind.PRODUCER)
        assert EMPTY.keys() == ()
        self.call()
        assert scripted.saw == []
