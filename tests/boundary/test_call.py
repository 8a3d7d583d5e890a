"""A call tells what it's asked for when it's asked, as it was when the crossing began."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from baggage.boundary import UNKNOWN_SITE, Call, CallSite, Endpoint, Kind, Tellers

SHOP = Endpoint("shop.test", 80)


def told(asked: Any = None, **tellers: Any) -> Call:
    known: Tellers = tellers
    return Call.told(Kind.CLIENT, "lib", "GET /", asked, known)


def test_a_field_is_found_out_once_and_no_sooner_than_it_is_read() -> None:
    asked: list[object] = []

    def endpoint(of: object) -> Endpoint:
        asked.append(of)
        return SHOP

    call = told("a request", endpoint=endpoint)
    assert asked == []
    assert (call.endpoint, call.endpoint) == (SHOP, SHOP)
    assert asked == ["a request"]


def test_what_nobody_tells_is_as_in_any_call() -> None:
    assert told() == Call(kind=Kind.CLIENT, library="lib", operation="GET /")
    assert told().site is UNKNOWN_SITE


def test_what_the_driver_knows_is_filled_in() -> None:
    site = CallSite("shop.orders", "pay")
    call = told().placed("a", "b", site)
    assert (call.source, call.target, call.site) == ("a", "b", site)


def test_a_call_like_another_one_has_all_that_is_told_of_that() -> None:
    call = replace(told((1, 2), timeout=lambda asked: asked[1]), kind=Kind.RUN)
    assert (call.kind, call.timeout) == (Kind.RUN, 2)


def test_a_call_of_another_kind_finds_nothing_out_by_being_made() -> None:
    asked: list[object] = []

    def method(of: object) -> str:
        asked.append(of)
        return "get"

    one = told("a request", method=method)
    other = one.but(kind=Kind.CONSUMER)
    assert (one.kind, other.kind, asked) == (Kind.CLIENT, Kind.CONSUMER, [])
    assert (other.method, asked) == ("get", ["a request"])
    assert other == replace(one, kind=Kind.CONSUMER)


def test_a_field_that_cannot_be_told_has_its_default(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> Endpoint:
        raise ValueError("no port")

    with caplog.at_level(logging.ERROR, "baggage.boundary"):
        call = told(endpoint=fail)
        assert (call.endpoint, call.endpoint) == (None, None)
    assert [record.getMessage() for record in caplog.records] == ["call not told"]


def test_there_is_no_field_of_another_name() -> None:
    with pytest.raises(AttributeError, match="verb"):
        told().verb  # type: ignore[attr-defined]  # noqa: B018
