"""What services send on of the headers that they are called with, over real sockets.

The rows of Trace Context are those that its own suite at https://github.com/w3c/trace-context asks
a service for, in our words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from baggage.boundary import Call, Kind
from metaapps.tracing.app import Tracing
from metaapps.tracing.formats import FORMATS
from metaapps.tracing.span import Span
from tests.tracing.formats.relay import Headers, Listener, ask, listening, relaying, traced
from tests.tracing.formats.rows import LOW, PARENT, SPAN, TRACE, ZEROS

LIBRARIES: Final = ("flask", "aiohttp")
PARENTS: Final = f"00-{TRACE}-{SPAN}-01"
KEY_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@"
VALUE_CHARACTERS: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")


@dataclass
class World:
    """Relays, who listens to them, and what was decided and reported meanwhile."""

    listener: Listener
    urls: dict[str, str]
    spans: list[Span]
    keep: bool = True
    asked: list[bytes] = field(default_factory=list)

    def sample(self, trace: bytes, call: Call | None) -> bool:
        self.asked.append(trace)
        return self.keep

    def relayed(self, library: str, sent: Headers, times: int = 1) -> list[Headers]:
        """Call a relay; return the headers of each of its calls."""
        self.listener.heard.clear()
        self.asked.clear()
        self.spans.clear()
        ask(self.urls[library], sent, times)
        assert len(self.listener.heard) == times
        return self.listener.heard


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    spans: list[Span] = []
    with listening() as listener, relaying(listener) as urls:
        world = World(listener, urls, spans)
        formats = list(FORMATS.values())
        with traced(Tracing(spans.append, formats=formats, sampler=world.sample)):
            yield world


def value(headers: Headers, name: str) -> str:
    values = [each for key, each in headers if key == name]
    assert len(values) <= 1, "each header goes out once"
    return values[0] if values else ""


def parts(headers: Headers) -> tuple[str, str, str]:
    """Return trace, parent and flags of a `traceparent`, which must be a good one."""
    match = re.fullmatch(
        "00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", value(headers, "traceparent")
    )
    assert match is not None
    trace, span, flags = match.groups()
    assert int(trace, 16)
    assert int(span, 16)
    return trace, span, flags


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("sent", "flags"),
    [
        ([("traceparent", PARENTS)], "01"),
        ([("traceparent", f"00-{TRACE}-{SPAN}-00")], "00"),
        ([("traceparent", f"00-{TRACE}-{SPAN}-02")], "02"),
        ([("traceparent", f"00-{TRACE}-{SPAN}-03")], "03"),
        ([("traceparent", f"00-{TRACE}-{SPAN}-fd")], "01"),
        ([("TraceParent", PARENTS)], "01"),
        ([("TrAcEpArEnT", PARENTS)], "01"),
        ([("TRACEPARENT", PARENTS)], "01"),
        ([("traceparent", f"cc-{TRACE}-{SPAN}-01")], "01"),
        ([("traceparent", f"cc-{TRACE}-{SPAN}-01-what-the-future-brings")], "01"),
        ([("traceparent", f"  {PARENTS}")], "01"),
        ([("traceparent", f"\t{PARENTS}")], "01"),
        ([("traceparent", f"{PARENTS} ")], "01"),
        ([("traceparent", f"{PARENTS}\t")], "01"),
        ([("traceparent", f"\t {PARENTS} \t")], "01"),
    ],
)
def test_a_trace_goes_on(world: World, library: str, sent: Headers, flags: str) -> None:
    (headers,) = world.relayed(library, sent)
    trace, span, seen = parts(headers)
    assert (trace, seen) == (TRACE, flags)
    assert span != SPAN
    assert not world.asked, "who called decided"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "sent",
    [
        [],
        [("trace-parent", PARENTS)],
        [("trace.parent", PARENTS)],
        [("traceparent", PARENTS), ("traceparent", PARENTS)],
        [("traceparent", PARENTS), ("traceparent", f"00-{TRACE[:-1]}5-{SPAN}-01")],
        [("traceparent", "")],
        [("traceparent", f"{PARENTS}.")],
        [("traceparent", f"{PARENTS}-what-the-future-brings")],
        [("traceparent", f"cc-{TRACE}-{SPAN}-01.what-the-future-brings")],
        [("traceparent", f"ff-{TRACE}-{SPAN}-01")],
        [("traceparent", f".0-{TRACE}-{SPAN}-01")],
        [("traceparent", f"0.-{TRACE}-{SPAN}-01")],
        [("traceparent", f"000-{TRACE}-{SPAN}-01")],
        [("traceparent", f"0000-{TRACE}-{SPAN}-01")],
        [("traceparent", f"0-{TRACE}-{SPAN}-01")],
        [("traceparent", f"00-{ZEROS}{ZEROS}-{SPAN}-01")],
        [("traceparent", f"00-.{TRACE[1:]}-{SPAN}-01")],
        [("traceparent", f"00-{TRACE[:-1]}.-{SPAN}-01")],
        [("traceparent", f"00-{TRACE[:-1]}é-{SPAN}-01")],
        [("traceparent", f"00-{TRACE}3-{SPAN}-01")],
        [("traceparent", f"00-{TRACE[1:]}-{SPAN}-01")],
        [("traceparent", f"00-{TRACE}-{ZEROS}-01")],
        [("traceparent", f"00-{TRACE}-.{SPAN[1:]}-01")],
        [("traceparent", f"00-{TRACE}-{SPAN[:-1]}.-01")],
        [("traceparent", f"00-{TRACE}-{SPAN}7-01")],
        [("traceparent", f"00-{TRACE}-{SPAN[1:]}-01")],
        [("traceparent", f"00-{TRACE}-{SPAN}-.0")],
        [("traceparent", f"00-{TRACE}-{SPAN}-0.")],
        [("traceparent", f"00-{TRACE}-{SPAN}-001")],
        [("traceparent", f"00-{TRACE}-{SPAN}-1")],
        [("traceparent", PARENTS.upper())],
    ],
)
def test_a_trace_begins_and_nothing_of_another_is_passed_on(
    world: World, library: str, sent: Headers
) -> None:
    (headers,) = world.relayed(library, [*sent, ("tracestate", "foo=1,bar=2")])
    trace, _, flags = parts(headers)
    assert trace not in {TRACE, TRACE[:-1] + "5", (TRACE + "3")[1:]}
    assert flags == "03", "it is sampled, and its id was drawn at random"
    assert value(headers, "tracestate") == ""
    assert [each.hex() for each in world.asked] == [trace]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("states", "passed"),
    [
        (["foo=1,bar=2"], "foo=1,bar=2"),
        ([""], ""),
        (["foo=1", ""], "foo=1"),
        (["", "foo=1"], "foo=1"),
        (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (["foo=1,foo=1"], "foo=1"),
        (["foo=1,foo=2"], "foo=1"),
        (["foo=1", "foo=2"], "foo=1"),
        ([f"a{KEY_CHARACTERS}={VALUE_CHARACTERS}"], f"a{KEY_CHARACTERS}={VALUE_CHARACTERS}"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
        ([" foo=1"], "foo=1"),
        (["\tfoo=1"], "foo=1"),
        (["foo=1 "], "foo=1"),
        (["foo=1\t"], "foo=1"),
        (["\t foo=1 \t"], "foo=1"),
        (["foo =1"], ""),
        (["FOO=1"], ""),
        (["foo.bar=1"], ""),
        (["foo@=1,bar=2"], "foo@=1,bar=2"),
        (["@foo=1,bar=2"], ""),
        (["foo@@bar=1,bar=2"], "foo@@bar=1,bar=2"),
        (["foo@bar@baz=1,bar=2"], "foo@bar@baz=1,bar=2"),
        (["foo=bar=baz"], ""),
        (["foo=,bar=3"], ""),
        (["foo=é"], ""),
        (["foo=1", "z" * 256 + "=1"], "foo=1," + "z" * 256 + "=1"),
        (["foo=1", "z" * 257 + "=1"], ""),
        (
            ["foo=1", "t" * 241 + "@" + "v" * 14 + "=1"],
            "foo=1," + "t" * 241 + "@" + "v" * 14 + "=1",
        ),
        (
            [
                ",".join(f"k{place}=1" for place in range(start, start + 8))
                for start in (0, 8, 16, 24)
            ],
            ",".join(f"k{place}=1" for place in range(32)),
        ),
        ([",".join(f"k{place}=1" for place in range(33))], ""),
    ],
)
def test_what_other_tracers_say_is_passed_on(
    world: World, library: str, states: list[str], passed: str
) -> None:
    sent = [("traceparent", PARENTS), *(("TraceState", state) for state in states)]
    (headers,) = world.relayed(library, sent)
    assert parts(headers)[0] == TRACE
    assert value(headers, "tracestate") == passed


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["trace-state", "trace.state"])
def test_a_tracestate_by_another_name_is_none(world: World, library: str, name: str) -> None:
    (headers,) = world.relayed(library, [("traceparent", PARENTS), (name, "foo=1")])
    assert value(headers, "tracestate") == ""


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("sent", [PARENTS, "", f"00-{ZEROS}{ZEROS}-{SPAN}-01"])
def test_each_call_of_one_request_has_a_span_of_its_own(
    world: World, library: str, sent: str
) -> None:
    calls = world.relayed(library, [("traceparent", sent)], times=3)
    traces, spans, _ = zip(*map(parts, calls), strict=True)
    assert len(set(traces)) == 1
    assert (traces[0] == TRACE) is (sent == PARENTS)
    assert len(set(spans)) == 3


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("sent", "asks", "decision"),
    [
        # B3's five states, and what each format makes of them
        ([], True, "?"),
        ([("b3", f"{TRACE}-{SPAN}")], True, "?"),
        ([("b3", f"{TRACE}-{SPAN}-{PARENT}")], True, "?"),
        ([("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN)], True, "?"),
        ([("b3", f"{TRACE}-{SPAN}-0")], False, "0"),
        ([("b3", "0")], False, "0"),
        ([("X-B3-Sampled", "0")], False, "0"),
        ([("X-B3-Sampled", "false")], False, "0"),
        ([("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN), ("X-B3-Sampled", "0")], False, "0"),
        ([("b3", f"{TRACE}-{SPAN}-1")], False, "1"),
        ([("b3", "1")], False, "1"),
        ([("X-B3-Sampled", "1")], False, "1"),
        ([("B3", f"{TRACE}-{SPAN}-d")], False, "d"),
        ([("b3", "d")], False, "d"),
        ([("X-B3-Flags", "1")], False, "d"),
        ([("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN), ("X-B3-Flags", "1")], False, "d"),
        # what is no B3 falls to Trace Context
        ([("b3", "nonsense"), ("traceparent", f"00-{TRACE}-{SPAN}-00")], False, "0"),
        ([("b3", f"{TRACE}-{SPAN}-1"), ("traceparent", f"00-{LOW * 2}-{SPAN}-00")], False, "1"),
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_a_decision_is_made_once(
    world: World, library: str, sent: Headers, asks: bool, decision: str, keep: bool
) -> None:
    world.keep = keep
    try:
        calls = world.relayed(library, sent, times=2)
    finally:
        world.keep = True
    assert len(world.asked) == asks, "a sampler is asked where nobody has decided, and once"
    expected = str(int(keep)) if decision == "?" else decision
    trace = TRACE if any(TRACE in each for _, each in sent) else parts(calls[0])[0]
    for headers in calls:
        came, _, flags = parts(headers)
        assert came == trace
        assert bool(int(flags, 16) & 1) is (expected != "0")
        assert value(headers, "b3").split("-")[2] == expected
        assert value(headers, "x-b3-flags") == ("1" if expected == "d" else "")
        assert value(headers, "x-b3-sampled") == ("" if expected == "d" else expected)
    assert {span.position.debug for span in world.spans} <= {expected == "d"}
    assert bool(world.spans) is (expected != "0")
    for asked in world.asked:
        assert asked.hex() == trace


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_server_shares_the_id_that_b3_brought_and_no_other(world: World, library: str) -> None:
    world.relayed(library, [("b3", f"{TRACE}-{SPAN}-1-{PARENT}")])
    (server,) = (span for span in world.spans if span.position.span_id == SPAN)
    assert server.shared
    assert server.position.parent_id == PARENT
    world.relayed(library, [("traceparent", PARENTS)])
    (server,) = (span for span in world.spans if span.position.parent_id == SPAN)
    assert not server.shared


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("kept", "state"),
    [
        # with all headers; without our own; with our own alone
        (("baggage", "b3", "x-b3-", "traceparent", "tracestate"), "foo=1"),
        (("b3", "x-b3-"), ""),
        (("traceparent", "tracestate"), "foo=1"),
        (("baggage",), "foo=1"),
    ],
)
def test_a_service_of_ours_goes_on_whatever_headers_are_left(
    world: World, library: str, kept: tuple[str, ...], state: str
) -> None:
    other = LIBRARIES[1 - LIBRARIES.index(library)]
    sent = [("traceparent", PARENTS), ("tracestate", "foo=1")]
    (onward,) = world.relayed(other, sent)
    _, caller, _ = parts(onward)
    left = [(name, text) for name, text in onward if name.startswith(kept)]
    (headers,) = world.relayed(library, left)
    trace, _, flags = parts(headers)
    assert (trace, flags) == (TRACE, "01")
    assert value(headers, "tracestate") == state
    (server,) = (span for span in world.spans if span.kind is Kind.SERVER)
    if "b3" not in kept:  # baggage alone may have passed through a service that doesn't trace
        assert (server.position.parent_id, server.shared) == (caller, False)
    else:
        assert (server.position.span_id, server.shared) == (caller, True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_who_passed_our_baggage_on_and_traces_by_itself_is_the_caller(
    world: World, library: str
) -> None:
    (onward,) = world.relayed(library, [("traceparent", f"00-{LOW * 2}-{SPAN}-01")])
    baggage = value(onward, "baggage")
    world.relayed(library, [("baggage", baggage), ("b3", f"{TRACE}-{SPAN}-1")])
    (server,) = (span for span in world.spans if span.kind is Kind.SERVER)
    assert (server.position.trace_id, server.position.span_id) == (TRACE, SPAN)
    (headers,) = world.relayed(library, [("baggage", baggage), ("b3", f"{TRACE}-{SPAN}-0")])
    assert value(headers, "b3") == f"{TRACE}-{SPAN}-0"
    assert world.spans == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_nothing_of_a_request_is_left_for_the_next(world: World, library: str) -> None:
    sent = [("traceparent", f"00-{TRACE}-{SPAN}-00"), ("tracestate", "foo=1")]
    for _ in range(3):
        world.relayed(library, sent)
        (headers,) = world.relayed(library, [])
        trace, _, flags = parts(headers)
        assert trace != TRACE
        assert flags == "03"
        assert value(headers, "tracestate") == ""
