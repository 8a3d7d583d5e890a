"""Queues of tasks keep what every queue has to, however they are waited for."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from baggage.instrumentation import asyncio_queues as instrumentation
from baggage.testing.queueing import QueueSuite


class TestQueue(QueueSuite):
    instrumentation: ClassVar = instrumentation
    full: ClassVar = asyncio.QueueFull
    empty: ClassVar = asyncio.QueueEmpty

    def queue(self, size: int = 0) -> Any:
        return asyncio.Queue(size)

    def stack(self) -> Any:
        return asyncio.LifoQueue()

    def heap(self) -> Any:
        return asyncio.PriorityQueue()

    def put(self, queue: Any, item: object) -> None:
        queue.put_nowait(item)

    def get(self, queue: Any) -> Any:
        return queue.get_nowait()

    def done(self, queue: Any) -> None:
        queue.task_done()
