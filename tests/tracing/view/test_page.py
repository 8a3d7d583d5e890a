"""What is in the page, before any browser."""

from __future__ import annotations

import json
import re
from html import escape
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Kind
from metaapps.tracing.span import Annotation, Peer, Position, Span
from metaapps.tracing.view import page
from metaapps.tracing.view.content import content
from tests.tracing.view import samples
from tests.tracing.view.samples import BEGIN, Sample

TEXT = st.text(st.characters() | st.sampled_from("<>&\"'/\u2028\u2029\ud800"), max_size=20)
TIME = st.integers(-5, 5) | st.integers(BEGIN, BEGIN + 1000) | st.integers(-(10**30), 10**30)
ID = st.binary(min_size=8, max_size=8).filter(any) | st.sampled_from([b"-------1", b"-------2"])
PEER = st.builds(Peer, TEXT, TEXT, st.integers(0, 65535))
REFERENCES = ID.map(bytes.hex) | TEXT


@st.composite
def strange_spans(draw: st.DrawFn) -> Span:
    position = Position.root(draw(st.sampled_from([b"t" * 16, b"u" * 16])), draw(ID))
    if draw(st.booleans()):
        position = position.below(draw(ID))
    return Span(
        position=position,
        kind=draw(st.sampled_from([None, Kind.CLIENT, Kind.SERVER, Kind.CONSUMER])),
        name=draw(TEXT),
        timestamp=draw(TIME),
        duration=draw(TIME),
        local=draw(PEER),
        remote=draw(PEER),
        tags=draw(
            st.dictionaries(TEXT, TEXT, max_size=3)
            | st.fixed_dictionaries({"causal.after": REFERENCES, "causal.joined": REFERENCES})
        ),
        annotations=tuple(draw(st.lists(st.builds(Annotation, TIME, TEXT), max_size=2))),
        error=draw(st.none() | TEXT),
        shared=draw(st.booleans()),
    )


def embedded(text: str) -> Any:
    (found,) = re.findall(
        r'<script type="application/json" id="content">(.*?)</script>', text, re.DOTALL
    )
    return json.loads(found)


@given(st.lists(strange_spans(), max_size=6), TEXT)
def test_whatever_spans_say_the_page_keeps_its_shape(spans: list[Span], title: str) -> None:
    text = page(spans, title=title)
    empty = page([], title="")
    text.encode()
    assert [text.count(tag) for tag in ("<script", "</script", "<style", "<img", "\u2028")] == [
        empty.count(tag) for tag in ("<script", "</script", "<style", "<img", "\u2028")
    ]
    traces = embedded(text)["traces"]
    assert sum(len(trace["rows"]) for trace in traces) == len(spans)
    for trace in traces:
        assert trace["duration"] >= 0
        for row in trace["rows"]:
            assert all(isinstance(row[name], int) for name in ("begin", "depth", "service"))


def test_text_survives_as_it_is() -> None:
    (trace,) = embedded(page(samples.hostile(), title="<b>"))["traces"]
    (row,) = trace["rows"]
    assert row["error"] == row["notes"][0][1] == samples.EVIL
    assert [samples.EVIL, samples.EVIL] in row["tags"]
    assert f"<title>{escape('<b>')}</title>" in page([], title="<b>")


def test_nothing_is_asked_of_the_network() -> None:
    text = page(samples.checkout())
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.findall(r"""(?:src|href)=(?!"data:,")|@import|url\(""", text)


def rows(spans: list[Span]) -> list[dict[str, Any]]:
    (trace,) = embedded(page(spans))["traces"]
    found: list[dict[str, Any]] = trace["rows"]
    return found


def test_a_callee_whose_clock_is_off_is_put_into_its_call() -> None:
    sample = Sample()
    root = sample.span(0, Kind.SERVER, "shop", "GET /", 0, 100)
    call = sample.call(root, "shop", "users", "GET /7", 20, 80, skew=-7_000_000)
    sample.span(call, None, "users", "look up", 40, 60, skew=-7_000_000)
    found = rows(sample.spans)
    assert [(row["begin"], row.get("shift", 0)) for row in found] == [
        (0, 0),
        (20, 0),
        (25, 7_000_000),
        (40, 7_000_000),
    ]


def test_a_callee_that_fits_stays_where_it_is() -> None:
    sample = Sample()
    root = sample.span(0, Kind.SERVER, "shop", "GET /", 0, 100)
    sample.span(root, Kind.PRODUCER, "shop", "send", 10, 11)
    sample.span(2, Kind.CONSUMER, "mail", "send", 500, 600)
    assert [row["begin"] for row in rows(sample.spans)] == [0, 10, 500]
    assert not any("shift" in row for row in rows(sample.spans))


def test_a_span_that_knows_no_time_begins_with_its_caller() -> None:
    sample = Sample()
    root = sample.span(0, Kind.SERVER, "shop", "GET /", 10, 100)
    sample.span(root, Kind.CLIENT, "shop", "GET /7", 20, 30)
    sample.spans[1] = sample.spans[1]._replace(timestamp=0, duration=0)
    assert [(row["begin"], row.get("timeless")) for row in rows(sample.spans)] == [
        (0, None),
        (0, True),
    ]


def test_causes_lead_from_row_to_row() -> None:
    (trace,) = embedded(page(samples.quorum()))["traces"]
    names = [f"{row['service']} {row['name']}" for row in trace["rows"]]
    fifth = names.index("0 PUT /record/42")
    straggler = 5
    waited = [edge[0] for edge in trace["edges"] if edge[1] == fifth]
    assert waited == [1, 3, 7]
    assert straggler not in waited
    assert [straggler, names.index("0 merge versions"), "after", False] in trace["edges"]


def test_the_critical_path_has_no_gaps() -> None:
    for spans in (samples.checkout(), samples.proxy(), samples.quorum(), samples.large(300)):
        (trace,) = embedded(page(spans))["traces"]
        path = trace["critical"]
        assert len({row for row, _, _ in path}) > 1
        assert path[0][1] == 0
        assert all(left[2] == right[1] for left, right in pairwise(path))
        assert path[-1][2] == trace["rows"][0]["duration"]


def test_the_same_spans_make_the_same_page() -> None:
    assert page(samples.checkout()) == page(samples.checkout())
    assert content([]) == {"services": [], "traces": []}
