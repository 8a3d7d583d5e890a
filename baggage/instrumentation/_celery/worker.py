"""How a worker runs tasks: each in a scope of its own, in whichever pool."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from celery import states
from celery._state import _get_active_apps
from celery.app import trace
from celery.exceptions import SoftTimeLimitExceeded

from baggage.boundary import Boundary, CallSite, Delivery, run_work
from baggage.context import enter, leave, suppressed
from baggage.instrumentation._celery.calls import CONSUMING, is_own
from baggage.instrumentation._celery.messages import Taken
from baggage.instrumentation._celery.results import working
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
        # Whatever the worker stands in, nothing of it is the task's.
        entered = enter(None)
        try:
            taken = Taken(task.app, task.name, args, kwargs, request)
            delivery = boundary.receive(CONSUMING, taken)
            if delivery is None:
                return tracer(uuid, args, kwargs, request)
            if is_own(task.name):
                delivery.call = None
            return _run(delivery, task, lambda: tracer(uuid, args, kwargs, taken.plain()))
        finally:
            leave(entered)

    return trace_task


def _run(delivery: Delivery, task: Any, work: Callable[[], Any]) -> Any:
    with delivery.opened(_wait):
        if delivery.branch is not None:
            # What Celery sends on for a task is sent from there: the rest of a chain, say.
            delivery.branch.place = _place(task)
        token = working.set(delivery)
        try:
            ended = run_work(work)
        finally:
            working.reset(token)
        _tell(delivery, ended[1])
        return ended


def _wait(seconds: float) -> None:
    """Wait until a message is due; the time limit is one for the task, not for this."""
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        pass


def _place(task: Any) -> CallSite:
    run = task.run
    module = getattr(run, "__module__", task.__module__)
    return CallSite(str(module), str(getattr(run, "__qualname__", task.name)))


def _tell(delivery: Delivery, ended: Any) -> None:
    """Have flows hear how a task ended that did not succeed."""
    if ended is None or ended.state == states.IGNORED:
        return
    error = ended.retval
    if ended.state == states.REJECTED and getattr(error, "requeue", False):
        delivery.requeued()
    elif isinstance(error, BaseException):
        delivery.failed(error)
