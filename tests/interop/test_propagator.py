"""OpenTelemetry's context carries our branches, and its carriers one header for all members."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage as theirs
from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import baggage
from baggage.boundary import Boundary, Flow, Interest, Kind, Policy, read_header, write_header
from baggage.context import branch, suppressed
from baggage.opentelemetry import CausalBaggagePropagator, CausalBaggageResponsePropagator
from baggage.values import EMPTY, Baggage, Direction, Key
from baggage.wire import members

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOME = Key("tolls.paid", direction=Direction.HOME)


class Tolls:
    """A meta-application that hears of `home` values."""

    name = "tolls"

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.NONE

    def around(self, call: object) -> Flow:
        raise AssertionError("nobody is asked")

    def overflow(self, key: Key, values: Sequence[Any]) -> None:
        self.heard.extend(values)


def made(boundary: Boundary | None = None) -> CausalBaggagePropagator:
    return CausalBaggagePropagator(boundary or Boundary(Policy(service="shop")))


def orders() -> Iterator[CompositePropagator]:
    each = [TraceContextTextMapPropagator(), W3CBaggagePropagator(), made()]
    for order in itertools.permutations(each):
        yield CompositePropagator(order)


def named(propagator: CompositePropagator) -> str:
    short = {"TraceContextTextMapPropagator": "trace", "W3CBaggagePropagator": "theirs"}
    names = [type(each).__name__ for each in propagator._propagators]
    return "-".join(short.get(name, "ours") for name in names)


@pytest.fixture(params=list(orders()), ids=named)
def all_three(request: pytest.FixtureRequest) -> CompositePropagator:
    found: CompositePropagator = request.param
    return found


class attached:
    """A block in which OpenTelemetry's context is attached."""

    def __init__(self, found: Context) -> None:
        self.found = found

    def __enter__(self) -> None:
        self.token = context.attach(self.found)

    def __exit__(self, *_: object) -> None:
        context.detach(self.token)


def sent(propagator: TextMapPropagator) -> str:
    carrier: dict[str, str] = {}
    propagator.inject(carrier)
    return carrier.get("baggage", "")


def came(tenant: str = "acme", *others: str) -> dict[str, str]:
    header = write_header(EMPTY.pack("tenant", tenant), origin="front")
    return {"baggage": ",".join([*others, header])}


def test_what_came_is_current_while_the_context_is_attached(
    all_three: CompositePropagator,
) -> None:
    found = all_three.extract(came())
    assert branch() is None
    with attached(found):
        assert baggage.unpack("tenant") == ("acme",)
        baggage.pack("seats", 2)
        received = read_header(sent(all_three))
        assert (received.unpack("tenant"), received.unpack("seats")) == (("acme",), (2,))
    assert branch() is None
    assert sent(all_three) == ""


def test_one_header_has_their_members_and_ours_in_whatever_order(
    all_three: CompositePropagator,
) -> None:
    arrived = all_three.extract(
        {**came("acme", "user=J%C3%BCrgen;vip", "n=a:b"), "traceparent": PARENT}
    )
    with attached(theirs.set_baggage("n", "changed", arrived)):
        carrier: dict[str, str] = {}
        all_three.inject(carrier)
    ours, foreign, lost = members(carrier["baggage"])
    assert foreign == ("user=J%C3%BCrgen;vip", "n=changed")
    assert carrier["baggage"].count("causal=") == 1
    assert read_header(f"causal={ours}").unpack("tenant") == ("acme",)
    assert (lost, carrier["traceparent"]) == (0, PARENT)


def test_what_another_tool_sets_is_sent_where_nothing_came(all_three: CompositePropagator) -> None:
    with attached(theirs.set_baggage("n", "1")):
        assert sent(all_three) == "n=1"
        with baggage.attached(EMPTY.pack("tenant", "acme")):
            header = sent(all_three)
            assert read_header(header).foreign == ("n=1",)
            assert read_header(header).unpack("tenant") == ("acme",)


def test_a_carrier_that_appends_gets_one_header(all_three: CompositePropagator) -> None:
    class Appending(Setter[list[tuple[str, str]]]):
        def set(self, carrier: list[tuple[str, str]], key: str, value: str) -> None:
            carrier.append((key, value))

    headers: list[tuple[str, str]] = []
    with attached(all_three.extract(came("acme", "n=1"))):
        all_three.inject(headers, setter=Appending())
    (only,) = [value for name, value in headers if name == "baggage"]
    assert read_header(only).unpack("tenant") == ("acme",)


def test_nobody_signs_since_nobody_reads_what_comes_back() -> None:
    with attached(made().extract(came())):
        assert read_header(sent(made())).origin == ""


def test_each_request_on_a_warm_thread_is_its_own(all_three: CompositePropagator) -> None:
    for number in range(3):
        carried = came(f"tenant{number}") if number != 1 else {}
        with attached(all_three.extract(carried)):
            assert baggage.unpack("tenant") == ((f"tenant{number}",) if number != 1 else ())
            assert baggage.unpack("seats") == ()
            baggage.pack("seats", number)


def test_a_context_that_is_never_detached_hinders_no_other(all_three: CompositePropagator) -> None:
    def serve() -> None:
        for tenant in ("acme", "ajax"):
            context.attach(all_three.extract(came(tenant)))
            assert baggage.unpack("tenant") == (tenant,)
        seen.append(True)

    seen: list[bool] = []
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert seen


def test_requests_that_tasks_serve_at_the_same_time_do_not_mix(
    all_three: CompositePropagator,
) -> None:
    async def serve(tenant: str) -> None:
        with attached(all_three.extract(came(tenant))):
            for number in range(3):
                baggage.pack("steps", f"{tenant} {number}")
                await asyncio.sleep(0)
            await asyncio.create_task(below(tenant))
            assert baggage.unpack("tenant") == (tenant,)
            assert set(baggage.unpack("steps")) == {f"{tenant} {n}" for n in (0, 1, 2, "below")}
            assert read_header(sent(all_three)).unpack("tenant") == (tenant,)

    async def below(tenant: str) -> None:
        baggage.pack("steps", f"{tenant} below")

    async def main() -> None:
        await asyncio.gather(*(serve(f"tenant{number}") for number in range(10)))

    asyncio.run(main())


def test_a_thread_that_the_context_is_handed_to_works_for_the_request() -> None:
    with attached(made().extract(came())):
        handed = context.get_current()

        def work() -> None:
            with attached(handed):
                baggage.pack("seen", baggage.unpack("tenant")[0])
            assert branch() is None

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert baggage.unpack("seen") == ("acme",)


def test_what_is_entered_by_our_means_stays_where_spans_begin() -> None:
    tracer = TracerProvider().get_tracer("test")
    with attached(made().extract(came())), baggage.attached(EMPTY.pack("tenant", "inner")):
        with tracer.start_as_current_span("work"):
            assert baggage.unpack("tenant") == ("inner",)
        assert read_header(sent(made())).unpack("tenant") == ("inner",)


@pytest.mark.parametrize("sampler", [None, ALWAYS_OFF], ids=["sampled", "not"])
@pytest.mark.parametrize("traced", [True, False])
def test_a_server_s_span_that_begins_with_what_was_extracted_attaches_it(
    all_three: CompositePropagator, sampler: Any, traced: bool
) -> None:
    tracer = TracerProvider(sampler=sampler).get_tracer("test") if sampler else None
    tracer = tracer or TracerProvider().get_tracer("test")
    carried = {**came("acme", "n=1"), **({"traceparent": PARENT} if traced else {})}
    arrived = all_three.extract(carried)
    kind = trace.SpanKind.SERVER
    with tracer.start_as_current_span("serve", context=arrived, kind=kind):
        assert baggage.unpack("tenant") == ("acme",)
        with tracer.start_as_current_span("within"):
            assert baggage.unpack("tenant") == ("acme",)
        assert read_header(sent(all_three)).foreign == ("n=1",)
    assert branch() is None


def test_a_span_that_has_nothing_to_do_with_what_was_extracted_attaches_nothing() -> None:
    tracer = TracerProvider().get_tracer("test")
    made().extract({**came(), "traceparent": PARENT})
    for kind in (trace.SpanKind.INTERNAL, trace.SpanKind.CLIENT):
        with tracer.start_as_current_span("work", kind=kind):
            assert branch() is None
    both = CompositePropagator([TraceContextTextMapPropagator(), made()])
    both.extract({**came(), "traceparent": PARENT})
    with tracer.start_as_current_span("serve", kind=trace.SpanKind.SERVER):
        assert branch() is None


def test_an_empty_context_within_a_request_is_nobody_s() -> None:
    with attached(made().extract(came())):
        with attached(Context()):
            assert baggage.unpack("tenant") == ()
            baggage.pack("tenant", "other")
        assert baggage.unpack("tenant") == ("acme",)


def test_a_context_that_is_not_attached_can_be_sent_on() -> None:
    propagator, carrier = made(), dict[str, str]()
    propagator.inject(carrier, propagator.extract(came()))
    assert read_header(carrier["baggage"]).unpack("tenant") == ("acme",)


def test_home_values_go_to_their_owners_when_the_request_is_over() -> None:
    tolls = Tolls()
    boundary = Boundary(Policy(service="shop"), (tolls,))
    handed: list[Context] = []
    with attached(made(boundary).extract(came())):
        baggage.pack(HOME, 1)
        handed.append(context.get_current())
        assert tolls.heard == []
    assert tolls.heard == [1]
    with attached(handed[0]):  # a thread that outlived it
        baggage.pack(HOME, 2)
    assert tolls.heard == [1, 2]


def test_values_that_go_home_are_not_taken_from_a_request() -> None:
    tolls = Tolls()
    forged = {"baggage": write_header(EMPTY.pack("tenant", "acme"), origin="x")}
    with_home = Baggage.deserialize(EMPTY.pack(HOME, 9).serialize())
    header = f"causal={write_header(with_home, origin='x').partition('=')[2]}"
    with attached(made(Boundary(Policy(), (tolls,))).extract({**forged, "baggage": header})):
        pass
    assert tolls.heard == []


def test_a_request_that_has_arrived_by_an_instrumentation_does_not_arrive_twice(
    all_three: CompositePropagator,
) -> None:
    class Adapter:
        kind = Kind.SERVER
        library = "test"
        packages = frozenset({"test"})
        below: frozenset[str] = frozenset()

        def request_carrier(self, request: dict[str, str]) -> Any:
            return _Carrier(request)

    boundary = Boundary(Policy(service="shop"))
    arriving: Any = Adapter()
    for request in (came(), {}):
        arrival = boundary.arrive(arriving, request)
        assert arrival is not None
        with arrival.scope(), attached(all_three.extract(request)):
            assert branch() is arrival.branch
            baggage.pack("seats", 2)
            assert sum(read_header(sent(all_three)).unpack("seats")) == 2  # type: ignore[arg-type]
        assert arrival.branch.unpack("seats") == (2,)
        arrival.close()


class _Carrier:
    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def get(self, name: str) -> str | None:
        return self.headers.get(name)

    def set(self, name: str, value: str) -> None:
        self.headers[name] = value


def test_where_only_some_hosts_may_have_it_nothing_is_sent(all_three: CompositePropagator) -> None:
    careful = made(Boundary(Policy(hosts=("shop.example",))))
    both = CompositePropagator([W3CBaggagePropagator(), careful])
    with attached(both.extract(came("acme", "n=1"))):
        assert sent(both) == "n=1"


def test_what_is_suppressed_is_not_seen(all_three: CompositePropagator) -> None:
    with attached(all_three.extract(came("acme", "n=1"))), suppressed():
        assert read_header(sent(all_three)) is not None
        assert "causal" not in sent(all_three)
        with attached(all_three.extract(came("other"))):
            assert baggage.unpack("tenant") == ()


def test_propagators_without_ours_are_as_they_were(all_three: CompositePropagator) -> None:
    alone = CompositePropagator([W3CBaggagePropagator()])
    arrived = alone.extract({"baggage": "n=1,causal=AAAA;x=1"})
    with attached(arrived):
        assert sent(alone) == "n=1,causal=AAAA%3Bx%3D1"


def answered(propagator: TextMapPropagator, request: dict[str, str], *, packed: int = 2) -> Baggage:
    headers: dict[str, str] = {}
    with attached(propagator.extract(request)):
        baggage.pack("seats", packed)
        baggage.pack(HOME, packed)
        CausalBaggageResponsePropagator().inject(headers)
    return read_header(headers.get("baggage", ""))


def test_an_answer_brings_home_what_was_packed_where_a_response_propagator_is_set() -> None:
    tolls = Tolls()
    ours = made(Boundary(Policy(service="shop"), (tolls,)))
    brought = answered(ours, came("acme", "n=1"))
    assert (brought.origin, brought.unpack("seats")) == ("shop", (2,))
    assert list(brought.home["tolls.paid"].by_digest.values()) == [2]
    assert (brought.foreign, tolls.heard) == ((), [])


def test_an_answer_that_nobody_reads_brings_nothing() -> None:
    tolls = Tolls()
    ours = made(Boundary(Policy(service="shop"), (tolls,)))
    for request in ({}, {"baggage": "n=1"}):
        assert answered(ours, request).empty
    assert tolls.heard == [2, 2]
    headers: dict[str, str] = {}
    CausalBaggageResponsePropagator().inject(headers)
    with baggage.attached(EMPTY.pack("tenant", "acme")):
        CausalBaggageResponsePropagator().inject(headers)
    assert headers == {}


LINES: list[Callable[[str], Any]] = [
    lambda text: text,
    lambda text: [text],
    lambda text: [text, text],
    lambda text: [text.encode()],
    lambda text: None,
]


@given(st.text(max_size=200), st.sampled_from(LINES))
def test_whatever_comes_the_request_is_served(text: str, made_of: Callable[[str], Any]) -> None:
    class Getting(Getter[str]):
        def get(self, carrier: str, key: str) -> Any:
            return made_of(carrier)

        def keys(self, carrier: str) -> list[str]:
            return []

    ours = made()
    for header in (text, f"causal={text}", f"n=1,causal={text},m=2"):
        with attached(ours.extract(header, getter=Getting())):
            baggage.pack("seats", 2)
            received = read_header(sent(ours))
            assert received.unpack("seats") == (2,)
    assert branch() is None


def loaded(**environment: str) -> str:
    """Return what is sent by a process that is told of propagators by its environment."""
    script = """
import baggage
from opentelemetry import propagate
carrier = {}
with baggage.attached(baggage.Baggage().pack("tenant", "acme")):
    propagate.inject(carrier)
print(carrier.get("baggage", ""))
"""
    told = {"OTEL_PROPAGATORS": "tracecontext,baggage,causal_baggage", **environment}
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_it_is_found_by_its_name() -> None:
    assert read_header(loaded(BAGGAGE_METAAPPS="")).unpack("tenant") == ("acme",)


def test_it_is_switched_off_with_everything_else() -> None:
    assert loaded(BAGGAGE_DISABLED="1") == ""
