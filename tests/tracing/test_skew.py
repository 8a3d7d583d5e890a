from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Kind
from metaapps.tracing.skew import Placed, placed
from metaapps.tracing.span import Peer, Position, Span
from metaapps.tracing.tree import Trace, traces

ROOT = Position.root(b"trace-of-16bytes", b"------00")
SHOP, USERS = Peer("shop", "10.0.0.1"), Peer("users", "10.0.0.2")


def span(
    begin: int,
    duration: int,
    local: Peer = SHOP,
    kind: Kind = Kind.CLIENT,
    error: str | None = None,
) -> Span:
    return Span(ROOT, kind, "", begin, duration, local, error=error)


def begins(*spans: Span) -> list[int]:
    """Return when spans are placed, each called by the one before."""
    return [place.begin for place in placed(spans, range(len(spans)))]


def test_what_could_be_stays() -> None:
    assert begins(span(100, 50), span(110, 20, USERS)) == [100, 110]
    assert begins(span(100, 50), span(130, 40, USERS)) == [100, 130]  # it went on
    assert begins(span(100, 50, kind=Kind.PRODUCER), span(900, 40, USERS)) == [100, 900]
    assert begins(span(100, 50, error="timeout"), span(900, 40, USERS)) == [100, 900]


def test_a_callee_before_its_caller_or_after_the_answer_is_put_into_the_call() -> None:
    assert begins(span(100, 50), span(99, 20, USERS)) == [100, 115]
    assert begins(span(100, 50), span(160, 20, USERS)) == [100, 115]
    assert begins(span(100, 50), span(7, 80, USERS)) == [100, 100]


def test_one_clock_is_believed_and_moves_as_one() -> None:
    assert begins(span(100, 50), span(90, 10)) == [100, 90]
    assert begins(span(100, 50), span(7, 20, USERS), span(9, 1, USERS)) == [100, 115, 117]


def test_what_a_moved_clock_calls_is_believed_if_it_fits() -> None:
    found = placed([span(100, 50), span(7, 20, USERS), span(120, 5, SHOP)], [0, 1, 2])
    assert found == (Placed(100), Placed(115, 108), Placed(120))


LOCALS = st.sampled_from([SHOP, USERS, Peer("users", "10.0.0.3")])
SPANS = st.builds(
    span,
    st.integers(0, 300),
    st.integers(0, 100),
    LOCALS,
    st.sampled_from([Kind.CLIENT, Kind.SERVER, Kind.CONSUMER]),
)


@given(st.lists(SPANS, min_size=1, max_size=8), st.data())
def test_no_callee_on_another_clock_begins_before_its_caller(
    spans: list[Span], data: st.DataObject
) -> None:
    depths = [0]
    for _ in spans[1:]:
        depths.append(data.draw(st.integers(0, depths[-1] + 1)))
    found = placed(spans, depths)
    callers: list[int] = []
    for place, depth in enumerate(depths):
        del callers[depth:]
        if callers and spans[callers[-1]].local != spans[place].local:
            assert found[place].begin >= found[callers[-1]].begin
        elif not callers and spans[place].timestamp:
            assert found[place] == Placed(spans[place].timestamp)
        if spans[place].timestamp:
            assert found[place].begin - found[place].shift == spans[place].timestamp
        callers.append(place)


def test_a_trace_lasts_as_long_as_its_callers_clocks_say() -> None:
    call = ROOT.child(b"------01")
    (trace,) = traces(
        [
            span(100, 50)._replace(position=ROOT),
            span(110, 20)._replace(position=call),
            span(7_000_000, 10, USERS, Kind.SERVER)._replace(position=call, shared=True),
        ]
    )
    assert isinstance(trace, Trace)
    assert trace.duration == 50
