"""What arrives is trusted no further than it must be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from baggage.boundary import Policy, read_header, write_header
from baggage.boundary.site import call_site
from baggage.values import EMPTY, Direction, Key
from baggage.wire import SAFE_HEADER, armour

HOME = Key("tool.seen", direction=Direction.HOME)


def test_a_member_that_nobody_would_send_is_not_read() -> None:
    fits = EMPTY.pack("key", b"x" * 5000)
    assert read_header(write_header(fits)).unpack("key") == (b"x" * 5000,)
    blob = EMPTY.pack("key", b"x" * SAFE_HEADER).departing().serialize()
    assert read_header(f"causal={armour(blob)}").empty


@pytest.mark.parametrize("host", ["127.0.0.1", "shop.internal"])
def test_hosts_outside_the_policy_get_nothing(host: str) -> None:
    assert Policy(hosts=("*.internal",)).may_receive(host) is (host == "shop.internal")


def sites() -> Iterator[str]:
    yield call_site().function
    yield from [call_site().function for _ in range(1)]
    yield from {0: call_site().function}.values()
    yield next(iter({call_site().function}))


def test_a_comprehension_is_no_place_of_its_own() -> None:
    assert set(sites()) == {"sites"}
