"""W3C Trace Context: which `traceparent` is read and refused, and what is written.

Each group of rows names a section of https://www.w3.org/TR/trace-context-2/.
"""

from __future__ import annotations

import pytest

from metaapps.tracing.formats import FORMATS, Decision, Extracted, extract
from metaapps.tracing.span import Position
from tests.tracing.formats.rows import ACCEPT, DENY, PARENT, SPAN, TRACE, ZEROS

W3C = FORMATS["w3c"]
IDS = f"{TRACE}-{SPAN}"


def caller(decision: Decision = ACCEPT, state: str = "", *, random: bool = False) -> Extracted:
    sampled = decision is ACCEPT
    return Extracted(Position.of(TRACE, SPAN, sampled=sampled, random=random), decision, state)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        # 3.2.2 version-format; 3.2.2.5 trace-flags: bits, of which those unknown mean nothing
        (f"00-{IDS}-01", caller()),
        (f"00-{IDS}-00", caller(DENY)),
        (f"00-{IDS}-02", caller(DENY, random=True)),
        (f"00-{IDS}-03", caller(random=True)),
        (f"00-{IDS}-04", caller(DENY)),
        (f"00-{IDS}-09", caller()),
        (f"00-{IDS}-fd", caller()),
        (f"00-{IDS}-fe", caller(DENY, random=True)),
        (f"00-{IDS}-ff", caller(random=True)),
        # 3.2.4 versioning: what is known of a higher version is used, whatever follows a dash
        (f"01-{IDS}-01", caller()),
        (f"cc-{IDS}-00", caller(DENY)),
        (f"fe-{IDS}-03", caller(random=True)),
        (f"cc-{IDS}-01-what-the-future-will-be-like", caller()),
        (f"cc-{IDS}-01-", caller()),
        (f"cc-{IDS}-01-é\n", caller()),
        # RFC 9110, 5.5: space around a value is no part of it
        (f" 00-{IDS}-01", caller()),
        (f"\t 00-{IDS}-01 \t", caller()),
    ],
)
def test_a_traceparent_is_read(value: str, said: Extracted) -> None:
    assert W3C.extract({"traceparent": value}) == said
    assert extract({"traceparent": value}) == said


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-",
        "00",
        TRACE,
        IDS,
        # 3.2.2.1 version
        f"ff-{IDS}-01",
        f"ff-{IDS}-01-more",
        f"0-{IDS}-01",
        f"000-{IDS}-01",
        f".0-{IDS}-01",
        f"0.-{IDS}-01",
        f"CC-{IDS}-01",
        f"-{IDS}-01",
        # 3.2.2.2 version 00 ends with its flags
        f"00-{IDS}-01.",
        f"00-{IDS}-01-",
        f"00-{IDS}-01-more",
        f"00-{IDS}-01\n",
        # 3.2.2.3 trace-id
        f"00-{ZEROS}{ZEROS}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-.{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE[:-1]}é-{SPAN}-01",
        f"00-{TRACE[:-1]}１-{SPAN}-01",
        f"00-{TRACE[:16]}-{SPAN}-01",
        # 3.2.2.4 parent-id
        f"00-{TRACE}-{ZEROS}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN[:-1]}.-01",
        # 3.2.2.5 trace-flags
        f"00-{IDS}-.0",
        f"00-{IDS}-0.",
        f"00-{IDS}-1",
        f"00-{IDS}-001",
        f"00-{IDS}-0A",
        f"00-{IDS}-",
        f"00-{IDS}",
        f"00_{IDS}-01",
        # 3.2.4 versioning: the same checks, and only a dash may follow
        f"cc-{IDS}-01.more",
        f"cc-{IDS}-0",
        f"cc-{IDS}-001",
        f"cc-{IDS}-xx",
        f"cc-{ZEROS}{ZEROS}-{SPAN}-01",
        f"cc-{TRACE}-{ZEROS}-01",
        f"cc-{TRACE.upper()}-{SPAN}-01",
        # a header that came twice
        f"00-{IDS}-01,00-{IDS}-01",
        f"00-{IDS}-01, 00-{IDS}-01",
        f"cc-{IDS}-01-more,cc-{IDS}-01-more",
        f",00-{IDS}-01",
        f"00-{IDS}-01,",
    ],
)
def test_what_is_no_traceparent_begins_a_new_trace(value: str) -> None:
    assert W3C.extract({"traceparent": value, "tracestate": "congo=1"}) is None
    assert extract({"traceparent": value, "tracestate": "congo=1"}) is None


def test_a_tracestate_comes_along() -> None:
    headers = {"traceparent": f"00-{IDS}-01", "tracestate": "congo=1,rojo=2"}
    assert extract(headers) == caller(ACCEPT, "congo=1,rojo=2")


def test_a_tracestate_alone_says_nothing() -> None:
    assert extract({"tracestate": "congo=1"}) is None


@pytest.mark.parametrize("state", ["", " ", ",", "Congo=1", "congo", "é=1", "a=1,b=é", "\ud800"])
def test_what_is_no_tracestate_leaves_the_traceparent_alone(state: str) -> None:
    assert extract({"traceparent": f"00-{IDS}-01", "tracestate": state}) == caller()


@pytest.mark.parametrize(
    ("position", "state", "headers"),
    [
        (Position.of(TRACE, SPAN), "", {"traceparent": f"00-{IDS}-01"}),
        (Position.of(TRACE, SPAN, PARENT), "", {"traceparent": f"00-{IDS}-01"}),
        (Position.of(TRACE, SPAN, sampled=False), "", {"traceparent": f"00-{IDS}-00"}),
        (
            Position.of(TRACE, SPAN, sampled=False, random=True),
            "",
            {"traceparent": f"00-{IDS}-02"},
        ),
        (Position.of(TRACE, SPAN, debug=True, random=True), "", {"traceparent": f"00-{IDS}-03"}),
        (Position.of(TRACE, SPAN).sending(), "", {"traceparent": f"00-{IDS}-01"}),
        (
            Position.of(ZEROS + TRACE[16:], SPAN),
            "congo=1",
            {"traceparent": f"00-{ZEROS}{TRACE[16:]}-{SPAN}-01", "tracestate": "congo=1"},
        ),
    ],
)
def test_trace_context_is_written(position: Position, state: str, headers: dict[str, str]) -> None:
    assert W3C.write(position, state) == headers
