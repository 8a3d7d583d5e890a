"""What the parts of the suite for queues share: how a queue is used, and workers to use it."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, ClassVar, TypeVar

import pytest

from baggage.boundary import (
    PROCEED,
    Arrival,
    Kind,
    write_header,
)
from baggage.context import unpack
from baggage.testing.apps import Recorder, Script, Scripted
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.suite import InstrumentationSuite
from baggage.values import EMPTY

T = TypeVar("T")


class Worker:
    """A thread that does one step after the other, in a context of its own that stays warm."""

    def __init__(self) -> None:
        self._steps: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def do(self, step: Callable[[], T]) -> T:
        """Let the worker take a step; return or raise what it did."""
        told: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

        def take() -> None:
            try:
                told.put((step(), None))
            except BaseException as error:  # noqa: BLE001 - told to whoever asked for the step
                told.put((None, error))

        self._steps.put(take)
        result, error = told.get(timeout=20)
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is a result, or an error

    def stop(self) -> None:
        """Let the worker end, and wait for it."""
        self._steps.put(None)
        self._thread.join(20)

    def _work(self) -> None:
        while (step := self._steps.get()) is not None:
            step()


class QueueBase(InstrumentationSuite):
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

    @pytest.fixture(autouse=True)
    def _workers(self) -> Iterator[None]:
        self.worker, self.other = Worker(), Worker()
        yield
        self.worker.stop()
        self.other.stop()

    worker: Worker
    other: Worker

    @contextmanager
    def request(self, tenant: str = "") -> Iterator[Arrival]:
        """Serve a request of a tenant."""
        header = write_header(EMPTY.pack("tenant", tenant) if tenant else EMPTY, origin="caller")
        arrival = self.boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel({"baggage": header}))
        assert arrival is not None
        with arrival.scope():
            arrival.begin()
            yield arrival
            arrival.respond(None)
        arrival.close()

    def recorded(self, *kinds: Kind) -> Recorder:
        """Register a recorder of these kinds of crossings."""
        recorder = Recorder(kinds=kinds)
        self.boundary.register(recorder)
        return recorder

    def scripted(self, kind: Kind, first: Script = PROCEED, then: object = None) -> Scripted:
        """Register a scripted meta-application."""
        scripted = Scripted(first, then, kinds=(kind,))
        self.boundary.register(scripted)
        return scripted

    def tenants(self, queue: Any, *, worker: Worker | None = None) -> tuple[object, ...]:
        """Let a worker take an item; return what it sees of the tenant then."""
        (worker or self.worker).do(lambda: self.get(queue))
        return (worker or self.worker).do(lambda: unpack("tenant"))
