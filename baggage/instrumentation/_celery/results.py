"""What comes back with results: under one key of what a backend stores of a task.

Belongs here: where results are stored by a worker, and where they are read. Backends that store
fixed columns (a database, MongoDB) drop the key, and nothing comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

from celery import states
from celery.backends.base import Backend
from celery.backends.rpc import RPCBackend
from celery.result import AsyncResult, ResultSet

from baggage.boundary import Boundary, Deferred, Delivery
from baggage.instrumentation._celery.messages import Meta
from baggage.instrumentation._patching import Function, Switch, wrap

_KEY: Final = "baggage.celery.working"
working: Final[ContextVar[Delivery | Deferred | None]] = ContextVar(_KEY, default=None)
"""The message whose task a worker runs here, or the body of a chord that it sends."""


def follow_results(boundary: Boundary, switch: Switch) -> None:
    """Wrap what stores results, and what reads them."""

    def storing(wrapped: Function, _: Backend, args: Any, kwargs: dict[str, Any]) -> Any:
        meta = wrapped(*args, **kwargs)
        delivery = working.get()
        if delivery is not None and meta["status"] in states.READY_STATES:
            delivery.answer(Meta(meta))
        return meta

    def reading(wrapped: Function, _: AsyncResult, args: Any, kwargs: dict[str, Any]) -> Any:
        meta = wrapped(*args, **kwargs)
        _bring_back(boundary, meta)
        return meta

    def telling(wrapped: Function, result: AsyncResult, args: Any, kwargs: dict[str, Any]) -> Any:
        _bring_back(boundary, result._cache)
        return wrapped(*args, **kwargs)

    def iterating(
        wrapped: Function, _: ResultSet, args: Any, kwargs: dict[str, Any]
    ) -> Iterator[Any]:
        return _each(boundary, wrapped(*args, **kwargs))

    wrap(Backend, "_get_result_meta", switch, storing)
    if "_get_result_meta" not in RPCBackend._to_result.__code__.co_names:  # before 5.5
        wrap(RPCBackend, "_to_result", switch, storing)
    wrap(AsyncResult, "_get_task_meta", switch, reading)
    wrap(AsyncResult, "maybe_throw", switch, telling)
    AsyncResult.maybe_reraise = AsyncResult.maybe_throw  # the same by an older name
    wrap(ResultSet, "iter_native", switch, iterating)


def _each(boundary: Boundary, metas: Iterator[Any]) -> Iterator[Any]:
    for task_id, meta in metas:
        _bring_back(boundary, meta)
        yield task_id, meta


def _bring_back(boundary: Boundary, meta: object) -> None:
    """Join what a task packed, for who reads what is stored of it."""
    if isinstance(meta, dict):
        boundary.bring_back(Meta(meta))
