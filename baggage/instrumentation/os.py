"""os: a process that forks itself goes on as two branches, of which the child is a new one.

By Python's own hooks around `os.fork` and `os.forkpty`, whoever calls them. The child carries what
its parent carried, and writes under roots of its own; its end is the process's own, if that ends
by itself: what `os._exit` ends is never told of. A process that nothing runs in, such as a server
that forks its workers, forks as without us; so does what stands in a library that forks.
"""

from __future__ import annotations

import atexit
import os
from contextvars import ContextVar
from typing import Final

from baggage.boundary import Boundary, Errand, Visit
from baggage.context import branch
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._patching import Switch


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Register hooks, once."""
    forking: ContextVar[Errand | None] = ContextVar("baggage.forking", default=None)

    def before() -> None:
        running = branch()
        if not switch.on or running is None or running.muted:
            return
        with boundary.isolated():
            dispatch = boundary.dispatch(_ADAPTER, None)
            if dispatch is not None:
                dispatch.start(lambda: None)
                forking.set(dispatch.errand())

    def in_child() -> None:
        errand = forking.get()
        if errand is not None:
            forking.set(None)
            atexit.register(Visit(errand, boundary, _ADAPTER).stay())

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=before, after_in_child=in_child, after_in_parent=lambda: forking.set(None)
        )


_ADAPTER: Final = ForkAdapter(
    "os", "fork", frozenset({"os"}), below=frozenset({"multiprocessing", "subprocess"})
)
