"""Queues of threads keep what every queue has to; libraries that use them notice nothing."""

from __future__ import annotations

import queue
from typing import Any, ClassVar

from baggage.instrumentation import queue as instrumentation
from baggage.testing.queueing import QueueSuite


class TestQueue(QueueSuite):
    instrumentation: ClassVar = instrumentation
    full: ClassVar = queue.Full
    empty: ClassVar = queue.Empty

    def queue(self, size: int = 0) -> Any:
        return queue.Queue(size)

    def stack(self) -> Any:
        return queue.LifoQueue()

    def heap(self) -> Any:
        return queue.PriorityQueue()

    def put(self, queue: Any, item: object) -> None:
        queue.put(item, block=False)

    def get(self, queue: Any) -> Any:
        return queue.get_nowait()

    def done(self, queue: Any) -> None:
        queue.task_done()
