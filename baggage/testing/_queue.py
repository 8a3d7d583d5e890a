"""What the parts of the suite for queues share: how a queue is used."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from baggage.context import unpack
from baggage.testing._workers import Worker, WorkersSuite


class QueueBase(WorkersSuite):
    """Says how a queue is made and used.

    `full` and `empty` are what `put` and `get` raise; both must not wait.
    """

    full: ClassVar[type[Exception]]
    empty: ClassVar[type[Exception]]

    @abstractmethod
    def queue(self, size: int = 0) -> Any:
        """Return a new queue, first in, first out, for `size` items (0: any number)."""

    @abstractmethod
    def stack(self) -> Any:
        """Return a new queue whose last item is taken first."""

    @abstractmethod
    def heap(self) -> Any:
        """Return a new queue whose least item is taken first."""

    @abstractmethod
    def put(self, queue: Any, item: object) -> None:
        """Put an item into a queue, or raise `full`."""

    @abstractmethod
    def get(self, queue: Any) -> Any:
        """Take the next item of a queue, or raise `empty`."""

    @abstractmethod
    def done(self, queue: Any) -> None:
        """Say that the work on an item is done."""

    def tenants(self, queue: Any, *, worker: Worker | None = None) -> tuple[object, ...]:
        """Let a worker take an item; return what it sees of the tenant then."""
        (worker or self.worker).do(lambda: self.get(queue))
        return (worker or self.worker).do(lambda: unpack("tenant"))
