"""Our member survives services that know the W3C `baggage` header, but not us."""

from __future__ import annotations

import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.baggage import get_all
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY, Baggage
from baggage.wire import armour, compose, split_members, unarmour

PLAIN = st.text(string.ascii_letters + string.digits + "-_.", max_size=8)


def through_opentelemetry(header: str) -> str:
    """Return the header that a service sends on that has OpenTelemetry alone."""
    propagator, sent = W3CBaggagePropagator(), dict[str, str]()
    arrived = propagator.extract({"baggage": header}, Context())
    propagator.inject(sent, arrived)
    return sent.get("baggage", "")


def encoding_all(header: str) -> str:
    """Return the header that a service sends on that encodes all it can of each value."""
    ours, foreign = split_members(header)
    everything = "".join(f"%{ord(sign):02X}" for sign in ours or "")
    return compose(everything, foreign)


def spacing(header: str) -> str:
    """Return a header with white space wherever the grammar allows some."""
    return " \t,\t ".join(f"\t{part} ".replace("=", " =\t", 1) for part in header.split(","))


def packed() -> Baggage:
    carried = read_header("user=alice,tier=gold").pack("tenant", "acme").pack("n", 1)
    return carried.pack("raw", bytes(range(256)))


@pytest.mark.parametrize("peer", [through_opentelemetry, encoding_all, spacing])
def test_what_a_peer_forwards_is_what_was_sent(peer: Callable[[str], str]) -> None:
    header = write_header(packed(), origin="shop")
    for _ in range(3):
        header = peer(header)
        received = read_header(header)
        assert received.unpack("raw") == (bytes(range(256)),)
        assert (received.unpack("tenant"), received.unpack("n")) == (("acme",), (1,))
        assert received.origin == "shop"
        names = {split.partition("=")[0].strip() for split in received.foreign}
        assert names == {"user", "tier"}
        header = write_header(received, origin="shop")


@given(st.binary(max_size=300), st.dictionaries(PLAIN.filter(bool), PLAIN, max_size=3))
def test_any_bytes_pass_through_opentelemetry(blob: bytes, others: dict[str, str]) -> None:
    others.pop("causal", None)
    header = compose(armour(blob), [f"{name}={value}" for name, value in others.items()])
    ours, foreign = split_members(through_opentelemetry(header))
    assert unarmour(ours or "") == blob
    assert set(foreign) == {f"{name}={value}" for name, value in others.items()}


def test_properties_that_a_peer_put_behind_our_member_and_another_encoded_do_no_harm() -> None:
    ours, _ = split_members(write_header(packed(), origin="shop"))
    header = through_opentelemetry(f"causal={quote(f'{ours};ttl=3')}")
    assert "%3B" in header
    assert read_header(header).unpack("tenant") == ("acme",)


def test_what_opentelemetry_reads_of_ours_is_one_value_among_others() -> None:
    header = write_header(packed(), origin="shop")
    seen = get_all(W3CBaggagePropagator().extract({"baggage": header}, Context()))
    assert set(seen) == {"user", "tier", "causal"}
    assert (seen["user"], seen["tier"]) == ("alice", "gold")


def test_our_default_budget_is_what_opentelemetry_takes_of_one_member() -> None:
    carried = EMPTY
    for number in range(200):
        carried = carried.pack(f"key{number:03}", "x" * 40)
    header = write_header(carried, origin="shop", budget=4096)
    assert 4000 < len(header) <= 4096
    assert through_opentelemetry(header) == header
