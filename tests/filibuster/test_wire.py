"""What travels reads back as it was written, is small, and is nothing where it is garbage."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Call, CallSite, Fault, FaultKind, Kind, read_header, write_header
from baggage.values import EMPTY
from metaapps.filibuster.index import DIGEST_SIZE, PREFIX_SIZE, child
from metaapps.filibuster.lineage import Lineage, Progress
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import LINEAGE, ORDERS, WIDEST, Orders
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.wire import (
    Report,
    decode_lineage,
    decode_observation,
    decode_orders,
    decode_report,
    encode_lineage,
    encode_observation,
    encode_orders,
    encode_report,
)

KEY = b"a key"
BUDGET = WIDEST

INDICES = st.binary(min_size=DIGEST_SIZE, max_size=DIGEST_SIZE)
NAMES = st.text(max_size=8)
NUMBERS = st.integers(0, 2**32 - 1)
CLOCKS = st.dictionaries(NAMES, st.integers(1, 2**32 - 2), max_size=4)
FAULTS = st.builds(
    Fault,
    st.sampled_from(FaultKind),
    st.none() | st.integers(0, 999),
    st.none() | NAMES,
    st.none() | st.binary(max_size=8),
    st.none() | st.floats(0, 10),
    st.none() | NAMES,
    st.booleans(),
)
OBSERVATIONS = st.builds(
    Observation,
    role=st.sampled_from(Role),
    index=INDICES,
    parent=INDICES,
    position=NUMBERS,
    source=NAMES,
    target=NAMES,
    by_test=st.booleans(),
    library=NAMES,
    method=NAMES,
    operation=NAMES,
    arguments=NAMES,
    site=st.builds(CallSite, NAMES, NAMES, NUMBERS),
    occurrence=NUMBERS,
    payload=st.none() | st.binary(max_size=8),
    timeout=st.none() | st.floats(0, 10),
    clock=CLOCKS,
    origin=CLOCKS,
    raised=st.none() | NAMES,
    status=st.none() | st.integers(0, 999),
    ok=st.booleans(),
    digest=st.none() | st.binary(max_size=8),
    injected=st.none() | FAULTS,
    delayed=st.floats(0, 10),
    by_payload=st.booleans(),
    ambiguous=st.booleans(),
)


@given(OBSERVATIONS)
def test_an_observation_reads_back_as_it_was_written(seen: Observation) -> None:
    read = decode_observation(encode_observation(seen))
    assert read == seen
    assert read is not None
    assert read.site.line == seen.site.line


@given(st.builds(Lineage, INDICES, NAMES, CLOCKS, CLOCKS))
def test_a_lineage_reads_back_as_it_was_written(lineage: Lineage) -> None:
    assert decode_lineage(encode_lineage(lineage)) == lineage


@given(NAMES, st.lists(st.binary(max_size=20)), st.lists(st.binary(max_size=20)))
def test_a_report_reads_back_as_it_was_written(
    execution: str, observations: list[bytes], parcels: list[bytes]
) -> None:
    report = Report(execution, tuple(observations), tuple(parcels))
    assert decode_report(encode_report(report)) == report


@given(st.binary(max_size=100))
def test_garbage_is_no_error(blob: bytes) -> None:
    decode_observation(blob)
    decode_lineage(blob)
    decode_report(blob)
    assert decode_orders(blob, (KEY,)) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"index": b"short"},
        {"index": bytes(DIGEST_SIZE + 1)},
        {"parent": b""},
        {"timeout": math.nan},
        {"delayed": math.nan},
        {"injected": Fault(FaultKind.DELAY, seconds=math.nan)},
    ],
    ids=str,
)
def test_what_nothing_can_be_named_or_told_by_is_no_observation(changed: dict[str, Any]) -> None:
    seen = Observation(role=Role.CALL, index=bytes(16), parent=bytes(16), position=0)
    assert decode_observation(encode_observation(seen)) == seen
    assert decode_observation(encode_observation(replace(seen, **changed))) is None


def test_a_clock_that_cannot_tick_is_none() -> None:
    last = 2**32 - 2
    read = decode_lineage(encode_lineage(Lineage(bytes(16), "foo", {"foo": last})))
    assert read is not None
    step = Progress(read).call(Call(kind=Kind.CLIENT, library="requests", operation="GET /"))
    assert encode_lineage(step.below)
    assert decode_lineage(encode_lineage(step.below)) is None


@given(OBSERVATIONS.filter(lambda seen: seen.role in (Role.CALL, Role.BRANCH)))
def test_a_content_that_is_part_of_a_name_is_part_of_its_last_frame(seen: Observation) -> None:
    named = replace(seen, index=child(seen.parent, seen.frame))
    read = decode_observation(encode_observation(named))
    assert read is not None
    assert child(read.parent, read.frame) == read.index


def planned(number: int) -> PlannedFault:
    index = child(bytes(DIGEST_SIZE), replace(_SEEN, occurrence=number).frame)
    fault = Fault(FaultKind.STATUS, status=500 + number % 5)
    return PlannedFault(
        index, fault, f"a-service-{number % 12}", "a label for people, which is long"
    )


_SEEN = Observation(role=Role.CALL, index=b"", parent=b"", position=0, operation="GET /x")


def test_a_plan_of_a_hundred_faults_travels_in_a_request_s_headers() -> None:
    orders = Orders(
        "0123456789abcdef", Plan(tuple(map(planned, range(100)))), 2**31, "10.0.0.1:50000"
    )
    clock = {f"a-service-{number}": number + 1 for number in range(12)}
    lineage = Lineage(planned(0).index, "a-service", clock, clock)
    down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(lineage)}
    header = write_header(EMPTY.with_down(down), origin="a-service", budget=BUDGET)
    assert len(header) <= BUDGET
    came = read_header(header)
    (blob,) = came.unpack(ORDERS)
    assert isinstance(blob, bytes)
    read = decode_orders(blob, (KEY,))
    assert read is not None
    assert came.unpack(LINEAGE)
    for each in orders.plan.faults:
        found = read.at(each.index)
        assert found is not None
        assert (found.fault, found.target) == (each.fault, each.target)
    assert read.at(planned(100).index) is None


def test_a_plan_whose_calls_a_service_could_not_tell_apart_is_refused() -> None:
    alike = [PlannedFault(b"12345678" + bytes([n] * 8), planned(0).fault) for n in range(2)]
    assert PREFIX_SIZE == 8
    with pytest.raises(ValueError, match="begin alike"):
        encode_orders(Orders("e", Plan(tuple(alike))), KEY)
