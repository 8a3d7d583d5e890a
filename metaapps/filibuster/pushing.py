"""Pushing observations home behind the application's back: one thread in each process, bounded.

For what finds no way home in a response: too much for the headers, or too late for them. Where
observations are pushed for a response, that says so by the parcel's name (`Role.PUSHED`): so the
explorer knows what to wait for.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPConnection, HTTPException
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, Final, NamedTuple
from weakref import WeakMethod

from baggage.context import suppressed
from metaapps.filibuster.orders import Orders, sign
from metaapps.filibuster.reporting import OBSERVATIONS, heard, post
from metaapps.filibuster.wire import MAX_REPORT, Report, encode_report

_log = logging.getLogger("metaapps.filibuster")
_TIMEOUT: Final = 5.0
_PAUSE: Final = 1.0
"""A coordinator that was not reached is left alone for so many seconds; reports to it are lost."""
_MOST: Final = 10_000
"""So many parcels may wait; more are lost."""
_MOST_BYTES: Final = 64 << 20
"""What waits, and what is being sent, may hold so many bytes of observations; more is lost."""
_BATCH: Final = MAX_REPORT // 2
_AT_EXIT: Final = 2.0
_COORDINATORS: Final = 8


class Parcel(NamedTuple):
    """What is sent as one: observations of an execution, under a name; b"" for none."""

    coordinator: str
    key: bytes
    execution: str
    observations: tuple[bytes, ...]
    name: bytes = b""


class Pusher:
    """Posts parcels to coordinators, in the order in which they come. Safe in any thread.

    `push` never waits, and never fails. The thread starts with the first parcel, and anew in a
    forked child. What is left when the process ends is given two seconds.
    """

    def __init__(self) -> None:
        """Start with nothing to do."""
        self.lost = 0
        self._follows_forks = False
        self._renew()
        # OpenSSL sets itself up when it is first used, under locks that nobody would release in a
        # child that is forked meanwhile. So that is here, and not in a thread beside others.
        sign(b"", b"")

    def push(self, orders: Orders, observations: Iterable[bytes], name: bytes = b"") -> None:
        """Have observations of an execution posted soon."""
        told = tuple(observations)
        if not heard(orders):
            return
        size = sum(map(len, told))
        with self._lock:
            room = self._waiting.qsize() < _MOST and self._held + size <= _MOST_BYTES
            self._held += size if room else 0
        if not room:
            self._lose(len(told), "too much to report")
            return
        *others, last = _portions(told)
        to = orders.coordinator, orders.key, orders.execution
        for portion in others:
            self._waiting.put(Parcel(*to, portion))
        self._waiting.put(Parcel(*to, last, name))
        if not self._running:
            self._start()

    def flush(self, within: float) -> bool:
        """Wait until all that was pushed before is posted, or lost; False if it takes too long."""
        if not self._running and not self._waiting.empty():
            self._start()
        if not self._running:
            return self._waiting.empty()
        done = Event()
        self._waiting.put(done)
        return done.wait(within)

    def _renew(self) -> None:
        """Begin anew: in a forked child there is no thread, and what waits is the parent's."""
        self._lock = Lock()
        self._running = False
        self._held = 0
        self._flushes = False
        self._waiting: SimpleQueue[Parcel | Event] = SimpleQueue()
        self._connections: dict[str, HTTPConnection] = {}
        self._unreached: dict[str, float] = {}

    def _start(self) -> None:
        with self._lock, suppressed():
            if self._running:
                return
            self._know_of_ends()
            try:
                Thread(target=self._run, name="filibuster-reports", daemon=True).start()
            except RuntimeError:
                return  # No more threads now, or the interpreter ends. The next parcel tries again.
            self._running = True

    def _know_of_ends(self) -> None:
        """See to what happens when the process forks, and when it ends."""
        renew, flush = WeakMethod(self._renew), WeakMethod(self._at_exit)
        if not self._follows_forks and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _call(renew))
            self._follows_forks = True
        if not self._flushes:
            self._flushes = True
            atexit.register(lambda: _call(flush))
            # Processes that multiprocessing has started end without that.
            util: Any = sys.modules.get("multiprocessing.util")
            if util is not None:
                util.Finalize(None, lambda: _call(flush), exitpriority=0)

    def _at_exit(self) -> None:
        self.flush(_AT_EXIT)

    def _run(self) -> None:
        with suppressed():
            while True:
                for batch in _batches(self._next()):
                    if isinstance(batch, Event):
                        batch.set()
                    else:
                        self._send(batch)
                        with self._lock:
                            self._held -= sum(
                                len(one) for each in batch for one in each.observations
                            )

    def _next(self) -> list[Parcel | Event]:
        """Wait for something to do; return all that there is."""
        found = [self._waiting.get()]
        try:
            while len(found) < _MOST:
                found.append(self._waiting.get_nowait())
        except Empty:
            pass
        return found

    def _send(self, batch: Sequence[Parcel]) -> None:
        first = batch[0]
        told = [one for parcel in batch for one in parcel.observations]
        names = [parcel.name for parcel in batch if parcel.name]
        body = encode_report(Report(first.execution, told, names))
        if time.monotonic() < self._unreached.get(first.coordinator, 0.0):
            self.lost += len(told)
            return
        reason = ""
        # A connection that was kept may have been closed meanwhile: twice is heard once.
        for fresh in (False, True):
            try:
                if fresh:
                    self._hang_up(first.coordinator)
                self._post(first, body)
            # ValueError is for a host that can't be one.
            except (OSError, HTTPException, ValueError) as error:
                self._hang_up(first.coordinator)
                reason = str(error)
                if isinstance(error, TimeoutError):
                    break
            else:
                return
        if len(self._unreached) >= _COORDINATORS:
            self._unreached.clear()
        self._unreached[first.coordinator] = time.monotonic() + _PAUSE
        self._lose(len(told), reason, first.coordinator)

    def _post(self, parcel: Parcel, body: bytes) -> None:
        connection = self._connections.get(parcel.coordinator)
        if connection is None:
            if len(self._connections) >= _COORDINATORS:
                self._hang_up(next(iter(self._connections)))
            connection = HTTPConnection(parcel.coordinator, timeout=_TIMEOUT)
            self._connections[parcel.coordinator] = connection
        status, _ = post(connection, parcel.key, OBSERVATIONS, body)
        if status not in (200, 404):  # 404: nobody wants to hear of this execution any more
            raise HTTPException(f"answered {status}")

    def _hang_up(self, coordinator: str) -> None:
        connection = self._connections.pop(coordinator, None)
        if connection is not None:
            connection.close()

    def _lose(self, count: int, reason: str, coordinator: str = "") -> None:
        self.lost += count
        extra = {"coordinator": coordinator, "reason": reason, "count": count}
        _log.warning("observations lost", extra=extra)


def _batches(found: Sequence[Parcel | Event]) -> Iterable[Sequence[Parcel] | Event]:
    """Yield what can be sent as one, in order, and what waits for all before it to be sent."""
    batch: list[Parcel] = []
    size = 0
    for each in found:
        if isinstance(each, Event):
            if batch:
                yield batch
            yield each
            batch, size = [], 0
            continue
        length = _size(each)
        if batch and (each[:3] != batch[0][:3] or size + length > _BATCH):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


def _size(parcel: Parcel) -> int:
    return sum(map(len, parcel.observations))


def _portions(told: Sequence[bytes]) -> Iterable[tuple[bytes, ...]]:
    """Yield observations in portions that a report has room for; at least one."""
    portion: list[bytes] = []
    size = 0
    for one in told:
        if portion and size + len(one) > _BATCH:
            yield tuple(portion)
            portion, size = [], 0
        portion.append(one)
        size += len(one)
    yield tuple(portion)


def _call(method: WeakMethod[Callable[[], Any]]) -> None:
    bound = method()
    if bound is not None:
        bound()
