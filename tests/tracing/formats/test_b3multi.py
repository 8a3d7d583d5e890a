"""B3 in several headers: what is read, what is refused, what is written.

Each row names its source: "spec" is the README of openzipkin/b3-propagation, "Brave" is what
B3Propagation does where the specification is silent.
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

MULTI = FORMATS["b3multi"]
NARROW = ZEROS + LOW
NAMES = {
    "t": "x-b3-traceid",
    "s": "x-b3-spanid",
    "p": "x-b3-parentspanid",
    "sampled": "x-b3-sampled",
    "flags": "x-b3-flags",
}
IDS = {"t": TRACE, "s": SPAN}


def shown(headers: dict[str, str]) -> dict[str, str]:
    return {NAMES[name]: value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        # spec, "Multiple Headers"
        (IDS | {"sampled": "1"}, caller(ACCEPT)),
        (IDS | {"sampled": "0"}, caller(DENY)),
        (IDS, caller(DEFER)),
        (IDS | {"p": PARENT, "sampled": "1"}, caller(ACCEPT, PARENT)),
        (IDS | {"p": PARENT}, caller(DEFER, PARENT)),
        (IDS | {"t": LOW, "sampled": "1"}, caller(ACCEPT, trace=NARROW)),
        (IDS | {"t": ZEROS + LOW}, caller(DEFER, trace=NARROW)),
        (IDS | {"t": LOW + ZEROS}, caller(DEFER, trace=LOW + ZEROS)),
        # spec, "Debug Flag": it implies that the trace is sampled; other values are ignored
        (IDS | {"flags": "1"}, caller(DEBUG)),
        (IDS | {"p": PARENT, "flags": "1"}, caller(DEBUG, PARENT)),
        (IDS | {"flags": "1", "sampled": "1"}, caller(DEBUG)),
        (IDS | {"flags": "1", "sampled": "0"}, caller(DEBUG)),
        (IDS | {"flags": "0"}, caller(DEFER)),
        (IDS | {"flags": "5", "sampled": "0"}, caller(DENY)),
        (IDS | {"flags": "-", "sampled": "1"}, caller(ACCEPT)),
        (IDS | {"flags": "", "sampled": "1"}, caller(ACCEPT)),
        # spec, "Sampling State": words of older tracers; Brave: in any case
        (IDS | {"sampled": "true"}, caller(ACCEPT)),
        (IDS | {"sampled": "TRUE"}, caller(ACCEPT)),
        (IDS | {"sampled": "False"}, caller(DENY)),
        # spec, "Sampling State": alone
        ({"sampled": "1"}, lone(ACCEPT)),
        ({"sampled": "0"}, lone(DENY)),
        ({"sampled": "true"}, lone(ACCEPT)),
        ({"sampled": "false"}, lone(DENY)),
        ({"flags": "1"}, lone(DEBUG)),
        ({"flags": "1", "sampled": "0"}, lone(DEBUG)),
        # Brave: without a trace, other ids count for nothing
        ({"s": SPAN, "sampled": "0"}, lone(DENY)),
        # spec, "Multiple Headers": the first wins
        ({"t": f"{TRACE},{LOW}", "s": f"{SPAN},-", "sampled": "0,1"}, caller(DENY)),
        (IDS | {"p": f"{PARENT}, {SPAN}", "flags": "1,0"}, caller(DEBUG, PARENT)),
        # RFC 9110, 5.5: space around a value is no part of it
        ({"t": f" {TRACE}", "s": f"{SPAN}\t", "sampled": " 1 "}, caller(ACCEPT)),
    ],
)
def test_what_is_b3_is_read(headers: dict[str, str], said: Extracted) -> None:
    assert MULTI.extract(shown(headers)) == said
    assert extract(shown(headers)) == said


@pytest.mark.parametrize(
    "headers",
    [
        # spec, "TraceId" and "SpanId": one needs the other
        {"t": TRACE},
        {"t": TRACE, "sampled": "1"},
        {"t": TRACE, "flags": "1"},
        {"s": SPAN},
        {"p": PARENT},
        {"s": SPAN, "p": PARENT},
        {"flags": "0"},
        # spec: digits in lower case, so many of them, not all zeros
        IDS | {"t": TRACE.upper()},
        IDS | {"t": TRACE[1:]},
        IDS | {"t": TRACE + "0"},
        IDS | {"t": LOW[1:]},
        IDS | {"t": ""},
        IDS | {"t": "-"},
        IDS | {"t": TRACE[:-1] + "g"},
        IDS | {"t": TRACE[:-1] + "é"},
        IDS | {"t": TRACE[:-1] + "１"},
        IDS | {"t": f"{TRACE}\n"},
        IDS | {"t": ZEROS},
        IDS | {"t": ZEROS + ZEROS},
        IDS | {"s": ZEROS},
        IDS | {"s": SPAN.upper()},
        IDS | {"s": SPAN[1:]},
        IDS | {"s": SPAN + "0"},
        IDS | {"s": ""},
        IDS | {"s": "-"},
        # spec, the note on what is absent: empty or nonsense isn't
        IDS | {"p": ""},
        IDS | {"p": "-"},
        IDS | {"p": ZEROS},
        IDS | {"p": PARENT[1:]},
        IDS | {"p": PARENT + "0"},
        IDS | {"p": "A" * 16},
        IDS | {"p": "null", "flags": "1"},
        IDS | {"sampled": ""},
        IDS | {"sampled": "-"},
        IDS | {"sampled": "d"},
        IDS | {"sampled": "2"},
        IDS | {"sampled": "yes"},
        IDS | {"sampled": "01"},
        IDS | {"sampled": "１"},
        IDS | {"sampled": ",1"},
        # Brave: a decision that can't be read spoils all, since it may have been to deny
        IDS | {"sampled": "x", "flags": "1"},
        {"sampled": "x"},
        {"sampled": ""},
    ],
)
def test_what_is_no_b3_is_as_if_it_were_not_there(headers: dict[str, str]) -> None:
    assert MULTI.extract(shown(headers)) is None
    assert extract(shown(headers)) is None


@pytest.mark.parametrize(
    ("position", "headers"),
    [
        (Position.of(TRACE, SPAN), IDS | {"sampled": "1"}),
        (Position.of(TRACE, SPAN, PARENT), IDS | {"p": PARENT, "sampled": "1"}),
        (Position.of(TRACE, SPAN, sampled=False), IDS | {"sampled": "0"}),
        # spec, "Debug Flag": don't also send that it is sampled
        (Position.of(TRACE, SPAN, PARENT, debug=True), IDS | {"p": PARENT, "flags": "1"}),
        (Position.of(TRACE, SPAN, random=True).sending(), IDS | {"sampled": "1"}),
        # as Brave: an id of 16 digits stays one
        (Position.of(NARROW, SPAN), {"t": LOW, "s": SPAN, "sampled": "1"}),
    ],
)
def test_b3_is_written(position: Position, headers: dict[str, str]) -> None:
    assert MULTI.write(position, "congo=1") == shown(headers)
