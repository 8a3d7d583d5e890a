"""What came and was no baggage: dropped, with one log event for each message, and counted.

Belongs here: the event, and the count of a process. Does not: what is garbage, and what goes on
without it.
"""

from __future__ import annotations

import logging
from itertools import count

_log = logging.getLogger("baggage.values")
_dropped = count(1)


def dropped(reason: object, size: int) -> None:
    """Log that something of `size` bytes that came with a message was dropped, and why.

    The event's `count` says how many such messages there were in this process, so that a log that
    leaves out repetitions tells all the same. Safe in any thread.
    """
    extra = {"reason": str(reason), "size": size, "count": next(_dropped)}
    _log.warning("baggage dropped", extra=extra)
