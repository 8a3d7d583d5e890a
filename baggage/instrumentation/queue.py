"""queue: what is put in one thread's context is taken in it by another thread.

Queue, LifoQueue, PriorityQueue and their subclasses; SimpleQueue is C and can't be hooked, so that
`baggage.enclose` is for it. Neither can what gevent and eventlet put in place of all of these: it's
compiled, or hands items over in a thread of neither side.
"""

from __future__ import annotations

import queue
from typing import Final

from baggage.boundary import Boundary
from baggage.instrumentation._ledger import Storage
from baggage.instrumentation._patching import Switch
from baggage.instrumentation._queue_adapter import QueueAdapter
from baggage.instrumentation._queueing import Queueing


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap queues, once; not what a process that was patched has in their place."""
    if queue.Queue.__module__ != queue.__name__:
        return
    queues = Queueing(boundary, switch, _ADAPTER, _STORAGE, queue.LifoQueue, _KEEPERS)
    queues.wrap(queue.Queue, put=queues.put, get=queues.get)


# anyio's threads run each function in the context that it was given with it; billiard's pool, which
# is Celery's, tells threads of its own what its processes are to do; the others keep connections.
_KEEPERS: Final = frozenset({"anyio", "billiard", "kombu", "redis", "urllib3"})
_STORAGE: Final = Storage(lambda lying: lying._qsize(), lambda lying: lying.queue)
_ADAPTER: Final = QueueAdapter(
    "queue",
    frozenset({"queue"}),
    # These hand things over to themselves.
    below=frozenset({"concurrent.futures", "http.client", "httpx", "requests", "urllib3"}),
)
