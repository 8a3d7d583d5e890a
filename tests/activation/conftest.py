"""Real brokers."""

from __future__ import annotations

from tests.brokers import redis_url

__all__ = ["redis_url"]
