"""Reporting spans: the application hands each over and never waits; a thread sends them.

How the thread works is in `worker`, what it does about failures in `delivery`, and how a message
travels in the sink. Nothing here outlives its process: a forked child begins with nothing.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from threading import RLock
from typing import Final
from weakref import WeakMethod

from baggage.context import suppressed
from metaapps.tracing.export.delivery import Retry
from metaapps.tracing.export.encoding import Encoding
from metaapps.tracing.export.sink import Sink
from metaapps.tracing.export.worker import CLOSED, QUEUE_FULL, Bell, Queue, Worker
from metaapps.tracing.span import Span

MESSAGE_BYTES: Final = 500_000
CAPACITY: Final = 10_000
INTERVAL: Final = 1.0
PATIENCE: Final = 5.0

_BATCH: Final = 1_000
_LAST: Final = -100
_RETRY: Final = Retry()


class Reporter:
    """Sends spans in the background, by one daemon thread in each process that reports any.

    `report` is safe in any thread, task or greenlet, in signal handlers and in finalizers, and
    never waits. A span that can't be sent is dropped and counted; each cause is logged once, in the
    background. At the end of the process, and of a child by multiprocessing, what is left is sent
    within `leave_within` seconds, without waiting for a server that is down. A process that is
    killed, or ends by `os._exit`, loses what it reported within the last `interval`.

    Patch the process for gevent or eventlet before the first span: from then on the thread is what
    it is.
    """

    def __init__(
        self,
        sink: Sink,
        encoding: Encoding,
        *,
        capacity: int = CAPACITY,
        interval: float = INTERVAL,
        message_bytes: int = MESSAGE_BYTES,
        retry: Retry = _RETRY,
        leave_within: float = 2.0,
    ) -> None:
        """Prepare; nothing is opened or started before the first span.

        At most about `capacity` spans wait. They are sent every `interval` seconds, sooner when
        many wait, as messages of at most `message_bytes`.
        """
        self._sink: Final = sink
        self._encoding: Final = encoding
        self._capacity: Final = capacity
        self._batch: Final = max(1, min(capacity // 2, _BATCH))
        self._interval: Final = interval
        self._message_bytes: Final = message_bytes
        self._retry: Final = retry
        self._leave_within: Final = leave_within
        self._closed = False
        self._begin()
        if hasattr(os, "register_at_fork"):
            forked = WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: _call(forked()))

    def report(self, span: Span) -> None:
        """Take a span that ended."""
        queue = self._queue
        # The one comparison that is usual: there is a thread, and it need not be woken.
        if len(queue) < self._room:
            queue.append(span)
        else:
            self._crowded(span)

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Wait until all spans reported before are sent, or dropped; False if that took longer.

        `timeout` is in seconds. Not for signal handlers.
        """
        return self._closed or self._flush(timeout)

    def close(self, timeout: float = PATIENCE) -> bool:
        """Flush, and let the thread end; False if spans were dropped for want of time.

        What is reported from now on is dropped and counted. To close again does nothing.
        """
        if self._closed:
            return True
        self._closed, self._room = True, 0
        deadline = time.monotonic() + timeout
        done = self._flush(timeout)
        if self._worker is not None:
            self._worker.end()
            if done and not self._unstarted:
                self._worker.over.wait(deadline - time.monotonic())
        atexit.unregister(self._leave)
        return done

    @property
    def sent(self) -> int:
        """How many spans were taken by the other side, since this process began."""
        return 0 if self._worker is None else self._worker.sent

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many spans were dropped by now, by cause; causes that never occurred are missing."""
        counts = {} if self._worker is None else dict(self._worker.losses.counts)
        for cause, tally in ((QUEUE_FULL, self._overflown), (CLOSED, self._late)):
            if seen := tally.value():
                counts[cause] = counts.get(cause, 0) + seen
        return counts

    def _begin(self) -> None:
        """Begin in a process: without spans, and without a thread."""
        self._queue: Queue = deque()
        self._room = 0
        self._worker: Worker | None = None
        # Whoever pops it starts the thread: a lock that a signal handler can't be stuck at.
        self._unstarted = [True]
        self._overflown, self._late = Tally(), Tally()

    def _forked(self) -> None:
        worker = self._worker
        self._begin()
        if worker is not None:
            worker.forked()
            self._sink.forked()

    def _crowded(self, span: Span) -> None:
        """Take a span when there is something else to do, too."""
        if self._closed:
            self._late.add()
            return
        if len(self._queue) < self._capacity:
            self._queue.append(span)
        else:
            self._overflown.add()
        self._wake()

    def _wake(self) -> None:
        if self._unstarted:
            self._start()
        elif self._worker is not None:
            self._worker.bell.ring()

    def _start(self) -> None:
        try:
            self._unstarted.pop()
        except IndexError:
            return  # Somebody else does it.
        worker = self._worker = self._worker or self._hired()
        try:
            with suppressed():
                # `threading` has locks that a finalizer may have interrupted, and waits until the
                # thread runs. Like a daemon, such a thread keeps no process alive.
                _thread.start_new_thread(worker.run, ())
        except RuntimeError:
            # No more threads now, or the interpreter ends. The next span tries again.
            self._unstarted.append(True)
            return
        self._room = self._batch
        if self._closed:
            self._room = 0
        _at_exit(self._leave)

    def _hired(self) -> Worker:
        return Worker(
            self._queue,
            self._sink,
            self._encoding,
            interval=self._interval,
            message_bytes=self._message_bytes,
            retry=self._retry,
            overflow=self._overflown.value,
        )

    def _flush(self, timeout: float) -> bool:
        if self._worker is None and not self._queue:
            return True
        bell = Bell()
        self._queue.append(bell)
        self._wake()
        if self._unstarted:
            self._work_here()
        return bell.wait(timeout)

    def _work_here(self) -> None:
        """Do what the thread would, where none can be started any more."""
        try:
            self._unstarted.pop()
        except IndexError:
            return
        try:
            if self._worker is not None:
                self._worker.hurry()
                with suppressed():
                    self._worker.work()
                    self._sink.close()
        finally:
            self._unstarted.append(True)

    def _leave(self) -> None:
        if self._worker is not None:
            self._worker.hurry()
        if not self.close(self._leave_within) and self._worker is not None:
            self._worker.losses.tell(CLOSED, "the process ends, and nobody answered")


class Tally:
    """Counts in any thread, also in signal handlers and finalizers: adding takes no lock."""

    __slots__ = ("_added", "_lock", "_looks")

    def __init__(self) -> None:
        self._added: Final = count()
        self._looks = 0
        self._lock: Final = RLock()

    def add(self) -> None:
        """Count one more."""
        next(self._added)

    def value(self) -> int:
        """Return how many there are by now."""
        with self._lock:
            looks, self._looks = self._looks, self._looks + 1
            return next(self._added) - looks


def _at_exit(leave: Callable[[], None]) -> None:
    atexit.unregister(leave)  # A forked child has its parent's.
    atexit.register(leave)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        # Where such children are forked they end without `atexit`.
        sys.modules["multiprocessing.util"].Finalize(None, leave, exitpriority=_LAST)


def _call(forked: Callable[[], None] | None) -> None:
    if forked is not None:
        forked()
