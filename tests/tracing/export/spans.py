"""Spans of every shape, for the tests of what writes them."""

from __future__ import annotations

from hypothesis import strategies as st

from baggage.boundary import Kind
from metaapps.tracing.span import Annotation, Peer, Position, Span
from tests.tracing.test_span import positions

POSITION = Position.root(bytes(range(16)), b"abcdefgh").child(b"ijklmnop")

# Among all characters, those that somebody escapes, joins or drops are rare.
trouble = st.sampled_from('"\\/\x00\t\x1f\x7f\x85\u2028\u2029\ud83d\ude00\ufeff\uffffİΣß😀yA')
texts = st.text(st.characters() | trouble, max_size=12)
# What is lower-cased is of letters whose case every version of Unicode knows, Java's and Python's.
names = st.text(st.characters(max_codepoint=0x1C7F) | trouble, max_size=12)
_groups = st.sampled_from((0, 0, 0, 1, 0xFFFF)) | st.integers(0, 0xFFFF)
hosts = st.one_of(
    names,
    st.ip_addresses().map(str),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    st.ip_addresses(v=4).map(lambda address: f"::{address}"),
    st.lists(_groups, min_size=8, max_size=8).map(
        lambda groups: ":".join(f"{group:04X}" for group in groups)
    ),
)
peers = st.builds(Peer, names, hosts, st.integers(-1, 70_000))
times = st.integers(-5, 1 << 53) | st.integers(-(1 << 70), 1 << 70)


class Waited:
    """What a span waited for, as the core says it."""

    def tags(self) -> dict[str, str]:
        return {"causal.after": "0123456789abcdef,^1123456789abcdef", "causal.cut": "seen"}


spans = st.builds(
    Span,
    position=positions(),
    kind=st.none() | st.sampled_from(Kind),
    name=names,
    timestamp=times,
    duration=times,
    local=peers,
    remote=peers,
    tags=st.dictionaries(texts, texts, max_size=4),
    annotations=st.lists(st.builds(Annotation, times, texts), max_size=3).map(tuple),
    error=st.none() | texts,
    shared=st.booleans(),
    causes=st.none() | st.just(Waited()),
)
