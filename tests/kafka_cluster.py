"""A Kafka cluster of librdkafka's, which is made for tests: it speaks the real protocol."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest


@pytest.fixture(scope="session")
def kafka_servers() -> Iterator[str]:
    """Give the addresses of a cluster in this process."""
    pytest.importorskip("confluent_kafka")
    with cluster() as servers:
        yield servers


@contextmanager
def cluster() -> Generator[str]:
    """Run a cluster in this process; yields its addresses."""
    import confluent_kafka

    # The cluster ends with the producer that it was made for.
    owner = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    brokers = owner.list_topics(timeout=300).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    owner.flush(1)
