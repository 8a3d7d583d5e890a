"""httpx2: every wire attempt of its clients, plain and asynchronous. How is in `_httpx`."""

from __future__ import annotations

import httpx2

from baggage.boundary import Boundary
from baggage.instrumentation import _httpx
from baggage.instrumentation._patching import Switch


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap httpx2, once."""
    _httpx.instrument(boundary, switch, httpx2)
