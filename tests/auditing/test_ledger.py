"""Real services that pack, with and without lending: what breaks the law of conservation is named.

By both places; and neither all that goes well nor an application's own fault is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.auditing.living import CAFE, LEDGER, MIDDLE, line_of, living
from tests.auditing.test_services import findings, get

CLEAN = ["pack", "ask", "fan_out", "by_hand", "batch", "apart"]
BUGS = ["swallowed", "crashed", "removed", "nobody", "failed_there"]
Found = tuple[str, str, str]
FAULTS: dict[str, set[Found]] = {
    # What is found in the caller, by the marks of both places; "" for none.
    "same_object": {("value used twice", "again", "first")},
    "lost": {("context regression", "joined", "packed"), ("lost branch", "split", "")},
    "anothers": {("foreign context", "foreign", ""), ("context regression", "foreign", "")},
    "stale": {("lost branch", "stale split", ""), ("value used twice", "asks", "counted")},
    "reset": {("context regression", "reset", "packed")},
    "never_joined": {("lost branch", "started", "spent")},
    "late": {("late use", "late", "late start")},
}


@pytest.fixture(scope="module", params=[False, True], ids=["", "lending"])
def lend(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def stock(*, lend: bool) -> Iterator[str]:
    with living(LEDGER, "stock", lend=lend) as address:
        yield address


@pytest.fixture(scope="module")
def services(stock: str, *, lend: bool) -> Iterator[tuple[str, str]]:
    with living(LEDGER, "shop", stock, lend=lend) as shop:
        yield shop, stock


def heard(services: tuple[str, str], way: str, status: str = "200") -> list[list[dict[str, Any]]]:
    """Return what shop and stock find when shop is asked in a way, after other requests."""
    for address in services:
        assert get(f"{address}other") == "200"
    assert get(f"{services[0]}by/{way}") == status
    assert get(f"{services[0]}after") == "200"
    return [findings(address) for address in services]


def marked(found: list[dict[str, Any]]) -> set[Found]:
    """Return findings by the marks of their places."""
    marks = {
        line_of(LEDGER, mark): mark
        for marks in FAULTS.values()
        for names in marks
        for mark in names[1:]
        if mark
    }
    seen = set()
    for each in found:
        site, *others = (
            marks.get(place[2], "") if place[0] == str(LEDGER) else ""
            for place in (each["site"], each["other"], each["forked"])
        )
        seen.add((each["problem"], site, next((mark for mark in others if mark), "")))
    return seen


@pytest.mark.parametrize("way", CLEAN)
def test_nothing_is_found_where_all_comes_home(services: tuple[str, str], way: str) -> None:
    for _ in range(2):
        assert heard(services, way) == [[], []]


@pytest.mark.parametrize("way", BUGS)
def test_a_fault_of_the_application_is_no_finding(services: tuple[str, str], way: str) -> None:
    assert heard(services, way, "500" if way == "crashed" else "200") == [[], []]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_both_places(services: tuple[str, str], fault: str) -> None:
    shop, stock = heard(services, fault)
    assert marked(shop) >= FAULTS[fault]
    assert stock == []


def test_nothing_is_found_on_an_event_loop_where_all_comes_home(stock: str, *, lend: bool) -> None:
    with living(CAFE, f"{stock}by/pack", lend=lend) as cafe:
        for way in ("packing", "background", "packed_later", "streamed", "queued", "packing"):
            assert get(f"{cafe}by/{way}") in ("200", "012")
        assert findings(cafe) == []
        assert get(f"{cafe}by/unjoined") == "200"
        [found] = findings(cafe)
    assert (found["problem"], found["request"]) == ("lost branch", "GET /by/unjoined")
    assert found["site"] == [str(CAFE), "keep", line_of(CAFE, "kept")]
    assert found["other"][:2] == [str(CAFE), "pack"]
    assert findings(stock) == []


def test_a_callee_that_works_for_another_request_is_named_on_both_sides(
    services: tuple[str, str], *, lend: bool
) -> None:
    shop, stock = heard(services, "anothers_there")
    assert {each["problem"] for each in stock} >= {"context regression"}
    assert stock[0]["site"] == [str(LEDGER), "confused", line_of(LEDGER, "confused")]
    told = [it for it in shop if it["service"] == "stock"]
    assert [it["problem"] for it in told] == ["context regression"]
    assert told[0]["site"] == [str(LEDGER), "ask", line_of(LEDGER, "asked")]
    assert ("lost branch" in {it["problem"] for it in shop}) is lend


@pytest.mark.parametrize("way", ["hasty", "cancelled"])
def test_a_call_that_nobody_waits_for_loses_what_it_lent(
    services: tuple[str, str], way: str, *, lend: bool
) -> None:
    shop, _ = heard(services, way)
    assert marked(shop) == ({("lost branch", "", "")} if lend else set())
    assert [it["site"][2] for it in shop] == ([line_of(LEDGER, way)] if lend else [])


@pytest.mark.parametrize(
    ("there", "back", "problem"),
    [("baggage", "", "stripped"), ("", "baggage", "stripped"), ("*", "*", "silent peer")],
)
def test_what_a_proxy_removes_is_missed(
    stock: str, there: str, back: str, problem: str, *, lend: bool
) -> None:
    with (
        living(MIDDLE, stock, there, back) as proxy,
        living(LEDGER, "shop", proxy, lend=lend) as shop,
    ):
        assert get(f"{shop}by/ask") == "200"
        found = findings(shop)
    assert {it["problem"] for it in found} == {problem} | ({"lost branch"} if lend else set())
    assert {it["site"][2] for it in found} == {line_of(LEDGER, "asked")}
    assert findings(stock) is not None


def test_an_answer_that_a_proxy_repeats_knows_too_little(stock: str, *, lend: bool) -> None:
    with (
        living(MIDDLE, stock, "", "", "again") as proxy,
        living(LEDGER, "shop", proxy, lend=lend) as shop,
    ):
        assert get(f"{shop}by/twice") == "200"
        found = findings(shop)
    assert {it["problem"] for it in found} >= {"context regression"}
    assert {it["site"][2] for it in found} == {line_of(LEDGER, "asked")}
    assert findings(stock) is not None
