"""Real brokers, for all tests of instrumentations; and time, where a busy machine needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from baggage.boundary import Boundary
from baggage.context import Branch, attached, pack
from tests.brokers import amqp_url, redis_url

__all__ = ["amqp_url", "redis_url"]

_HEADERS: Final = "baggage.instrumentation._asgi_server._PATIENCE"
_BODIES: Final = "baggage.instrumentation._aiohttp.bodies._PATIENCE"
# What is in time here is late where a thread doesn't get its turn within a second.
_IN_TIME: Final = {
    "test_what_is_packed_before_the_first_chunk_goes_home": _HEADERS,
    "test_a_stream_gives_all_back_with_its_headers_and_stays_exact": _HEADERS,
    "test_the_answer_is_told_with_its_facts": _BODIES,
}


@pytest.fixture
def of_blue(boundary: Boundary) -> Iterator[Branch]:
    """Give the branch of a request of the tenant "blue", which goes on here."""
    with attached(Branch()) as running:
        pack("tenant", "blue")
        yield running


@pytest.fixture(autouse=True)
def _in_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these tests wait for as long as it takes for what they wait for a second otherwise."""
    patience = _IN_TIME.get(getattr(request.node, "originalname", ""))
    if patience == _HEADERS or (patience == _BODIES and "aiohttp" in request.node.nodeid):
        monkeypatch.setattr(patience, 60.0)
