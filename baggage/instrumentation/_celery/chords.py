"""Chords by Redis: what all tasks of the header packed, for whichever of them ends last.

What becomes of it is in `bodies`. Other backends have that task read the results of the others, and
join them so; Redis keeps values alone beside one another, in places that must be the same when a
task is delivered again. So what comes back has a key beside.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from baggage.boundary import Boundary, Deferred, Delivery
from baggage.instrumentation._celery.messages import Meta
from baggage.instrumentation._celery.results import working
from baggage.instrumentation._patching import Function, Switch, wrap
from baggage.wire import NAME

_DAY: Final = 24 * 60 * 60


class Parts:
    """What the tasks of one header packed, as far as they have ended."""

    def __init__(self, boundary: Boundary, backend: Any, group: str) -> None:
        self._boundary, self._backend = boundary, backend
        self._key = backend.get_key_for_group(group, ".baggage")
        self._joined = False

    def add(self, task_id: str, delivery: Delivery | Deferred) -> None:
        """Keep what a task packed; of one that runs twice, what it packed the last time."""
        packed: dict[str, str] = {}
        delivery.answer(Meta(packed))
        if packed:
            with self._boundary.isolated(), self._backend.client.pipeline() as pipe:
                pipe.hset(self._key, task_id, packed[NAME])
                pipe.expire(self._key, self._backend.expires or _DAY)
                pipe.execute()

    def join(self) -> None:
        """Join all of it, once: this is the last task."""
        if self._joined:
            return
        self._joined = True
        with self._boundary.isolated():
            for packed in self._backend.client.hvals(self._key):
                told = packed.decode() if isinstance(packed, bytes) else packed
                self._boundary.bring_back(Meta({NAME: told}))

    def clear(self) -> None:
        """Forget it, if the body was published."""
        if self._joined:
            with self._boundary.isolated():
                self._backend.client.delete(self._key)


ending: Final[ContextVar[Parts | None]] = ContextVar("baggage.celery.parts", default=None)
"""What the header's tasks packed, where one of them has ended: for the body, if it was the last."""


def follow_chords(boundary: Boundary, switch: Switch) -> None:
    """Wrap the backend, now or as soon as it's imported."""
    import wrapt  # here: who instruments nothing doesn't wait for its imports

    def returning(wrapped: Function, backend: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        request: Any = args[0] if args else kwargs.get("request")
        delivery, group = working.get(), getattr(request, "group", None)
        if delivery is None or not group:
            return wrapped(*args, **kwargs)
        parts = Parts(boundary, backend, group)
        parts.add(request.id, delivery)
        token = ending.set(parts)
        try:
            return wrapped(*args, **kwargs)
        finally:
            ending.reset(token)
            parts.clear()

    def follow(module: ModuleType) -> None:
        backend: type = vars(module)["RedisBackend"]
        wrap(backend, "on_chord_part_return", switch, returning)

    wrapt.register_post_import_hook(follow, "celery.backends.redis")
