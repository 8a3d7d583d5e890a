"""What tracing reads of strangers, and what has to hold whatever the bytes.

Belongs here: one function for each, as in `decoders`.
"""

from __future__ import annotations

import json
from typing import Final

from baggage.boundary import Kind
from baggage.context import Branch
from baggage.values import EMPTY
from metaapps.tracing.collector import json_v2, proto3
from metaapps.tracing.collector.zipkin_span import Refused, ZipkinSpan
from metaapps.tracing.dots import DONE
from metaapps.tracing.errors import SpanError
from metaapps.tracing.export import lines, zipkin, zipkin_proto
from metaapps.tracing.formats import FORMATS, extract, headers, tracestate
from metaapps.tracing.frontier import KNOWN, arrived, began, ended, forget
from metaapps.tracing.span import Position
from tests.tracing.formats.rows import NAMES

_HERE: Final = Position.root(bytes(range(16)), bytes(range(8)))


def position(blob: bytes) -> None:
    """Read where the caller stands, and stand below it."""
    read = Position.decode(blob)
    if read is None:
        return
    assert read.raw == blob
    for other in (read.child(bytes(range(8))), read.sending(), read.standing()):
        assert Position.decode(other.raw) == other
        assert other.trace_id == read.trace_id


def trace_headers(blob: bytes) -> None:
    """Read what other tracers tell, a header in each line, and tell it in every format."""
    values = blob.decode("latin-1").split("\n")
    found = extract({name: value for name, value in zip(NAMES, values, strict=False) if value})
    if found is None or found.position is None:
        return
    read = found.position
    assert Position.decode(read.raw) == read
    assert len(found.state) <= tracestate.LENGTH
    assert tracestate.read(found.state) == found.state
    for name, each in FORMATS.items():
        written = headers(read, [each], found.state)
        assert all(value.isascii() and value.isprintable() for value in written.values())
        again = extract(written)
        assert again is not None
        assert again.position is not None
        assert again.position.trace_id == read.trace_id
        assert again.position.span_id == read.span_id
        assert again.state == (found.state if name == "w3c" else "")


def frontier(blob: bytes) -> None:
    """Begin and end a span behind whatever ended, as a message tells."""
    carried = EMPTY.pack(KNOWN, blob)
    for size in (24, 25, 5):
        other = EMPTY
        for at in range(0, min(len(blob), 240), size):
            other = other.join(EMPTY.pack(DONE, blob[at : at + size]))
        carried = carried.join(other)
    running = Branch(carried)
    before = running.baggage.history.known
    sender = Position.decode(blob[:33]) or Position.decode(blob[:25]) or _HERE
    below = sender.child(bytes(range(1, 9)))
    for waited in (arrived(below, running, sender, shared=False), began(sender, running)):
        ended(waited, running)
        json.dumps(dict(waited.tags()))
        assert all(value.isprintable() for value in waited.tags().values())
    forget(running, before)
    assert running.baggage.siblings(DONE) == carried.siblings(DONE)


def collected(blob: bytes) -> None:
    """Take what is posted to the collector, of either encoding."""
    for read in (json_v2.decode, proto3.decode):
        refused, found = "", []
        try:
            found = read(blob) if blob else []
        except Refused as refusal:
            refused = str(refusal)
        assert refused.isprintable()
        assert len(refused) <= 1000
        for span in found:
            _kept(span)


def _kept(span: ZipkinSpan) -> None:
    """Write a span as it is shown, and read it again: but for ids, it is the same."""
    written = json_v2.encode(span)
    assert isinstance(json.loads(written), dict)
    if span.id.strip("0"):  # as a real server does, it takes some zeros, and refuses 16
        (again,) = json_v2.decode(b"[" + written + b"]")
        assert again._replace(trace_id=span.trace_id) == span


def spans(blob: bytes) -> None:
    """Read files and answers with spans, and write what is in them."""
    for read in (zipkin_proto.decode_list, zipkin.decode_array, lines.decode_lines):
        try:
            found = read(blob)
        except SpanError:
            continue
        for each in found:
            assert each.kind is None or isinstance(each.kind, Kind)
            (normal,) = zipkin.decode_array(b"[" + zipkin.encode(each) + b"]")
            assert zipkin.decode_array(b"[" + zipkin.encode(normal) + b"]") == (normal,)
            proto = zipkin_proto.decode(zipkin_proto.encode(each))
            assert zipkin_proto.decode(zipkin_proto.encode(proto)) == proto
