"""Real brokers, for all tests of instrumentations."""

from __future__ import annotations

from tests.brokers import amqp_url, redis_url

__all__ = ["amqp_url", "redis_url"]
