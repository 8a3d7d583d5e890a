"""Real services: each way to lose context is named by its place, and nothing else is a finding."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.auditing.living import CAFE, HALL, MIDDLE, SHOP, line_of, living

BUGS = [
    *("wrong_key", "wrong_value", "forgotten", "removed", "swallowed"),
    *("broken", "wrong_url", "nobody", "failing", "hasty"),
]
CLEAN = ["ask", "enclosed", "kept", "declared", "pooled", "threaded", "queued", "tasked"]


def get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=300) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.code)


def findings(address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(get(f"{address}findings"))
    return found


@pytest.fixture(scope="module")
def stock() -> Iterator[str]:
    with living(SHOP, "stock") as address:
        yield address


@pytest.fixture
def shop(stock: str) -> Iterator[str]:
    with living(SHOP, "shop", stock) as address:
        yield address


def test_nothing_is_found_where_all_is_instrumented(shop: str, stock: str) -> None:
    for _ in range(2):
        for way in (*CLEAN, "afterwards"):
            assert get(f"{shop}by/{way}") == "200", way
    assert get(f"{shop}after") == "2"
    assert findings(shop) == findings(stock) == []


@pytest.mark.parametrize("bug", BUGS)
def test_an_applications_bug_is_no_finding(shop: str, stock: str, bug: str) -> None:
    for _ in range(3):
        get(f"{shop}by/{bug}")
    assert findings(shop) == findings(stock) == []


def test_a_pool_that_is_not_hooked_is_named(shop: str) -> None:
    assert get(f"{shop}by/early") == get(f"{shop}by/early") == "200"
    [found] = findings(shop)
    assert found["problem"] == "no context"
    assert found["site"] == [str(SHOP), "unhooked_call", line_of(SHOP, "unhooked")]


def test_a_worker_that_keeps_its_first_request_is_named_with_its_start(shop: str) -> None:
    assert get(f"{shop}by/lazy") == "200"
    assert findings(shop) == []
    assert get(f"{shop}by/lazy") == get(f"{shop}by/lazy") == "200"
    [found] = findings(shop)
    assert (found["problem"], found["request"]) == ("stale context", "GET /by/lazy")
    assert found["site"] == [str(SHOP), "kept_call", line_of(SHOP, "kept")]
    assert found["forked"] == [str(SHOP), "start_kept", line_of(SHOP, "started")]


@pytest.mark.parametrize(
    ("there", "back", "problem", "lost_back"),
    [
        ("baggage", "", "stripped", False),
        ("baggage", "baggage", "stripped", False),
        ("", "baggage", "stripped", True),
        ("*", "", "stripped", False),
        ("", "*", "silent peer", False),
        ("*", "*", "silent peer", False),
    ],
)
def test_a_proxy_that_strips_headers_is_named(
    stock: str, there: str, back: str, problem: str, *, lost_back: bool
) -> None:
    with living(MIDDLE, stock, there, back) as proxy, living(SHOP, "shop", proxy) as shop:
        assert get(f"{shop}by/ask") == get(f"{shop}by/ask") == "200"
        [found] = findings(shop)
    assert (found["problem"], found["back"]) == (problem, lost_back)
    assert found["service"] == ("stock" if problem == "stripped" else "")
    assert found["peer"] == proxy.removeprefix("http://").rstrip("/")
    assert found["site"][:2] == [str(SHOP), "ask"]


@pytest.mark.parametrize("script", [CAFE, HALL])
@pytest.mark.parametrize(
    ("there", "back", "found"), [("", "", None), ("baggage", "", False), ("", "baggage", True)]
)
def test_services_on_event_loops_tell_what_they_got(
    script: Path, there: str, back: str, found: bool | None
) -> None:
    with (
        living(script, "http://127.0.0.1:9/") as callee,
        living(MIDDLE, callee, there, back) as proxy,
        living(SHOP, "shop", f"{proxy}findings") as shop,
    ):
        assert get(f"{shop}by/ask") == "200"
        seen = [(it["problem"], it["service"], it["back"]) for it in findings(shop)]
    assert seen == ([] if found is None else [("stripped", script.stem, found)])


def test_a_proxy_that_passes_everything_on_is_no_finding(stock: str) -> None:
    with living(MIDDLE, stock, "", "") as proxy, living(SHOP, "shop", proxy) as shop:
        assert get(f"{shop}by/ask") == "200"
        assert findings(shop) == []


def test_a_service_without_instrumentation_in_the_middle_is_named(stock: str) -> None:
    # It asks the next service by itself, with nothing of what it was asked by.
    with (
        living(MIDDLE, stock, "*", "*") as middle,
        living(SHOP, "shop", middle) as shop,
        living(SHOP, "front", shop) as front,
    ):
        assert get(f"{front}by/ask") == "200"
        assert findings(front) == findings(stock) == []
        [found] = findings(shop)
    assert found["problem"] == "silent peer"
    assert found["peer"] == middle.removeprefix("http://").rstrip("/")


def test_a_service_that_is_instrumented_and_not_audited_is_no_finding() -> None:
    with living(SHOP, "stock", audit=False) as stock, living(SHOP, "shop", stock) as shop:
        assert get(f"{shop}by/ask") == "200"
        assert findings(shop) == []


@pytest.fixture
def cafe(stock: str) -> Iterator[str]:
    with living(CAFE, stock) as address:
        yield address


def test_nothing_is_found_on_an_event_loop_where_all_is_instrumented(cafe: str) -> None:
    for _ in range(3):
        for way in ("ask", "queued", "gathered", "forgotten", "background"):
            assert get(f"{cafe}by/{way}") == "200", way
    assert findings(cafe) == []


def test_a_task_that_keeps_its_first_request_is_named_with_its_start(cafe: str) -> None:
    assert get(f"{cafe}by/lazy") == "200"
    assert findings(cafe) == []
    assert get(f"{cafe}by/lazy") == get(f"{cafe}by/lazy") == "200"
    [found] = findings(cafe)
    assert (found["problem"], found["request"]) == ("stale context", "GET /by/lazy")
    assert found["site"] == [str(CAFE), "Worker.work", line_of(CAFE, "served")]
    assert found["forked"] == [str(CAFE), "keep", line_of(CAFE, "kept")]


def test_a_task_that_is_older_than_all_requests_is_named(cafe: str) -> None:
    assert get(f"{cafe}by/early") == "200"
    [found] = findings(cafe)
    assert found["problem"] == "no context"
    assert found["site"] == [str(CAFE), "Worker.work", line_of(CAFE, "served")]
    assert found["forked"][:2] == [str(CAFE), "life"]


def test_timers_that_start_one_another_keep_their_first_request(cafe: str) -> None:
    for _ in range(3):
        assert get(f"{cafe}by/timed") == "200"
    [found] = findings(cafe)
    assert (found["problem"], found["request"]) == ("stale context", "GET /by/timed")
    assert found["site"] == [str(CAFE), "tick", line_of(CAFE, "ticks")]
    assert found["forked"][:2] == [str(CAFE), "tick"]
