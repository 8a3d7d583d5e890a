"""What holds for every meta-application."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baggage.boundary import (
    PROCEED,
    Answer,
    Boundary,
    Call,
    CallSite,
    Directive,
    Endpoint,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Interest,
    Kind,
    MetaApp,
    Outcome,
    PlainFacts,
    Policy,
    Proceed,
    Raised,
    Returned,
)
from baggage.boundary.directive import checked, is_outcome
from baggage.context import Branch, attached, current
from baggage.testing.apps import Recorder, Scripted
from baggage.testing.parcel import Parcel, ParcelAdapter, ParcelRefused
from baggage.values import EMPTY, Baggage, Direction, Key, Last

_FAULTS = st.builds(
    Fault,
    st.sampled_from(FaultKind),
    status=st.none() | st.integers(100, 999),
    name=st.none() | st.text(max_size=20),
)
_HEADERS = st.dictionaries(
    st.sampled_from(["b3", "traceparent", "x-b3-traceid", "x-other"]) | st.text(max_size=10),
    st.text(max_size=40),
    max_size=3,
)
calls: Final = st.builds(
    Call,
    kind=st.sampled_from(Kind),
    library=st.sampled_from(["requests", "grpc", ""]),
    operation=st.text(max_size=20),
    method=st.text(max_size=5),
    arguments=st.dictionaries(st.text(max_size=5), st.text(max_size=400), max_size=2),
    endpoint=st.none() | st.builds(Endpoint, st.text(max_size=9), st.integers(0, 65535)),
    timeout=st.none() | st.floats(0, 100),
    payload=st.none() | st.binary(max_size=8),
    source=st.text(max_size=9),
    target=st.text(max_size=9),
    site=st.builds(CallSite, st.text(max_size=9), st.text(max_size=9)),
    arrived=_HEADERS,
    local=st.none() | st.builds(Endpoint, st.text(max_size=9), st.integers(0, 65535)),
)
"""Any call that an instrumentation may describe."""

outcomes: Final = st.builds(
    Returned,
    st.builds(object),
    st.builds(PlainFacts, st.none() | st.integers(100, 599), st.booleans()),
    st.text(max_size=9),
    st.none() | _FAULTS,
) | st.builds(
    Raised,
    st.sampled_from([ValueError("x"), KeyboardInterrupt(), OSError(111, "refused")]),
    st.text(max_size=9),
    st.none() | _FAULTS,
)
"""Any outcome that a crossing may have."""

# One suite serves several classes, on machines of any speed; a quarter of the examples is plenty.
_QUIET: Final = settings(
    deadline=None,
    max_examples=max(25, settings().max_examples // 4),
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
_HOSTILE = st.binary(max_size=60) | st.text(max_size=9) | st.integers(-9, 9) | st.booleans()
_OTHERS: Final = (
    Key("other.both", Last),
    Key("other.down", direction=Direction.DOWN),
    Key("other.home", direction=Direction.HOME),
)


class MetaAppSuite:
    """Inherit, and say how the meta-application is made. See `baggage.testing`."""

    @abstractmethod
    def metaapp(self) -> MetaApp:
        """Make one, as for a process of its own."""

    def carried(self) -> Baggage:
        """Return baggage under which the meta-application has something to do."""
        return EMPTY

    def test_it_says_its_name_and_what_it_wants(self) -> None:
        app = self.metaapp()
        assert isinstance(app, MetaApp)
        assert app.name
        for kind in Kind:
            for library in ("requests", "grpc.aio", ""):
                assert isinstance(app.interest(kind, library), Interest)
                assert app.interest(kind, library) is app.interest(kind, library)

    @_QUIET
    @given(calls, outcomes)
    def test_a_flow_gives_one_directive_and_ends_with_any_outcome(
        self, call: Call, outcome: Outcome
    ) -> None:
        app = self.metaapp()
        for carried in (EMPTY, self.carried()):
            within(carried, lambda: finished(app.around(call), outcome))

    @_QUIET
    @given(calls, outcomes)
    def test_a_flow_needs_no_baggage(self, call: Call, outcome: Outcome) -> None:
        flow = self.metaapp().around
        Context().run(lambda: finished(flow(call), outcome))

    @_QUIET
    @given(calls, st.booleans())
    def test_a_flow_can_be_given_up_at_any_time(self, call: Call, begun: bool) -> None:
        app = self.metaapp()

        def give_up() -> None:
            flow = app.around(call)
            if begun:
                checked(next(flow))
            flow.close()

        within(self.carried(), give_up)

    @_QUIET
    @given(calls, outcomes, st.data())
    def test_whatever_came_under_its_keys_harms_nobody(
        self, call: Call, outcome: Outcome, data: st.DataObject
    ) -> None:
        app = self.metaapp()
        carried = self.carried()
        for name in self.keys(call, outcome):
            direction = data.draw(st.sampled_from(Direction))
            carried = carried.remove(name)
            carried = carried.pack(Key(name, direction=direction), data.draw(_HOSTILE))
        within(carried, lambda: finished(app.around(call), outcome))

    @_QUIET
    @given(calls, outcomes)
    def test_it_keeps_to_its_own_keys(self, call: Call, outcome: Outcome) -> None:
        prefix = f"{self.metaapp().name}."
        assert [key for key in self.keys(call, outcome) if not key.startswith(prefix)] == []

    @_QUIET
    @given(calls, outcomes)
    def test_it_leaves_the_baggage_of_others_alone(self, call: Call, outcome: Outcome) -> None:
        app = self.metaapp()
        carried = self.carried()
        for key in _OTHERS:
            carried = carried.pack(key, "theirs")
        branch = within(carried, lambda: finished(app.around(call), outcome))
        assert [branch.unpack(key) for key in _OTHERS] == [("theirs",)] * len(_OTHERS)

    @_QUIET
    @given(st.lists(st.tuples(calls, outcomes), max_size=5), st.randoms(use_true_random=False))
    def test_flows_end_in_any_order(
        self, crossings: list[tuple[Call, Outcome]], order: Any
    ) -> None:
        app = self.metaapp()

        def interleave() -> None:
            flows = [(app.around(call), outcome) for call, outcome in crossings]
            for flow, _ in flows:
                checked(next(flow))
            order.shuffle(flows)
            for flow, outcome in flows:
                ended(flow, outcome)

        within(self.carried(), interleave)

    @_QUIET
    @given(
        st.permutations(["app", "proceeds", "acts", "observes"]),
        st.sampled_from(
            [
                PROCEED,
                Inject(Fault(FaultKind.REFUSED)),
                Inject(Fault(FaultKind.STATUS, status=500)),
                Inject(Fault(FaultKind.RAISE, name="no.such")),
                Answer(Returned(Parcel())),
                Answer(Raised(ValueError("answered"))),
            ]
        ),
        st.sampled_from([None, Fault(FaultKind.REFUSED), Returned(Parcel()), Raised(OSError())]),
    )
    def test_beside_others_in_any_order_every_flow_ends(
        self, order: list[str], first: Directive, then: object
    ) -> None:
        recorder = Recorder("observes")
        apps: dict[str, MetaApp] = {
            "app": self.metaapp(),
            "proceeds": Scripted(Proceed(down={_OTHERS[1]: 1}), kinds=tuple(Kind), name="proceeds"),
            "acts": Scripted(first, then, kinds=(Kind.CLIENT,), name="acts"),
            "observes": recorder,
        }
        boundary = Boundary(Policy(strict=True), tuple(apps[name] for name in order))
        within(self.carried(), lambda: round_trip(boundary))
        assert len(recorder.begun) == len(recorder.ended) >= 1
        assert all(crossed.outcome for crossed in recorder.ended)

    def test_many_threads_may_ask_it_at_a_time(self) -> None:
        app = self.metaapp()
        boundary = Boundary(Policy(strict=True), (app,))
        together = threading.Barrier(4)

        def cross() -> None:
            together.wait(60)
            for _ in range(20):
                within(self.carried(), lambda: round_trip(boundary))

        with ThreadPoolExecutor(4) as pool:
            for crossed in [pool.submit(cross) for _ in range(4)]:
                crossed.result()

    def keys(self, call: Call, outcome: Outcome) -> set[str]:
        """Return the names of the keys that a flow reads or writes, as far as that can be seen."""
        app = self.metaapp()
        found = set(self.carried().keys())

        def look() -> None:
            flow = app.around(call)
            directive = checked(next(flow))
            ended(flow, outcome)
            proceed = directive.otherwise if isinstance(directive, Inject) else directive
            if isinstance(proceed, Proceed):
                found.update(key.name for key in proceed.down)
            found.update(current().keys())

        within(self.carried(), look)
        return found


def within(carried: Baggage, step: Callable[[], object]) -> Branch:
    """Run a step in a context of its own, in a branch that carries this; return the branch."""

    def run() -> Branch:
        with attached(carried) as branch:
            step()
        return branch

    return Context().run(run)


def finished(flow: Flow, outcome: Outcome) -> None:
    """Run a flow to its end."""
    checked(next(flow))
    ended(flow, outcome)


def ended(flow: Flow, outcome: Outcome) -> None:
    """Send a flow its outcome, with which it ends."""
    try:
        second = flow.send(outcome)
    except StopIteration as end:
        result = end.value
        assert result is None or isinstance(result, Fault) or is_outcome(result), result
    else:
        raise AssertionError(f"yielded a second directive: {second!r}")


def round_trip(boundary: Boundary) -> None:
    """Call a service that calls nobody, both with the meta-applications of one boundary."""
    request = Parcel()

    def serve() -> Parcel:
        arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel(dict(request.headers)))
        assert arrival is not None
        response = Parcel()
        with arrival.scope():
            arrival.begin()
            arrival.end(arrival.answered(response))
            arrival.respond(response)
        arrival.close()
        return response

    try:
        boundary.call(ParcelAdapter(Kind.CLIENT), request, lambda: Context().run(serve))
    except Exception as error:
        if not isinstance(error, _MADE):
            raise


_MADE: Final = (ParcelRefused, ValueError, OSError)
"""What the scripts above make of a call."""
