"""Real brokers, for all tests of instrumentations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from baggage.boundary import Boundary
from baggage.context import Branch, attached, pack
from tests.brokers import amqp_url, redis_url

__all__ = ["amqp_url", "redis_url"]


@pytest.fixture
def of_blue(boundary: Boundary) -> Iterator[Branch]:
    """Give the branch of a request of the tenant "blue", which goes on here."""
    with attached(Branch()) as running:
        pack("tenant", "blue")
        yield running
