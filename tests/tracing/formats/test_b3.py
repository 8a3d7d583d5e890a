"""B3 in one header: what is read, what is refused, what is written.

Each row names its source: "spec" is the README of openzipkin/b3-propagation, "Brave" is what
B3SingleFormat does where the specification is silent.
"""

from __future__ import annotations

import pytest

from metaapps.tracing.formats import FORMATS, Extracted, extract
from metaapps.tracing.span import Position
from tests.tracing.formats.rows import (
    ACCEPT,
    DEBUG,
    DEFER,
    DENY,
    LOW,
    PARENT,
    SPAN,
    TRACE,
    ZEROS,
    caller,
    lone,
)

B3 = FORMATS["b3"]
IDS = f"{TRACE}-{SPAN}"
NARROW = ZEROS + LOW


@pytest.mark.parametrize(
    ("value", "said"),
    [
        # spec, "Single Header"
        (f"{IDS}-1-{PARENT}", caller(ACCEPT, PARENT)),
        (f"{IDS}-1", caller(ACCEPT)),
        (f"{IDS}-0", caller(DENY)),
        (f"{IDS}-d", caller(DEBUG)),
        (f"{IDS}-0-{PARENT}", caller(DENY, PARENT)),
        (f"{IDS}-d-{PARENT}", caller(DEBUG, PARENT)),
        # spec, "Sampling State": to defer is to say nothing of it
        (IDS, caller(DEFER)),
        (f"{IDS}-{PARENT}", caller(DEFER, PARENT)),
        # spec, "TraceId": 16 digits will do
        (f"{LOW}-{SPAN}-1", caller(ACCEPT, trace=NARROW)),
        (f"{LOW}-{SPAN}", caller(DEFER, trace=NARROW)),
        (f"{ZEROS}{LOW}-{SPAN}-1", caller(ACCEPT, trace=NARROW)),
        (f"{LOW}{ZEROS}-{SPAN}-1", caller(ACCEPT, trace=LOW + ZEROS)),
        # spec, "Sampling State": alone
        ("0", lone(DENY)),
        ("1", lone(ACCEPT)),
        ("d", lone(DEBUG)),
        # Brave: a parent of zeros is none
        (f"{IDS}-1-{ZEROS}", caller(ACCEPT)),
        # RFC 9110, 5.5: space around a value is no part of it
        (f" {IDS}-1\t", caller(ACCEPT)),
        # spec, "Multiple Headers": the first wins
        (f"{IDS}-1,{LOW}-{SPAN}-0", caller(ACCEPT)),
        ("0,1", lone(DENY)),
    ],
)
def test_what_is_b3_is_read(value: str, said: Extracted) -> None:
    assert B3.extract({"b3": value}) == said
    assert extract({"b3": value}) == said


@pytest.mark.parametrize(
    "value",
    [
        # spec, "Single Header": neither ids nor a decision
        "",
        " ",
        "-",
        ",",
        "D",
        "2",
        "true",
        "debug",
        "not-a-tumor",
        "b970dafd-0d95-40aa-95d8-1d8725aebe40",
        TRACE,
        f"{TRACE}-",
        f"{TRACE}-1",
        # spec, "TraceId" and "SpanId": digits in lower case, so many of them, not all zeros
        f"{TRACE.upper()}-{SPAN}-1",
        f"{TRACE}-{SPAN.upper()}-1",
        f"{TRACE[1:]}-{SPAN}-1",
        f"{TRACE}0-{SPAN}-1",
        f"{LOW[1:]}-{SPAN}-1",
        f"{TRACE[:24]}-{SPAN}-1",
        f"{TRACE}-{SPAN[1:]}-1",
        f"{TRACE}-{SPAN}0-1",
        f"{TRACE[:-1]}g-{SPAN}-1",
        f"{TRACE[:-1]} -{SPAN}-1",
        f"{TRACE}-{SPAN[:-1]}💩-1",
        f"{TRACE[:-1]}１-{SPAN}-1",
        f"{ZEROS}-{SPAN}-1",
        f"{ZEROS}{ZEROS}-{SPAN}-1",
        f"{TRACE}-{ZEROS}-1",
        f"1-{SPAN}",
        f"-{TRACE[1:]}-{SPAN}",
        f"{TRACE}--{PARENT}",
        f"{TRACE}--",
        # spec, "Sampling State" and "ParentSpanId"; Brave: what is there must be whole
        f"{IDS}-",
        f"{IDS}--{PARENT}",
        f"{IDS}-f",
        f"{IDS}-D",
        f"{IDS}-2",
        f"{IDS}-11",
        f"{IDS}-true",
        f"{IDS}-1-",
        f"{IDS}-1--",
        f"{IDS}-1-{PARENT[1:]}",
        f"{IDS}-1-{PARENT}0",
        f"{IDS}-1-{'A' * 16}",
        f"{IDS}-{PARENT}-1",
        f"{IDS}-1-{PARENT}-",
        f"{IDS}-1-{PARENT}-{PARENT}",
        f"{IDS}-1\n",
        f"{IDS}-1-{PARENT}\n",
        f"{IDS}-1\x00",
        # the first of several counts, whatever follows
        f"x,{IDS}-1",
        f",{IDS}-1",
    ],
)
def test_what_is_no_b3_is_as_if_it_were_not_there(value: str) -> None:
    assert B3.extract({"b3": value}) is None
    assert extract({"b3": value}) is None


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (Position.of(TRACE, SPAN), f"{IDS}-1"),
        (Position.of(TRACE, SPAN, PARENT), f"{IDS}-1-{PARENT}"),
        (Position.of(TRACE, SPAN, sampled=False), f"{IDS}-0"),
        (Position.of(TRACE, SPAN, PARENT, debug=True), f"{IDS}-d-{PARENT}"),
        (Position.of(TRACE, SPAN, random=True), f"{IDS}-1"),
        (Position.of(TRACE, SPAN).sending(), f"{IDS}-1"),
        # as Brave: an id of 16 digits stays one
        (Position.of(NARROW, SPAN), f"{LOW}-{SPAN}-1"),
        (Position.of(LOW + ZEROS, SPAN), f"{LOW}{ZEROS}-{SPAN}-1"),
    ],
)
def test_b3_is_written(position: Position, value: str) -> None:
    assert B3.write(position, "congo=1") == {"b3": value}
