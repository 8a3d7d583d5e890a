"""Messages that the application takes by hand, by their headers."""

from __future__ import annotations

import pytest

import baggage
from baggage import Baggage
from baggage.boundary import write_header


def header(tenant: str) -> str:
    return write_header(Baggage().pack("tenant", tenant), origin="shop")


@pytest.mark.parametrize(
    "message",
    [
        {"baggage": header("blue"), "retries": 3},
        {"Baggage": header("blue")},
        [("id", b"\xff\xff"), ("baggage", header("blue").encode())],
        [("id", None), ("broken",), ("baggage", header("blue"))],
    ],
)
def test_headers_say_what_the_producer_knew(message: object) -> None:
    with baggage.consuming(message):
        assert baggage.unpack("tenant") == ("blue",)
    assert baggage.unpack("tenant") == ()


def test_several_are_joined() -> None:
    with baggage.consuming({"baggage": header("blue")}, {"baggage": header("red")}):
        assert sorted(map(str, baggage.unpack("tenant"))) == ["blue", "red"]


@pytest.mark.parametrize(
    "message", [None, 7, "text", b"bytes", object(), {}, [], [1, 2], {"baggage": "%"}]
)
def test_what_is_no_message_has_no_context(message: object) -> None:
    with baggage.consuming(message):
        assert baggage.unpack("tenant") == ()


def test_no_message_is_nothing_to_know_of() -> None:
    with baggage.consuming():
        assert baggage.unpack("tenant") == ()
