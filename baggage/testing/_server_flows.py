"""What meta-applications see and do around the requests of an HTTP server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from baggage.boundary import (
    PROCEED,
    Call,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Interest,
    Kind,
    Policy,
    Proceed,
    Returned,
)
from baggage.context import pack, unpack
from baggage.testing._server import DOWN, HOME, Server
from baggage.testing.suite import HERE, eventually
from baggage.testing.visitor import visiting
from baggage.values import EMPTY, Direction, key

NONSENSE = Fault(FaultKind.RAISE, name="no.such.Exception")
UNAVAILABLE = Fault(FaultKind.STATUS, status=503, body=b"no")


class Flows(Server):
    """Meta-applications are asked, followed and told."""

    def test_an_arrival_is_described(self) -> None:
        recorder = self.recorded()
        self.answered(lambda: b"done", path="/users?all=1", headers={"X-Foreign": "yes"})
        recorder.wait(lambda it: it.ended)
        call = recorder.ended[0].call
        assert (call.kind, call.operation, call.source) == (Kind.SERVER, "GET /users", HERE)
        assert call.arrived["x-foreign"] == "yes"
        assert {name for name in call.arrived if name == "x-foreign"}

    def test_an_arrival_says_where_it_arrived(self) -> None:
        recorder = self.recorded()
        with self.serving(lambda: b"done") as url, visiting(url) as visitor:
            visitor.ask()
        recorder.wait(lambda it: it.ended)
        local = recorder.ended[0].call.local
        told = local is not None and local.port == urlsplit(url).port
        assert told is self.tells_address

    def test_a_header_that_came_twice_arrives_as_both_values(self) -> None:
        recorder = self.recorded()
        self.answered(lambda: b"done", headers=[("X-Foreign", "yes"), ("x-foreign", "twice")])
        recorder.wait(lambda it: it.ended)
        both = recorder.ended[0].call.arrived["x-foreign"]
        assert [value.strip() for value in both.split(",")] == ["yes", "twice"]

    def test_a_flow_runs_in_the_branch_that_arrived(self) -> None:
        recorder = self.recorded()
        self.answered(lambda: b"done", EMPTY.pack("tenant", "acme"))
        recorder.wait(lambda it: it.ended)
        assert recorder.ended[0].carried.unpack("tenant") == ("acme",)

    @pytest.mark.parametrize(("answer", "status"), [(b"done", 200), (404, 404)])
    def test_the_answer_is_told_with_its_facts(self, answer: bytes | int, status: int) -> None:
        recorder = self.recorded()
        self.answered(lambda: answer)
        recorder.wait(lambda it: it.ended)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        assert (outcome.facts.status, outcome.facts.ok) == (status, status < 400)
        assert outcome.injected is None

    def test_one_request_is_one_crossing_also_after_an_exception(self) -> None:
        recorder = self.recorded()

        def view() -> bytes:
            raise LookupError("the application's own")

        self.answered(view)
        recorder.wait(lambda it: it.ended)
        assert len(recorder.begun) == 1

    def test_what_a_flow_changes_shows_in_the_view(self) -> None:
        self.scripted(Proceed(down={DOWN: "flow's"}))
        seen: list[object] = []

        def view() -> bytes:
            seen.append(unpack(DOWN))
            return b"done"

        self.answered(view, EMPTY.with_down({DOWN: "caller's"}))
        assert seen == [("flow's",)]

    def test_what_a_flow_packs_at_the_end_goes_home(self) -> None:
        self.boundary.register(_PacksAtTheEnd())
        assert self.answered(lambda: b"done", EMPTY).baggage.unpack(HOME) == ("flow's",)

    def test_an_injected_status_is_the_answer_and_the_view_never_runs(self) -> None:
        scripted = self.scripted(Inject(UNAVAILABLE))
        ran: list[int] = []

        def view() -> bytes:
            ran.append(1)
            return b"done"

        answered = self.answered(view, EMPTY)
        assert (answered.status, answered.body, ran) == (503, b"no", [])
        eventually(lambda: scripted.saw)
        assert scripted.saw[0].injected == UNAVAILABLE

    def test_a_fault_after_the_answer_takes_its_place(self) -> None:
        self.scripted(then=UNAVAILABLE)
        answered = self.answered(lambda: b"done", EMPTY)
        assert (answered.status, answered.body) == (503, b"no")

    def test_a_late_status_takes_the_place_of_the_answer(self) -> None:
        late = replace(UNAVAILABLE, late=True)
        scripted = self.scripted(Inject(late))
        ran: list[int] = []

        def view() -> bytes:
            ran.append(1)
            return b"done"

        answered = self.answered(view, EMPTY)
        assert (answered.status, answered.body, ran) == (503, b"no", [1])
        eventually(lambda: scripted.saw)
        assert scripted.saw[0].injected == late

    def test_a_slow_request_is_served_as_ever(self) -> None:
        slow = Fault(FaultKind.DELAY, seconds=0.001)
        scripted = self.scripted(Inject(slow))
        assert self.answered(lambda: b"done", EMPTY).body == b"done"
        eventually(lambda: scripted.saw)
        assert scripted.saw[0].injected == slow

    @pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.DUPLICATE])
    def test_a_request_that_came_is_neither_dropped_nor_duplicated(self, kind: FaultKind) -> None:
        self.scripted(Inject(Fault(kind)))
        assert self.answered(lambda: b"done", EMPTY).body == b"done"

    def test_a_fault_that_cannot_be_enacted_leaves_the_request_to_be_served(self) -> None:
        inner = key("suite.inner", direction=Direction.DOWN)
        injecting = self.scripted(Inject(NONSENSE, Proceed(down={DOWN: 1})))
        self.scripted(Proceed(down={inner: 2}), name="inner")

        def view() -> bytes:
            return repr((unpack(DOWN), unpack(inner))).encode()

        assert self.answered(view, EMPTY).body == b"((1,), (2,))"
        eventually(lambda: injecting.saw)
        assert injecting.saw[0].injected is None

    @pytest.mark.parametrize("script", [{"first": ValueError("x")}, {"then": ValueError("x")}])
    def test_a_meta_application_that_fails_is_isolated(self, script: dict[str, Any]) -> None:
        self.boundary.configure(Policy(service=HERE))
        self.scripted(**script, name="failing")
        recorder = self.recorded()

        def view() -> bytes:
            pack("n", 1)
            return b"done"

        answered = self.answered(view, EMPTY)
        assert (answered.status, answered.body) == (200, b"done")
        assert answered.baggage.unpack("n") == (1,)
        recorder.wait(lambda it: it.ended)


class _PacksAtTheEnd:
    name = "suite"

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.AROUND

    def around(self, call: Call) -> Flow:
        yield PROCEED
        pack(HOME, "flow's")
        return None
