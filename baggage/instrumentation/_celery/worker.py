"""How a worker runs tasks: each in a scope of its own, in whichever pool."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from celery import states
from celery._state import _get_active_apps
from celery.app import trace

from baggage.boundary import Boundary, Delivery, run_work
from baggage.context import suppressed
from baggage.instrumentation._celery.messages import Taken
from baggage.instrumentation._celery.taking import taking
from baggage.instrumentation._patching import Function, Switch, replace, wrap

_CONSUMER: Final = "celery.worker.consumer.consumer"
"""The module that looks `build_tracer` up in itself, if it was imported before."""


def follow_workers(boundary: Boundary, switch: Switch) -> None:
    """Wrap what runs tasks, where it is built, and what was built by now; and hide pools."""
    import wrapt  # here: who instruments nothing doesn't wait for its imports

    def building(original: Function) -> Function:
        def build_tracer(name: str, task: Any, *args: Any, **kwargs: Any) -> Function:
            tracer: Function = original(name, task, *args, **kwargs)
            return tracer if kwargs.get("eager") else _traced(boundary, switch, task, tracer)

        return build_tracer

    replace(trace, "build_tracer", building)
    if _CONSUMER in sys.modules:
        vars(sys.modules[_CONSUMER])["build_tracer"] = trace.build_tracer
    for app in _get_active_apps():
        for task in list((app._tasks or {}).values()):
            if task.__trace__ is not None:
                task.__trace__ = _traced(boundary, switch, task, task.__trace__)

    def follow(module: ModuleType) -> None:
        wrap(vars(module)["BasePool"], "apply_async", switch, _unseen)

    wrapt.register_post_import_hook(follow, "celery.concurrency.base")


def _unseen(wrapped: Function, _: object, args: Any, kwargs: dict[str, Any]) -> Any:
    """Hand a task to a pool: the threads or greenlets that it has for that are no branches."""
    with suppressed():
        return wrapped(*args, **kwargs)


def _traced(boundary: Boundary, switch: Switch, task: Any, tracer: Function) -> Function:
    """Return what runs a task for a worker by its `tracer`: in the scope of its message."""

    def trace_task(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        if not switch.on or not isinstance(request, Mapping):
            return tracer(uuid, args, kwargs, request)
        taken = Taken(task.app, task.name, args, kwargs, request)
        with taking(boundary, taken, task) as delivery:
            ended = run_work(lambda: tracer(uuid, args, kwargs, taken.plain()))
            _tell(delivery, ended[1])
            return ended

    return trace_task


def _tell(delivery: Delivery, ended: Any) -> None:
    """Have flows hear how a task ended that did not succeed."""
    if ended is None or ended.state == states.IGNORED:
        return
    error = ended.retval
    if ended.state == states.REJECTED and getattr(error, "requeue", False):
        delivery.requeued()
    elif isinstance(error, BaseException):
        delivery.failed(error)
