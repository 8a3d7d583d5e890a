"""What holds for everything that hands items from one branch of execution to another."""

from __future__ import annotations

from baggage.testing._queue_carries import QueueCarries
from baggage.testing._queue_flows import QueueFlows
from baggage.testing._queue_transparent import QueueTransparent
from baggage.testing._workers import Worker

__all__ = ["QueueSuite", "Worker"]


class QueueSuite(QueueCarries, QueueFlows, QueueTransparent):
    """Inherit, and say how a queue is made and used. See `baggage.testing`.

    `full` and `empty` are what `put` and `get` raise; both must not wait.
    """
