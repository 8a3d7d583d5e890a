"""uvloop: its loops' tasks, and calls in their executors, are branches as those of asyncio.

Its crossings are asyncio's, so that it's the same call on either loop.
"""

from __future__ import annotations

import uvloop

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Switch
from baggage.instrumentation._tasks import instrument_loop


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap its loops, once."""
    instrument_loop(uvloop.Loop, boundary, switch)
