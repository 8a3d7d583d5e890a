"""Delivering a batch of encoded spans: tried again when that may help, in parts when one is bad.

Knows no threads: how to wait is an argument. What is delivered is counted, and so is what is not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Final

from metaapps.tracing.export.encoding import Encoding
from metaapps.tracing.export.sink import Refused, Sink, Unavailable

logger: Final = logging.getLogger("metaapps.tracing")

REFUSED: Final = "refused"
UNAVAILABLE: Final = "unavailable"
FAILED: Final = "failed"

# Finding one bad span of a thousand takes ten refusals; a server that refuses all ends this soon.
_REFUSALS: Final = 64

# Not the generator that applications seed, nor one that forked processes would share.
_chance: Final = SystemRandom().uniform


@dataclass(frozen=True, slots=True)
class Retry:
    """How often to try, and how long to wait in between, in seconds.

    The wait doubles from `first` to `longest`, and each is cut at random, by half at most, so that
    those who failed together don't come back together. A server that asks for a longer wait gets
    it, up to `patience`.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 8.0
    patience: float = 30.0

    def wait(self, failures: int, asked: float | None) -> float:
        """Return how long to wait after so many failures in a row, at least one."""
        whole = min(self.first * 2.0 ** (failures - 1), self.longest)
        return max(_chance(whole / 2, whole), min(asked or 0.0, self.patience))


class Losses:
    """Counts what is dropped, by cause, and logs each cause once. Written by one thread alone."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._told: set[str] = set()
        self._silent = False

    @property
    def counts(self) -> Mapping[str, int]:
        """How many spans were dropped, by cause; as of now, from any thread."""
        return self._counts.copy()

    def add(self, cause: str, spans: int, reason: object, error: Exception | None = None) -> None:
        """Count so many spans more. An `error` is logged with its traceback."""
        self._counts[cause] = self._counts.get(cause, 0) + spans
        self.tell(cause, reason, error)

    def tell(self, cause: str, reason: object, error: Exception | None = None) -> None:
        """Log a cause unless that was done, without counting."""
        if cause in self._told or self._silent:
            return
        self._told.add(cause)
        extra = {"cause": cause, "reason": str(reason)}
        try:
            logger.warning("spans are lost, %s: %s", cause, reason, extra=extra, exc_info=error)
        except Exception:  # noqa: BLE001, S110 - a filter's; what follows is not to blame
            pass

    def silence(self) -> None:
        """Log nothing any more."""
        self._silent = True


class Delivery:
    """Delivers batches to one sink, one at a time. At least once each: see `deliver`."""

    def __init__(
        self,
        sink: Sink,
        encoding: Encoding,
        retry: Retry,
        losses: Losses,
        pause: Callable[[float], bool],
    ) -> None:
        """Prepare. `pause` waits so many seconds, and says whether to try again at all."""
        self._sink: Final = sink
        self._encoding: Final = encoding
        self._retry: Final = retry
        self._losses: Final = losses
        self._pause: Final = pause
        self.sent = 0

    def deliver(self, spans: Sequence[bytes]) -> None:
        """Send encoded spans as one message, or count them as dropped. Raises nothing.

        A message that is refused as bad is sent again by halves, for those that are good. Where a
        connection ends before the answer came nobody knows whether the message arrived: it is sent
        again, so a server may get it twice, but never less than once.
        """
        pending, refusals = [spans], 0
        while pending:
            some = pending.pop()
            try:
                self._push(self._encoding.message(some))
            except Refused as refusal:
                refusals += 1
                if refusal.divisible and len(some) > 1 and refusals < _REFUSALS:
                    middle = len(some) // 2
                    pending += (some[middle:], some[:middle])
                else:
                    self._losses.add(REFUSED, len(some), refusal)
            except Unavailable as failure:
                left = len(some) + sum(map(len, pending))
                return self._losses.add(UNAVAILABLE, left, failure)
            except Exception as error:  # noqa: BLE001 - counted, and what follows goes on
                left = len(some) + sum(map(len, pending))
                return self._losses.add(FAILED, left, repr(error), error)
            else:
                self.sent += len(some)
        return None

    def _push(self, message: bytes) -> None:
        failures = 0
        while True:
            try:
                return self._sink.send(message)
            except Unavailable as failure:
                failures += 1
                if failures >= self._retry.attempts:
                    raise
                if not self._pause(self._retry.wait(failures, failure.after)):
                    raise
