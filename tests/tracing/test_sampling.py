"""Samplers: which traces are recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Call, Kind
from metaapps.tracing.errors import SettingError
from metaapps.tracing.sampling import (
    ALWAYS,
    NEVER,
    Sampler,
    boundary,
    by_request,
    parse,
    rate_limited,
)

SECOND = 1_000_000_000
TENTH = SECOND // 10
IDS = st.binary(min_size=16, max_size=16)
CALL = Call(kind=Kind.SERVER, library="flask", operation="GET /users")


def trace(low: int, high: int = 0) -> bytes:
    return high.to_bytes(8) + (low % 2**64).to_bytes(8)


class Clock:
    """Tells what it was set to, as a counter of 64 bits does."""

    def __init__(self, now: int = 0) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now % 2**64


def taken(sampler: Sampler, asked: int = 1000) -> int:
    return sum(sampler(bytes(16), None) for _ in range(asked))


@pytest.mark.parametrize(
    ("rate", "low", "kept"),
    [
        # |low| modulo 10,000 below rate times 10,000
        (0.0001, 0, True),
        (0.0001, 1, False),
        (0.0001, 10_000, True),
        (0.0001, -10_000, True),
        (0.0003, 2, True),  # 0.0003 × 10,000 is a little less than 3 in binary
        (0.0003, 3, False),
        (0.1, 999, True),
        (0.1, 1000, False),
        (0.1, -999, True),
        (0.1, -1000, False),
        (0.1, 10_999, True),
        (0.5, 4999, True),
        (0.5, 5000, False),
        (0.9999, 9998, True),
        (0.9999, 9999, False),
        (0.1, 0x48485A3953BB6124, False),  # 5,208,512,171,318,403,364
        (0.4, 0x48485A3953BB6124, True),
        (0.71, 0xE457B5A2E4D86BD1, False),  # -1,992,924,598,859,437,103
        (0.7104, 0xE457B5A2E4D86BD1, True),
        (0.5808, 1 << 63, False),  # -9,223,372,036,854,775,808, whose absolute value has 64 bits
        (0.5809, 1 << 63, True),
        (0.5808, (1 << 63) - 1, True),
        (0.5807, (1 << 63) - 1, False),
        (0, 0, False),
        (1, 9999, True),
    ],
)
def test_the_boundary_keeps_expected_traces(rate: float, low: int, kept: bool) -> None:
    assert boundary(rate)(trace(low), None) is kept


@given(low=st.integers(0, 2**64 - 1), high=st.integers(0, 2**64 - 1))
def test_the_upper_half_of_an_id_and_the_call_do_not_count(low: int, high: int) -> None:
    sampler = boundary(0.3)
    assert sampler(trace(low, high), CALL) is sampler(trace(low), None)


@given(IDS, st.floats(0.0001, 1), st.floats(0.0001, 1))
def test_who_samples_more_keeps_all_that_others_keep(id_: bytes, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert boundary(less)(id_, None) <= boundary(more)(id_, None)


@pytest.mark.parametrize("rate", [0.0001, 0.01, 0.25, 0.9999])
def test_the_boundary_keeps_exactly_its_share(rate: float) -> None:
    sampler = boundary(rate)
    assert sum(sampler(trace(low), None) for low in range(10_000)) == round(rate * 10_000)


@pytest.mark.parametrize("rate", [0.00009, -0.1, 1.0001, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="no rate"):
        boundary(rate)


@given(IDS)
def test_all_and_nothing_are_exact(id_: bytes) -> None:
    assert all(sampler(id_, None) for sampler in (ALWAYS, boundary(1), boundary(1.0), parse("1")))
    never = (NEVER, boundary(0), boundary(0.0), rate_limited(0), parse("0"), parse("0/s"))
    assert not any(sampler(id_, CALL) for sampler in never)


@pytest.mark.parametrize(
    ("per_second", "moments"),
    [
        # ns since the sampler was made, and how many are taken when it is asked for too many
        (2, [(1, 2), (2, 0), (SECOND - 1, 0), (SECOND, 2), (2 * SECOND - 1, 0)]),
        (2, [(SECOND - 1, 2), (SECOND, 2)]),
        (9, [(0, 9), (9 * TENTH, 0), (SECOND, 9)]),
        (10, [(0, 1), (1, 0), (TENTH - 1, 0), (TENTH, 1), (9 * TENTH, 8), (SECOND, 1)]),
        (10, [(SECOND - 1, 10), (SECOND, 1)]),
        (10, [(TENTH + TENTH // 2, 2), (2 * TENTH, 1)]),
        (103, [(0, 13), (TENTH, 10), (5 * TENTH, 40), (SECOND - 1, 40)]),
        (10, [(365 * 86_400 * SECOND, 1), (365 * 86_400 * SECOND + TENTH, 1)]),
        # a second begins when it is first asked for
        (10, [(SECOND + TENTH, 1), (SECOND + 2 * TENTH, 1), (2 * SECOND, 8), (2 * SECOND, 0)]),
        # a clock that goes back to before the second began begins another
        (10, [(5 * TENTH, 6), (4 * TENTH, 0), (-1, 1), (TENTH - 1, 1)]),
    ],
)
@pytest.mark.parametrize("start", [0, SECOND, -SECOND, 2**63 - TENTH, 2**64 - TENTH // 2])
def test_a_rate_limit_takes_expected_numbers(
    per_second: int, moments: list[tuple[int, int]], start: int
) -> None:
    clock = Clock(start)
    sampler = rate_limited(per_second, clock)
    found = []
    for moment, _ in moments:
        clock.now = start + moment
        found.append((moment, taken(sampler)))
    assert found == moments


@given(st.integers(1, 300), st.lists(st.integers(0, SECOND - 1), max_size=50))
def test_a_second_never_has_more_than_its_number(per_second: int, moments: list[int]) -> None:
    clock = Clock()
    sampler = rate_limited(per_second, clock)
    total = 0
    for moment in sorted(moments):
        clock.now = moment
        total += taken(sampler, 20)
        assert total <= per_second
        assert total <= per_second * (moment // TENTH + 1) // 10 + 9
    clock.now = SECOND - 1
    assert total + taken(sampler, 400) == per_second


def test_threads_share_one_number() -> None:
    clock = Clock()
    sampler = rate_limited(50, clock)
    clock.now = 7 * SECOND - 1
    counts: list[int] = []
    ready = threading.Barrier(8)

    def ask() -> None:
        ready.wait()
        counts.append(taken(sampler, 200))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 5, "one tenth of a second has passed, whoever began it"


def test_a_thread_that_was_overtaken_begins_no_second_of_its_own() -> None:
    moments: Iterator[int] = iter([0, SECOND + 5, SECOND + 4, SECOND + 6])
    sampler = rate_limited(1, lambda: next(moments))
    assert sampler(bytes(16), None)
    found = [sampler(bytes(16), None) for _ in range(2)]
    assert found.count(True) <= 2


def test_a_negative_number_a_second_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        rate_limited(-1)


def test_a_function_of_the_request_decides_before_others() -> None:
    verdicts = {"GET /health": False, "GET /buy": True, "GET /users": None}
    otherwise: list[bytes] = []

    def rest(trace: bytes, call: Call | None) -> bool:
        otherwise.append(trace)
        return True

    sampler = by_request(lambda call: verdicts[call.operation], rest)
    found = []
    for operation in verdicts:
        call = Call(kind=Kind.SERVER, library="flask", operation=operation)
        found.append(sampler(b"t" * 16, call))
    assert found == [False, True, True]
    assert otherwise == [b"t" * 16]


def test_where_no_call_begins_a_trace_no_request_is_asked_for() -> None:
    def fail(call: Call) -> bool:
        raise AssertionError("there is no call")

    assert by_request(fail, ALWAYS)(bytes(16), None)
    assert not by_request(fail, NEVER)(bytes(16), None)


def test_a_function_that_fails_decides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(call: Call) -> bool:
        raise RuntimeError("no such header")

    assert by_request(fail, ALWAYS)(bytes(16), CALL)
    assert not by_request(fail, NEVER)(bytes(16), CALL)
    assert [record.message for record in caplog.records] == ["sampling function failed"] * 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("always", 100),
        (" Always ", 100),
        ("never", 0),
        ("1", 100),
        ("1.0", 100),
        ("0", 0),
        ("0.1", 10),
        (".1", 10),
        ("0.25", 25),
        ("7/s", 7),
        ("7 / s", 7),
        ("0/s", 0),
    ],
)
def test_a_setting_names_a_sampler(text: str, kept: int) -> None:
    sampler = parse(text)
    assert sum(sampler(trace(100 * low), None) for low in range(100)) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "2",
        "0.00001",
        "-1",
        "-1/s",
        "nan",
        "inf",
        "1e-1",
        ".",
        "1..2",
        "10%",
        "100/m",
        "/s",
        "0.5/s",
        "1/s\n1",
        "0,1",
        "１",
        "9999999999/s",
    ],
)
def test_a_setting_that_means_nothing_is_refused_with_one_line(text: str) -> None:
    with pytest.raises(SettingError, match=r"^TRACING_SAMPLE is .* set it to ") as raised:
        parse(text)
    assert "\n" not in str(raised.value)


@given(st.text(max_size=30))
def test_no_setting_fails_in_any_other_way(text: str) -> None:
    try:
        sampler = parse(text)
    except SettingError:
        return
    assert sampler(bytes(16), None) in {True, False}
