"""What the meta-application makes of crossings: names, clocks, faults and observations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import (
    PROCEED,
    Boundary,
    Call,
    CallSite,
    Fault,
    FaultKind,
    Inject,
    Interest,
    Kind,
    PlainFacts,
    Policy,
    Proceed,
    Raised,
    Returned,
    write_header,
)
from baggage.context import Branch, attached, ensure
from baggage.instrumentation._wsgi import Environ, StartResponse, WsgiAdapter
from baggage.instrumentation._wsgi_server import serve
from baggage.values import EMPTY
from metaapps.filibuster.app import Filibuster, create
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.index import DIGEST_SIZE, ROOT, child
from metaapps.filibuster.lineage import Lineage
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import LINEAGE, ORDERS, SEEN, Orders
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.wire import (
    decode_lineage,
    decode_observations,
    encode_lineage,
    encode_observation,
    encode_orders,
)

KEY = b"a key"
LATER = 2**40
REFUSED = Fault(FaultKind.REFUSED)
CALL = Call(
    kind=Kind.CLIENT,
    library="requests",
    operation="GET /bar",
    method="get",
    source="foo",
    site=CallSite("app", "foo", 7),
    timeout=1.0,
)
SPAWN = Call(kind=Kind.SPAWN, library="threading", operation="Thread.start", source="foo")
ANSWERED = Returned(None, PlainFacts(200), target="bar")


def carrying(plan: Plan = FAULT_FREE, coordinator: Coordinator | None = None) -> Branch:
    """Return a branch of foo, which carries orders and was called by the test."""
    orders = Orders("e", plan, LATER, "" if coordinator is None else coordinator.address)
    lineage = Lineage(ROOT, "foo", {"test": 1}, {"test": 1})
    down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(lineage)}
    return Branch(EMPTY.with_down(down))


def cross(
    app: Filibuster, branch: Branch, call: Call, outcome: Returned | Raised = ANSWERED
) -> object:
    """Let a call happen in a branch; return what the application said to do."""
    with attached(branch):
        flow = app.around(call)
        directive = next(flow)
        with pytest.raises(StopIteration):
            flow.send(outcome)
    return directive


def below(directive: object) -> Lineage:
    """Return the lineage that a callee, or a forked branch, is given."""
    assert isinstance(directive, Proceed)
    blob = directive.down[LINEAGE]
    assert isinstance(blob, bytes)
    lineage = decode_lineage(blob)
    assert lineage is not None
    return lineage


def under(lineage: Lineage) -> Branch:
    """Return a branch that has a lineage."""
    branch = carrying()
    branch.update(lambda carried: carried.with_down({LINEAGE: encode_lineage(lineage)}))
    return branch


def seen_in(branch: Branch) -> list[Observation]:
    seen = decode_observations(branch.unpack(SEEN))
    return sorted(seen, key=lambda one: one.position)


def test_a_call_is_observed_with_all_that_names_it() -> None:
    branch = carrying()
    directive = cross(Filibuster((KEY,)), branch, CALL)
    (seen,) = seen_in(branch)
    assert seen == Observation(
        role=Role.CALL,
        index=child(ROOT, seen.frame),
        parent=ROOT,
        position=0,
        source="foo",
        target="bar",
        library="requests",
        method="get",
        operation="GET /bar",
        site=CALL.site,
        occurrence=1,
        timeout=1.0,
        clock={"foo": 1, "test": 1},
        origin={"test": 1},
        status=200,
    )
    assert seen.site.line == 7
    assert below(directive).index == seen.index


def test_a_planned_call_is_failed_and_no_other() -> None:
    first, second = carrying(), carrying()
    app = Filibuster((KEY,))
    for _ in range(3):
        cross(app, first, CALL)
    planned = seen_in(first)[1]
    plan = Plan((PlannedFault(planned.index, REFUSED, "bar"),))
    second = carrying(plan)
    unsent = Raised(ConnectionError(), injected=REFUSED)
    said = [cross(app, second, CALL, ANSWERED)]
    said.append(cross(app, second, CALL, unsent))
    said.append(cross(app, second, CALL, ANSWERED))
    assert [isinstance(directive, Inject) for directive in said] == [False, True, False]
    assert [seen.injected for seen in seen_in(second)] == [None, REFUSED, None]
    assert [seen.index for seen in seen_in(second)] == [seen.index for seen in seen_in(first)]


def test_a_call_that_was_never_sent_has_the_target_that_was_planned() -> None:
    before = carrying()
    cross(Filibuster((KEY,)), before, CALL)
    plan = Plan((PlannedFault(seen_in(before)[0].index, REFUSED, "bar"),))
    branch = carrying(plan)
    cross(Filibuster((KEY,)), branch, CALL, Raised(ConnectionError(), injected=REFUSED))
    (seen,) = seen_in(branch)
    assert (seen.target, seen.raised, seen.ok) == ("bar", "ConnectionError", False)


def test_a_fault_that_could_not_be_enacted_is_not_called_injected() -> None:
    before = carrying()
    cross(Filibuster((KEY,)), before, CALL)
    plan = Plan((PlannedFault(seen_in(before)[0].index, REFUSED, "bar"),))
    branch = carrying(plan)
    cross(Filibuster((KEY,)), branch, CALL, ANSWERED)
    assert [seen.injected for seen in seen_in(branch)] == [None]


def test_the_test_s_own_calls_are_observed_and_never_failed() -> None:
    app = Filibuster((KEY,), by_test=True)
    before = carrying()
    cross(app, before, CALL)
    (seen,) = seen_in(before)
    assert seen.by_test
    plan = Plan((PlannedFault(seen.index, REFUSED, "bar"),))
    assert isinstance(cross(app, carrying(plan), CALL), Proceed)


def test_the_test_s_calls_are_named_by_what_they_ask_alone() -> None:
    app = Filibuster((KEY,), by_test=True)
    one, other = carrying(), carrying()
    cross(app, one, CALL)
    cross(app, other, replace(CALL, site=CallSite("elsewhere", "another"), source="me"))
    assert seen_in(one)[0].index == seen_in(other)[0].index


def test_calls_that_differ_in_content_have_names_of_their_own_where_that_is_ordered() -> None:
    calls = [replace(CALL, payload=content) for content in (b"one", b"other", b"one", None)]
    occurrences = {}
    for by_payload in (False, True):
        branch = carrying()
        orders = encode_orders(Orders("e", expires=LATER, by_payload=by_payload), KEY)
        branch.update(lambda carried, blob=orders: carried.with_down({ORDERS: blob}))  # type: ignore[misc]
        for call in calls:
            cross(Filibuster((KEY,)), branch, call)
        seen = seen_in(branch)
        assert [child(one.parent, one.frame) for one in seen] == [one.index for one in seen]
        occurrences[by_payload] = [one.occurrence for one in seen]
    assert occurrences == {False: [1, 2, 3, 4], True: [1, 1, 2, 1]}


def test_a_callee_s_calls_name_the_clock_of_the_call_that_they_serve() -> None:
    app = Filibuster((KEY,))
    branch = carrying()
    cross(app, branch, CALL)
    lineage = below(cross(app, branch, CALL))
    callee = under(lineage.arrived("bar"))
    cross(app, callee, replace(CALL, source="bar"))
    caller, (called,) = seen_in(branch)[1], seen_in(callee)
    assert called.parent == caller.index
    assert called.origin == caller.clock == {"foo": 2, "test": 1}
    assert called.clock == {"bar": 1, "foo": 2, "test": 1}


# A program is what a branch does: ask something, or fork a branch that does something.
PROGRAMS = st.recursive(
    st.sampled_from(["GET /a", "GET /b"]), lambda inner: st.lists(inner, max_size=5), max_leaves=20
)
Program = str | list["Program"]


@dataclass
class Machine:
    """Runs a program; `checkout` is what differs from machine to machine."""

    checkout: str
    app: Filibuster = field(default_factory=lambda: Filibuster((KEY,)))
    seen: list[Observation] = field(default_factory=list)

    def run(self, program: Sequence[Program], branch: Branch) -> None:
        for step in program:
            if isinstance(step, str):
                site = CallSite("app", "serve", len(self.checkout))
                arguments = {"url": f"{self.checkout}/{step}"}
                cross(
                    self.app, branch, replace(CALL, operation=step, site=site, arguments=arguments)
                )
            else:
                self.run(step, under(below(cross(self.app, branch, SPAWN))))
        self.seen.extend(seen_in(branch))


@given(st.lists(PROGRAMS, max_size=6))
def test_indices_are_unique_and_the_same_in_every_run(program: list[Program]) -> None:
    here, there = Machine("/here"), Machine("/home/somebody/elsewhere")
    here.run(program, carrying())
    there.run(program, carrying())
    indices = [seen.index for seen in here.seen]
    assert len(set(indices)) == len(indices)
    assert indices == [seen.index for seen in there.seen]
    for seen in here.seen:
        assert child(seen.parent, seen.frame) == seen.index
        assert len(seen.index) == DIGEST_SIZE


def test_identifiers_that_differ_in_every_run_are_not_part_of_a_name() -> None:
    first, second = carrying(), carrying()
    for branch, name in ((first, "0" * 16), (second, "3f2504e0-4f89-11d3-9a0c-0305e82c3301")):
        cross(Filibuster((KEY,)), branch, replace(CALL, operation=f"GET /orders/{name}/lines"))
    assert seen_in(first)[0].index == seen_in(second)[0].index
    assert seen_in(first)[0].operation == "GET /orders/{id}/lines"


def test_what_is_shown_of_arguments_is_bounded() -> None:
    branch = carrying()
    cross(Filibuster((KEY,)), branch, replace(CALL, arguments={"url": "x" * 10_000}))
    shown = seen_in(branch)[0].arguments
    assert len(shown) == 300
    assert shown.endswith("…")


def test_a_branch_without_lineage_passes() -> None:
    orders = encode_orders(Orders("e", expires=LATER), KEY)
    branch = Branch(EMPTY.with_down({ORDERS: orders}))
    assert cross(Filibuster((KEY,)), branch, CALL) == PROCEED
    assert branch.unpack(SEEN) == ()


@pytest.mark.parametrize("kind", Kind)
def test_where_it_is_switched_off_it_is_asked_nothing(kind: Kind) -> None:
    assert Filibuster().interest(kind, "requests") is Interest.NONE


def test_the_environment_switches_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FILIBUSTER_KEY", raising=False)
    assert create().interest(Kind.CLIENT, "requests") is Interest.NONE
    monkeypatch.setenv("FILIBUSTER_KEY", "a key")
    assert create().interest(Kind.CLIENT, "requests") is Interest.AROUND


# What finds no way home


def test_what_finds_no_room_goes_to_the_coordinator() -> None:
    app = Filibuster((KEY,))
    with Coordinator(KEY) as coordinator:
        inbox = coordinator.open("e")
        branch = carrying(coordinator=coordinator)
        cross(app, branch, CALL)
        with attached(branch):
            app.overflow(SEEN, branch.unpack(SEEN))
        assert app.flush(30)
        assert list(inbox.settle(0)) == seen_in(branch)


def test_a_request_from_outside_is_observed_where_it_arrives() -> None:
    app = Filibuster((KEY,))
    arriving = Call(kind=Kind.SERVER, library="flask", operation="GET /foo", source="foo")
    with Coordinator(KEY) as coordinator:
        coordinator.open("e")
        branches = [carrying(coordinator=coordinator) for _ in range(2)]
        lineages = [below(cross(app, branch, arriving)) for branch in branches]
    seen = [seen_in(branch)[0] for branch in branches]
    assert [(one.source, one.target, one.by_test) for one in seen] == [("test", "foo", True)] * 2
    assert [one.occurrence for one in seen] == [1, 2]
    assert [lineage.index for lineage in lineages] == [one.index for one in seen]
    assert [lineage.process for lineage in lineages] == ["", ""]  # the callee gives its name
    assert encode_observation(seen[0]) != encode_observation(seen[1])


def test_what_a_stream_saw_is_reported_before_its_end_can_be_read() -> None:
    def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        cross(app, ensure(), CALL)

    app = Filibuster((KEY,))
    boundary = Boundary(Policy(service="foo"), (app,))
    with Coordinator(KEY) as coordinator:
        inbox = coordinator.open("e")
        header = write_header(carrying(coordinator=coordinator).baggage, origin="test")
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_BAGGAGE": header}
        adapter = WsgiAdapter("flask")
        body = serve(boundary, adapter, application, environ, lambda *_: lambda _: None)
        assert list(body) == [b"first"]
        assert app.flush(30)
        heard = [(seen.role, seen.operation) for seen in inbox.settle(0)]
        assert heard == [(Role.CALL, "GET /bar"), (Role.END, "")]
