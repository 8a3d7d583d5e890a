"""Which traces are recorded, decided once, where a trace begins.

Holds the samplers, and how a setting names them. A decision that came with a request is never made
anew: a sampler is asked only where there is none, because the trace begins or because the caller
deferred it.
"""

from __future__ import annotations

import itertools
import logging
import re
import time
from collections.abc import Callable
from typing import Final

from baggage.boundary import Call
from metaapps.tracing.errors import SettingError

Sampler = Callable[[bytes, Call | None], bool]
"""Says whether to record the trace of these 16 bytes, which begins with this call.

There is no call where the application begins a span itself. Asked from any thread or task.
"""

_log = logging.getLogger("baggage.tracing")

_WHOLE: Final = 10_000
_LOW: Final = slice(8, 16)
_SECOND: Final = 1_000_000_000
_PARTS: Final = 10
_PART: Final = _SECOND // _PARTS
_WRAP: Final = 1 << 64
_LIMIT: Final = re.compile("([0-9]{1,9}) ?/ ?s")
_RATE: Final = re.compile(r"[0-9]{0,9}\.?[0-9]{0,9}")


def ALWAYS(_trace: bytes, _call: Call | None) -> bool:  # noqa: N802 - a constant among samplers
    """Record every trace."""
    return True


def NEVER(_trace: bytes, _call: Call | None) -> bool:  # noqa: N802 - a constant among samplers
    """Record none, but for those that a caller wants recorded."""
    return False


def boundary(rate: float) -> Sampler:
    """Record this share of traces: 0, 1, or between 0.0001 and 1 in steps of 0.0001.

    Decides by the lower 64 bits of the trace's id, so that every process of one rate decides alike,
    and those of a higher rate record all that the others do. Raises ValueError.

    From Brave's BoundarySampler: the bits' absolute value, modulo 10,000. Other than there, no salt
    is mixed in, and the value must be below the boundary, which Brave lets in too.
    """
    if not (rate == 0 or 1 / _WHOLE <= rate <= 1):
        raise ValueError(f"{rate!r} is no rate; give 0, or from 0.0001 to 1")
    limit = round(rate * _WHOLE)
    if limit in {0, _WHOLE}:
        return ALWAYS if limit else NEVER

    def sample(trace: bytes, _call: Call | None) -> bool:
        return abs(int.from_bytes(trace[_LOW], signed=True)) % _WHOLE < limit

    return sample


def rate_limited(per_second: int, clock: Callable[[], int] = time.monotonic_ns) -> Sampler:
    """Record so many traces a second at most, whatever their ids; 0 is none.

    From ten a second on, each tenth of a second has its share, the first what is left by dividing;
    what a tenth leaves may be used until the second is over. A second begins with the first
    decision after the last one's end. `clock` tells ns, and may start anywhere and wrap around at
    64 bits. Raises ValueError.

    From Brave's RateLimitingSampler, but without a lock, which a fork could leave locked.
    """
    if per_second < 0:
        raise ValueError(f"{per_second!r} traces a second are too few; give 0 or more")
    return _Limited(per_second, clock).sample if per_second else NEVER


def by_request(function: Callable[[Call], bool | None], otherwise: Sampler) -> Sampler:
    """Record what `function` says of the call that begins a trace.

    `otherwise` decides where it returns None, where it raises (which is logged), and for a span
    that no call begins.
    """

    def sample(trace: bytes, call: Call | None) -> bool:
        if call is not None:
            try:
                wanted = function(call)
            except Exception:  # noqa: BLE001 - the request is not to blame
                _log.exception("sampling function failed")
            else:
                if wanted is not None:
                    return bool(wanted)
        return otherwise(trace, call)

    return sample


def parse(text: str) -> Sampler:
    """Return the sampler that a setting names: "0.1", "100/s", "always" or "never".

    Raises SettingError.
    """
    word = text.strip().lower()
    if word in {"always", "never"}:
        return ALWAYS if word == "always" else NEVER
    limit = _LIMIT.fullmatch(word)
    if limit is not None:
        return rate_limited(int(limit[1]))
    if _RATE.fullmatch(word) and word.strip("."):
        try:
            return boundary(float(word))
        except ValueError:
            pass  # said below, together with all else that could be meant
    raise SettingError(
        f"TRACING_SAMPLE is {text!r}; "
        'set it to 0, a rate from 0.0001 to 1, a number a second like "100/s", "always" or "never"'
    )


class _Second:
    """What may be recorded in the second from `start` on, in ns. Safe for any thread."""

    __slots__ = ("_after", "_parts", "start")

    def __init__(self, start: int, per_second: int) -> None:
        self.start: Final = start
        share, rest = divmod(per_second, _PARTS)
        shares = [share + rest] + [share] * (_PARTS - 1)
        if per_second < _PARTS:
            shares = [per_second]
        # To count is one step that no other thread comes between, and so is `setdefault`.
        self._parts: Final = [(itertools.count(), share) for share in shares]
        self._after: Final[dict[int, _Second]] = {}

    def take(self, passed: int) -> bool:
        """Take one of what the parts up to this one have left, if anything."""
        for used, share in self._parts[: passed // _PART + 1]:  # noqa: SIM110 - any() costs more
            if next(used) < share:
                return True
        return False

    def after(self, now: int, per_second: int) -> _Second:
        """Return the second that follows this one, which whoever asks first begins."""
        return self._after.setdefault(0, _Second(now, per_second))


class _Limited:
    """A number of traces a second. `sample` may be called from any thread."""

    __slots__ = ("_clock", "_per_second", "_second")

    def __init__(self, per_second: int, clock: Callable[[], int]) -> None:
        self._per_second: Final = per_second
        self._clock: Final = clock
        self._second = _Second(clock(), per_second)

    def sample(self, _trace: bytes, _call: Call | None) -> bool:
        now = self._clock()
        second = self._second
        # A clock that went back has passed nearly all of its round.
        passed = (now - second.start) % _WRAP
        if passed >= _SECOND:
            second = self._second = second.after(now, self._per_second)
            passed = (now - second.start) % _WRAP
            if passed >= _SECOND:
                return second.take(0)  # another thread was faster, and began it after `now`
        return second.take(passed)
