"""What an event loop runs while the thread that started it waits: that thread goes on there.

`asyncio.run(main())` does in a task what a function without a loop does by itself. The functional
test's calls in such a task are numbered as its own, so that they have the names that they have in a
test without a loop, or in a command. In services each task is a branch.
"""

from __future__ import annotations

import threading
from asyncio import events
from typing import NamedTuple

from baggage.boundary import Call
from metaapps.filibuster.lineage import Progress


class _Started(NamedTuple):
    name: bytes
    thread: int
    progress: Progress


class Mainline:
    """The tasks that go on with what their starters do, by starter. Safe in any thread.

    One for each starter at a time: if it starts two before it waits, the second one is a branch.
    """

    __slots__ = ("_lock", "_under_way")

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._under_way: dict[int, _Started] = {}

    def started(self, call: Call, index: bytes, progress: Progress) -> None:
        """Note that a branch with this `index` starts under `progress`."""
        if call.library != "asyncio" or events._get_running_loop() is not None:
            return
        with self._lock:
            started = _Started(index, threading.get_ident(), progress)
            self._under_way.setdefault(id(progress), started)

    def runs(self, index: bytes) -> Progress | None:
        """Return whose progress it is that a branch makes which runs here; None for its own."""
        with self._lock:
            for started in self._under_way.values():
                if started.name == index and started.thread == threading.get_ident():
                    return started.progress
        return None

    def ended(self, index: bytes) -> None:
        """Note that a branch with this `index` ended, or never ran."""
        with self._lock:
            for key, started in list(self._under_way.items()):
                if started.name == index:
                    del self._under_way[key]
