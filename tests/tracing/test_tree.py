from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Kind
from metaapps.tracing.span import Peer, Position, Span
from metaapps.tracing.tree import Row, traces


def make(
    span_id: str,
    parent: str | None = None,
    *,
    at: int = 1,
    kind: Kind = Kind.CLIENT,
    service: str = "",
    shared: bool = False,
    trace: str = "t",
) -> Span:
    return Span(
        position=Position.of(
            written(trace, 16), written(span_id, 8), None if parent is None else written(parent, 8)
        ),
        kind=kind,
        timestamp=at,
        duration=1,
        local=Peer(service),
        shared=shared,
    )


def written(name: str, size: int) -> str:
    """Return the id, in hex, that stands for a name."""
    return name.encode().rjust(size, b"-").hex()


def named(hexadecimal: str) -> str:
    return bytes.fromhex(hexadecimal).decode().lstrip("-")


def shape(rows: tuple[Row, ...]) -> list[tuple[int, str, str]]:
    return [(row.depth, row.span.local.service, named(row.span.position.span_id)) for row in rows]


def test_callers_stand_above_callees_in_the_order_of_their_beginning() -> None:
    (trace,) = traces([make("c", "a", at=4), make("d", "b", at=3), make("b", "a", at=2), make("a")])
    assert shape(trace.rows) == [(0, "", "a"), (1, "", "b"), (2, "", "d"), (1, "", "c")]
    assert trace.duration == 4


def test_a_shared_half_stands_below_the_clients_and_its_calls_below_it() -> None:
    (trace,) = traces(
        [
            make("c", "b", service="catalog", at=3),
            make("b", "a", service="catalog", kind=Kind.SERVER, shared=True),
            make("b", "a", service="shop"),
            make("a", service="shop", kind=Kind.SERVER),
        ]
    )
    assert shape(trace.rows) == [
        (0, "shop", "a"),
        (1, "shop", "b"),
        (2, "catalog", "b"),
        (3, "catalog", "c"),
    ]
    assert trace.services == {"shop", "catalog"}


def test_calls_belong_to_the_half_of_their_own_service() -> None:
    (trace,) = traces(
        [
            make("a", service="shop"),
            make("a", service="red", kind=Kind.SERVER, shared=True, at=2),
            make("a", service="blue", kind=Kind.SERVER, shared=True, at=3),
            make("b", "a", service="blue", at=4),
            make("c", "a", service="red", at=5),
        ]
    )
    assert shape(trace.rows) == [
        (0, "shop", "a"),
        (1, "red", "a"),
        (2, "red", "c"),
        (1, "blue", "a"),
        (2, "blue", "b"),
    ]


def test_a_span_whose_caller_is_not_there_is_marked() -> None:
    spans = [make("a"), make("b", "x"), make("c", shared=True), make("d", "a")]
    (trace,) = traces(spans)
    assert [named(row.span.position.span_id) for row in trace.rows if row.lost] == ["b", "c"]


def test_traces_stand_in_the_order_of_their_beginning() -> None:
    found = traces(
        [make("a", trace="late", at=9), make("b", trace="early"), make("c", trace="late")]
    )
    assert [named(trace.trace_id) for trace in found] == ["early", "late"]


ids = st.sampled_from("abcd")


@given(
    st.lists(
        st.builds(
            make,
            ids,
            st.none() | ids,
            at=st.integers(0, 5),
            shared=st.booleans(),
            service=ids,
            trace=st.sampled_from("tu"),
        )
    )
)
def test_every_span_is_shown_once_however_tangled(spans: list[Span]) -> None:
    shown = [row.span for trace in traces(spans) for row in trace.rows]
    assert sorted(map(id, shown)) == sorted(map(id, spans))


def test_depth_has_no_limit() -> None:
    chain = [make(f"{n}", f"{n - 1}" if n else None, at=n) for n in range(3_000)]
    (trace,) = traces(chain)
    assert trace.rows[-1].depth == 2_999
