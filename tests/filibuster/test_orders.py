"""Orders are followed only by whoever was given the key, as they were given, and in time."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import PROCEED, Call, CallSite, Fault, FaultKind, Inject, Kind, Returned
from baggage.context import Branch, attached
from baggage.values import EMPTY, Baggage
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.index import DIGEST_SIZE, PREFIX_SIZE, ROOT, CallFrame, child
from metaapps.filibuster.lineage import Lineage
from metaapps.filibuster.orders import LINEAGE, ORDERS, SEEN, Orders, sign, signer
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.wire import decode_orders, encode_lineage, encode_orders

KEY, OTHER = b"a key", b"another key"
REFUSED = Fault(FaultKind.REFUSED)
CALL = Call(
    kind=Kind.CLIENT,
    library="requests",
    operation="GET /bar",
    method="get",
    source="foo",
    site=CallSite("app", "foo"),
)
INDEX = child(ROOT, CallFrame("foo", "app", "foo", "GET /bar", 1))
PLAN = Plan((PlannedFault(INDEX, REFUSED, "bar"),))
LATER = 2**40

PLANNED = st.builds(
    PlannedFault,
    st.binary(min_size=DIGEST_SIZE, max_size=DIGEST_SIZE),
    st.builds(Fault, st.sampled_from(FaultKind), st.none() | st.integers(0, 999)),
    st.text(max_size=10),
)
ORDERINGS = st.builds(
    Orders,
    st.text(max_size=20),
    st.builds(
        lambda faults: Plan(tuple(faults)),
        st.lists(PLANNED, max_size=4, unique_by=lambda planned: planned.index[:PREFIX_SIZE]),
    ),
    st.integers(0, 2**63),
    st.text(max_size=20),
    st.booleans(),
    st.booleans(),
)


def travelled(orders: Orders) -> Orders:
    """Return what arrives of orders: of each index the first bytes."""
    faults = tuple(replace(p, index=p.index[:PREFIX_SIZE]) for p in orders.plan.faults)
    return replace(orders, plan=Plan(faults))


@given(ORDERINGS, st.binary(min_size=1))
def test_orders_read_back_as_they_were_signed(orders: Orders, key: bytes) -> None:
    blob = encode_orders(orders, key)
    came = travelled(orders)
    assert decode_orders(blob, (key,)) == decode_orders(blob, (OTHER, key)) == came
    assert decode_orders(blob, None) == came


@given(ORDERINGS, st.binary(min_size=1))
def test_without_the_key_they_are_nothing(orders: Orders, key: bytes) -> None:
    blob = encode_orders(orders, key)
    assert decode_orders(blob, ()) is None
    assert decode_orders(blob, (key + b"x",)) is None


@given(ORDERINGS, st.data())
def test_a_changed_byte_makes_them_nothing(orders: Orders, data: st.DataObject) -> None:
    blob = encode_orders(orders, KEY)
    place = data.draw(st.integers(0, len(blob) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != blob[place]))
    changed = blob[:place] + bytes([other]) + blob[place + 1 :]
    assert decode_orders(changed, (KEY,)) in (None, travelled(orders))


@given(st.binary(max_size=200))
def test_garbage_is_nothing_and_no_error(blob: bytes) -> None:
    assert decode_orders(blob, (KEY,)) is None


def test_a_signature_holds_for_its_message_and_key_alone() -> None:
    assert signer(b"m", sign(b"m", KEY), (OTHER, KEY)) == KEY
    assert signer(b"n", sign(b"m", KEY), (KEY,)) is None
    assert signer(b"m", sign(b"m", KEY), (OTHER,)) is None
    assert signer(b"m", sign(b"m", KEY), ()) is None


# In a service


def carrying(orders: Orders, key: bytes = KEY) -> Baggage:
    lineage = encode_lineage(Lineage(ROOT, "foo"))
    return EMPTY.with_down({ORDERS: encode_orders(orders, key), LINEAGE: lineage})


def directive_for(app: Filibuster, baggage: Baggage) -> tuple[object, Branch]:
    """Return what the application is told to do about `CALL`, and the branch after the call."""
    with attached(baggage) as branch:
        flow = app.around(CALL)
        directive = next(flow)
        with pytest.raises(StopIteration):
            flow.send(Returned(None, target="bar"))
    return directive, branch


def test_orders_in_time_are_followed() -> None:
    directive, branch = directive_for(Filibuster((KEY,)), carrying(Orders("e", PLAN, LATER)))
    assert isinstance(directive, Inject)
    assert directive.fault == REFUSED
    assert len(branch.unpack(SEEN)) == 1


@pytest.mark.parametrize(
    ("keys", "orders", "key"),
    [
        ((OTHER,), Orders("e", PLAN, LATER), KEY),
        ((), Orders("e", PLAN, LATER), KEY),
        ((KEY,), Orders("e", PLAN, int(time.time()) - 10), KEY),
        ((KEY,), Orders("e", PLAN), KEY),
    ],
    ids=["wrong key", "switched off", "expired", "without time"],
)
def test_other_orders_are_ignored_and_nothing_is_reported(
    keys: tuple[bytes, ...], orders: Orders, key: bytes
) -> None:
    directive, branch = directive_for(Filibuster(keys), carrying(orders, key))
    assert directive == PROCEED
    assert branch.unpack(SEEN) == ()


def test_ignored_orders_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    app = Filibuster((OTHER,))
    for _ in range(3):
        directive_for(app, carrying(Orders("e", PLAN, LATER)))
    assert [r.message for r in caplog.records if r.message.startswith("orders ignored")] == [
        r.message for r in caplog.records
    ]
    assert len(caplog.records) == 1


def test_without_orders_a_call_passes() -> None:
    directive, branch = directive_for(Filibuster((KEY,)), EMPTY)
    assert directive == PROCEED
    assert branch.unpack(SEEN) == ()
