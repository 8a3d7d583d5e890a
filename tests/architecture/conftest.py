"""Real brokers, for the smoke tests of benchmarks."""

from __future__ import annotations

from tests.brokers import amqp_url, redis_url
from tests.kafka_cluster import kafka_servers

__all__ = ["amqp_url", "kafka_servers", "redis_url"]
