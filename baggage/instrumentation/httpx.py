"""httpx: every wire attempt of its clients, plain and asynchronous. How is in `_httpx`."""

from __future__ import annotations

import httpx

from baggage.boundary import Boundary
from baggage.instrumentation import _httpx
from baggage.instrumentation._patching import Switch


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap httpx, once; an alias of httpx2 is left to httpx2's own instrumentation."""
    if httpx.__name__ == "httpx":
        _httpx.instrument(boundary, switch, httpx)
