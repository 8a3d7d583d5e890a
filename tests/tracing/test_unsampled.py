"""What a trace that nobody keeps costs: nothing is found out, timed or kept of its crossings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from baggage.boundary import Boundary, Call, Endpoint, Facts, Kind, Policy, write_header
from baggage.context import attached
from baggage.testing import Parcel, ParcelAdapter
from baggage.values import EMPTY
from metaapps.tracing.app import Tracing
from metaapps.tracing.formats import FORMATS
from metaapps.tracing.sampling import ALWAYS, NEVER, Sampler, by_request
from metaapps.tracing.span import SPAN, Position, Span
from tests.tracing.formats.rows import SPAN as CALLER
from tests.tracing.formats.rows import TRACE

DENIED: Final = {"b3": f"{TRACE}-{CALLER}-0"}


@dataclass
class Asked:
    """Notes what is asked of calls, answers and clocks."""

    of_calls: list[str] = field(default_factory=list)
    of_answers: list[str] = field(default_factory=list)
    times: int = 0
    spans: list[Span] = field(default_factory=list)

    def now(self) -> int:
        self.times += 1
        return self.times

    def teller(self, name: str, answer: Any) -> Callable[[Parcel], Any]:
        def tell(parcel: Parcel) -> Any:
            self.of_calls.append(name)
            return parcel.headers if name == "arrived" else answer

        return tell

    def tellers(self) -> Mapping[str, Callable[[Parcel], Any]]:
        answers = {
            "method": "get",
            "arguments": {},
            "endpoint": Endpoint("callee", 80),
            "timeout": 1.0,
            "payload": b"digest",
            "arrived": None,
            "local": Endpoint("here", 80),
        }
        return {name: self.teller(name, answer) for name, answer in answers.items()}


@dataclass(frozen=True)
class AskedFacts:
    """Facts of an answer that note which of them are asked for."""

    asked: Asked

    def _tell(self, name: str) -> None:
        self.asked.of_answers.append(name)

    @property
    def status(self) -> int:
        self._tell("status")
        return 200

    @property
    def ok(self) -> bool:
        self._tell("ok")
        return True

    def digest(self) -> None:
        self._tell("digest")

    def size(self) -> None:
        self._tell("size")


@dataclass(frozen=True, slots=True)
class Telling(ParcelAdapter):
    """An adapter whose calls and answers are found out as they are asked for."""

    asked: Asked = field(default_factory=Asked)

    def describe(self, request: Parcel) -> Call:
        return Call.told(self.kind, self.library, "SEND parcel", request, self.asked.tellers())

    def facts(self, response: Parcel) -> Facts:
        return AskedFacts(self.asked)


def boundary(asked: Asked, sampler: Sampler) -> Boundary:
    tracing = Tracing(
        asked.spans.append,
        sampler=sampler,
        formats=list(FORMATS.values()),
        now=asked.now,
        ticks=asked.now,
    )
    return Boundary(Policy(service="here", strict=True), (tracing,))


def called(asked: Asked, sampler: Sampler, headers: dict[str, str]) -> list[dict[str, str]]:
    """Let a request arrive that calls onward twice; return the headers of those calls."""
    waist = boundary(asked, sampler)
    sent = [Parcel(), Parcel()]

    def handle() -> Parcel:
        for parcel in sent:
            waist.call(Telling(asked=asked), parcel, Parcel)
        return Parcel()

    waist.serve(Telling(Kind.SERVER, asked=asked), Parcel(headers), handle)
    return [parcel.headers for parcel in sent]


@pytest.fixture
def asked() -> Iterator[Asked]:
    with attached(EMPTY):
        yield Asked()


@pytest.mark.parametrize(
    ("sampler", "headers"),
    [
        (NEVER, {}),
        (NEVER, {"b3": f"{TRACE}-{CALLER}"}),
        (ALWAYS, DENIED),
        (ALWAYS, {"b3": "0"}),
        (ALWAYS, {"x-b3-sampled": "0"}),
        (ALWAYS, {"traceparent": f"00-{TRACE}-{CALLER}-00"}),
    ],
)
def test_nothing_is_asked_of_what_is_not_kept(
    asked: Asked, sampler: Sampler, headers: dict[str, str]
) -> None:
    onward = called(asked, sampler, headers)
    assert set(asked.of_calls) <= {"arrived"}
    assert asked.of_answers == []
    assert asked.times == 0
    assert asked.spans == []
    assert [each["b3"].split("-")[2] for each in onward] == ["0", "0"], "callees are told"


def test_what_is_kept_is_asked_for(asked: Asked) -> None:
    called(asked, ALWAYS, {})
    assert {"endpoint", "local"} <= set(asked.of_calls)
    assert "status" in asked.of_answers
    assert asked.times
    assert len(asked.spans) == 3


def test_nobody_asks_for_payloads(asked: Asked) -> None:
    called(asked, ALWAYS, {})
    assert not {"payload", "arguments", "timeout"} & set(asked.of_calls)
    assert "digest" not in asked.of_answers


def test_a_sampler_is_all_that_asks_about_a_call_it_denies(asked: Asked) -> None:
    called(asked, by_request(lambda call: call.method != "get", ALWAYS), {})
    assert set(asked.of_calls) == {"arrived", "method"}
    assert asked.of_calls.count("method") == 1, "of the request that began the trace alone"


def test_what_is_not_kept_needs_no_ids_of_its_own(asked: Asked) -> None:
    onward = called(asked, ALWAYS, DENIED)
    assert {each["b3"] for each in onward} == {DENIED["b3"]}
    denied = Position.of(TRACE, CALLER, sampled=False)
    ours = write_header(EMPTY.with_down({SPAN: denied.raw}))
    onward = called(asked, ALWAYS, {"baggage": ours})
    assert {each["b3"] for each in onward} == {DENIED["b3"]}


def test_calls_outside_of_any_trace_are_as_cheap(asked: Asked) -> None:
    waist = boundary(asked, NEVER)
    parcel = Parcel()
    waist.call(Telling(asked=asked), parcel, Parcel)
    assert parcel.headers["b3"].split("-")[2] == "0"
    assert asked == Asked()


def test_a_span_of_the_application_says_nothing_in_a_trace_that_is_not_kept(asked: Asked) -> None:
    tracing = Tracing(asked.spans.append, now=asked.now, ticks=asked.now)
    denied = Position.of(TRACE, CALLER, sampled=False)
    with attached(EMPTY.with_down({SPAN: denied.raw})):
        span = tracing.tracer.start("work")
        span.tag("size", 1).annotate("begun").finish()
    assert not span.recording
    assert span.trace_id == TRACE
    assert asked == Asked()
