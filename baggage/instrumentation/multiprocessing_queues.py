"""multiprocessing.queues: what is put by one process in its context is taken in it by another.

An item travels in an `Envelope`, which unpickles to the item itself, in any process: one that is
instrumented finds there what came along, while it gets the item. Where nothing runs in a branch,
and in queues that handle what does not pickle by themselves, items travel bare.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from logging import LogRecord
from multiprocessing.queues import JoinableQueue, Queue, SimpleQueue
from typing import Any, Final

from baggage.boundary import Boundary, Errand, Letter, finish
from baggage.context import branch
from baggage.instrumentation._patching import Function, Switch, Wrapper, replace, wrap
from baggage.instrumentation._queue_adapter import QueueAdapter

Arguments = tuple[Any, ...]
Named = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An item and what goes along with it, until it's pickled."""

    item: Any
    errand: Errand

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle to the item alone."""
        return _opened, (self.item, self.errand)


_came: Final[ContextVar[Errand | None]] = ContextVar("baggage.queue.came", default=None)
"""What came along with the item that is being unpickled here."""


def _opened(item: Any, errand: Errand) -> Any:
    _came.set(errand)
    return item


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap queues between processes, once."""

    def put(wrapped: Callable[..., None], queue: Any, args: Arguments, kwargs: Named) -> None:
        running = branch()
        if not args or running is None or running.muted:
            return wrapped(*args, **kwargs)
        # What a log says tells of a request, and is no part of it.
        if isinstance(args[0], LogRecord) or _handles_errors(queue) or _asked_by_a_pool():
            return wrapped(*args, **kwargs)
        letter = boundary.post(_ADAPTER, type(queue))
        if letter is None:
            return wrapped(*args, **kwargs)
        item, *rest = args

        def again() -> None:
            blocking = {} if isinstance(queue, SimpleQueue) else {"block": False}
            wrapped(Envelope(item, letter.errand()), **blocking)

        return letter.send(lambda: wrapped(Envelope(item, letter.errand()), *rest, **kwargs), again)

    def get(wrapped: Callable[..., Any], queue: Any, args: Arguments, kwargs: Named) -> Any:
        finish(queue)
        token = _came.set(None)
        try:
            item = wrapped(*args, **kwargs)
            errand = _came.get()
        finally:
            _came.reset(token)
        if errand is None:
            return item
        return Letter.arrived(boundary, _ADAPTER, type(queue), errand).take(item, queue)

    for kind, name in ((Queue, "put"), (JoinableQueue, "put"), (SimpleQueue, "put")):
        replace(kind, name, _plain(switch, put))
    for kind, name in ((Queue, "get"), (SimpleQueue, "get")):
        replace(kind, name, _plain(switch, get))
    wrap(JoinableQueue, "task_done", switch, _done)


def _plain(switch: Switch, wrapper: Wrapper) -> Callable[[Function], Function]:
    """Make plain methods: what wrapt binds can't be pickled, as `Process(target=queue.put)` is."""

    def make(original: Function) -> Function:
        def method(queue: Any, *args: Any, **kwargs: Any) -> Any:
            if not switch.on:
                return original(queue, *args, **kwargs)
            return wrapper(partial(original, queue), queue, args, kwargs)

        return method

    return make


def _handles_errors(queue: Any) -> bool:
    """Say whether a queue wants to know which object could not be sent, and would see ours."""
    own = getattr(type(queue), "_on_queue_feeder_error", None)
    return own is not None and own is not Queue._on_queue_feeder_error  # type: ignore[attr-defined]


def _asked_by_a_pool() -> bool:
    """Say whether it's a pool that puts something, into a queue of its own."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = str(frame.f_globals.get("__name__"))
        if not module.startswith(_BETWEEN):
            return module.startswith(_POOLS)
        frame = frame.f_back
    return False


def _done(wrapped: Callable[..., None], queue: Any, args: Arguments, kwargs: Named) -> None:
    # Before: whoever waits for the queue to be done shall find what the consumer left behind.
    finish(queue)
    wrapped(*args, **kwargs)


_BETWEEN: Final = ("baggage.", "wrapt", "multiprocessing.queues")
_POOLS: Final = ("multiprocessing.", "concurrent.")
_ADAPTER: Final = QueueAdapter("multiprocessing.queues", frozenset({"multiprocessing"}))
