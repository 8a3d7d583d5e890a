"""Workers for suites: threads that stay warm, requests that they serve, and who watches them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

import pytest

from baggage.boundary import Arrival, Kind, write_header
from baggage.testing._watched import WatchedSuite
from baggage.testing.parcel import Parcel, ParcelAdapter
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
        result, error = told.get(timeout=60)
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is a result, or an error

    def stop(self) -> None:
        """Let the worker end, and wait for it."""
        self._steps.put(None)
        self._thread.join(60)

    def _work(self) -> None:
        while (step := self._steps.get()) is not None:
            step()


class WorkersSuite(WatchedSuite):
    """Base of suites of what hands over messages: two workers, requests, meta-applications."""

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
