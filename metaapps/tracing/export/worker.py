"""The background thread of a reporter: takes spans from a queue, encodes and sends them.

What the application does, and what happens in a forked child, is in `reporter`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, final

from baggage.context import suppressed
from metaapps.tracing.export.delivery import Delivery, Losses, Retry
from metaapps.tracing.export.encoding import Encoding
from metaapps.tracing.export.sink import Sink
from metaapps.tracing.span import Span

TOO_LARGE: Final = "too large"
UNENCODABLE: Final = "not encodable"
CLOSED: Final = "closed"
QUEUE_FULL: Final = "queue full"

# About 1 ms of encoding, after which whoever waits for the interpreter, or its hub, has a turn.
_TURN: Final = 150


@final
class Bell:
    """Wakes whoever waits for it, now or later, once.

    To ring takes no lock and waits for nobody, so it may be done in signal handlers and finalizers,
    whatever they interrupted; events and conditions have locks inside.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:
                pass  # Somebody else rang in between.

    def wait(self, seconds: float) -> bool:
        """Wait for the bell, so long at most, and say whether it rang."""
        return self._lock.acquire(timeout=min(max(seconds, 0.0), threading.TIMEOUT_MAX))


Queue = deque[Span | Bell]
"""Spans as they were reported, and the bells of those who wait until all before was sent."""


class Worker:
    """Works one queue off. `run` is its thread; whatever else is called in any other."""

    def __init__(
        self,
        queue: Queue,
        sink: Sink,
        encoding: Encoding,
        *,
        interval: float,
        message_bytes: int,
        retry: Retry,
        overflow: Callable[[], int],
    ) -> None:
        """Prepare. `overflow` says how many spans found the queue full by now."""
        self.bell: Final = Bell()
        self.over: Final = Bell()
        self.losses: Final = Losses()
        self._queue: Final = queue
        self._sink: Final = sink
        self._encoding: Final = encoding
        self._interval: Final = interval
        self._limit: Final = message_bytes
        # `Encoding.size` in parts: it is linear, and this is done for every span.
        self._room: Final = message_bytes - encoding.frame
        self._seam: Final = encoding.seam
        self._delivery: Final = Delivery(sink, encoding, retry, self.losses, self._pause)
        self._overflow: Final = overflow
        self._hurry: Final = Bell()
        self._hurried = False
        self._ended = False
        self._deserted = False

    @property
    def sent(self) -> int:
        """How many spans somebody took."""
        return self._delivery.sent

    def run(self) -> None:
        """Send what is in the queue, each time the interval is over or the bell rings."""
        with suppressed():
            if any(isinstance(item, Bell) for item in self._queue.copy()):
                self.bell.ring()  # Who waits may have come too early to ring it.
            while not self._ended:
                self.bell.wait(self._interval)
                self.work()
            self.work()
            if not self._deserted:
                self._sink.close()
        self.over.ring()

    def work(self) -> None:
        """Send all that is in the queue."""
        spans: list[bytes] = []
        total = 0
        for item in self._taken():
            if type(item) is Bell:
                self._send(spans)
                spans, total = [], 0
                item.ring()
                continue
            span = self._encoded(item)
            size = len(span) + self._seam
            if total + size > self._room and spans:
                self._send(spans)
                spans, total = [], 0
            if span:
                spans.append(span)
                total += size
        self._send(spans)
        if self._overflow():
            self.losses.tell(QUEUE_FULL, "spans end faster than they are sent")

    def hurry(self) -> None:
        """Try what is under way but once more, at once, and what follows but once."""
        self._hurried = True
        self._hurry.ring()

    def end(self) -> None:
        """Drop what is left, and let the thread end as soon as it can."""
        self._ended = True
        self.hurry()
        self.bell.ring()

    def forked(self) -> None:
        """Do nothing more, in a forked child: a thread is gone there, but a greenlet is not."""
        self._deserted = True
        self.losses.silence()
        self._queue.clear()
        self.end()

    def _taken(self) -> Iterator[Span | Bell]:
        turn = 0
        while True:
            try:
                item = self._queue.popleft()
            except IndexError:
                return
            yield item
            turn += 1
            if turn == _TURN:
                turn = 0
                time.sleep(0)

    def _encoded(self, span: Span) -> bytes:
        """Return a span as bytes; none if that can't be, or nobody would take it."""
        try:
            encoded = self._encoding.span(span)
        except Exception as error:  # noqa: BLE001 - counted, and the other spans go on
            name = getattr(span, "name", span)
            self.losses.add(UNENCODABLE, 1, f"span {name!r:.60}: {error!r:.200}")
            return b""
        if len(encoded) + self._seam > self._room:
            size, limit = self._encoding.size(len(encoded), 1), self._limit
            reason = f"span {span.name!r:.60} of {size} bytes, in messages of {limit} at most"
            self.losses.add(TOO_LARGE, 1, reason)
            return b""
        return encoded

    def _send(self, spans: list[bytes]) -> None:
        if not spans:
            return
        if self._ended:
            self.losses.add(CLOSED, len(spans), "what was not sent by then")
        else:
            self._delivery.deliver(spans)

    def _pause(self, seconds: float) -> bool:
        if self._hurried:
            return False
        self._hurry.wait(seconds)
        return not self._ended
