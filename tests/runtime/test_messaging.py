"""Messages that the application publishes and takes by hand, by their headers."""

from __future__ import annotations

import pytest

import baggage
from baggage import Baggage
from baggage.boundary import Fault, FaultKind, Inject, Kind, Raised, Returned, write_header
from baggage.testing.apps import Recorder, Scripted


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


def test_what_is_published_by_hand_is_consumed_by_hand() -> None:
    carried = Baggage().pack("tenant", "blue")
    with baggage.attached(carried), baggage.publishing("orders") as headers:
        assert all(value.isascii() for value in headers.values())
    with baggage.consuming(headers):
        assert baggage.unpack("tenant") == ("blue",)


def test_nothing_goes_along_where_nothing_is_carried() -> None:
    with baggage.publishing("orders") as headers:
        assert headers == {}


def test_flows_hear_what_became_of_a_message() -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    baggage.register(recorder)
    try:
        with pytest.raises(KeyError), baggage.publishing("orders"):
            raise KeyError
        with baggage.publishing("orders"):
            pass
    finally:
        baggage.unregister(recorder.name)
    failed, done = recorder.ended
    assert (failed.call.operation, failed.call.method) == ("orders", "publish")
    assert failed.call.site.function == "test_flows_hear_what_became_of_a_message"
    assert isinstance(failed.outcome, Raised)
    assert isinstance(done.outcome, Returned)


def test_no_fault_keeps_a_block_from_running() -> None:
    baggage.register(Scripted(Inject(Fault(FaultKind.DROP)), kinds=(Kind.PRODUCER,)))
    ran = []
    try:
        with baggage.publishing("orders"):
            ran.append(1)
    finally:
        baggage.unregister("scripted")
    assert ran == [1]
