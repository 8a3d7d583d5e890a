"""How a worker runs tasks: each in a scope of its own, in whichever pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from celery import states
from celery.app.trace import TraceInfo

from baggage.boundary import Boundary, Delivery
from baggage.context import enter, leave
from baggage.instrumentation._celery.calls import CONSUMING
from baggage.instrumentation._celery.messages import Taken
from baggage.instrumentation._celery.results import working
from baggage.instrumentation._patching import Function, Switch


def traced(boundary: Boundary, switch: Switch, task: Any, tracer: Function) -> Function:
    """Return what runs a task for a worker by its `tracer`: in the scope of its message."""

    def trace_task(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        if not switch.on or not isinstance(request, Mapping):
            return tracer(uuid, args, kwargs, request)
        taken = Taken(task.app, task.name, args, kwargs, request)
        delivery = boundary.receive(CONSUMING, taken)
        if delivery is None:
            return tracer(uuid, args, kwargs, request)
        return _run(delivery, lambda: tracer(uuid, args, kwargs, taken.plain()))

    return trace_task


def _run(delivery: Delivery, work: Callable[[], Any]) -> Any:
    """Run a task in a scope of its own, whatever its worker stands in."""
    entered = enter(None)
    try:
        with delivery.opened():
            token = working.set(delivery)
            try:
                ended = work()
            finally:
                working.reset(token)
            _tell(delivery, ended[1])
            return ended
    finally:
        leave(entered)


def _tell(delivery: Delivery, ended: TraceInfo | None) -> None:
    """Have flows hear how a task ended that did not succeed."""
    if ended is None or ended.state == states.IGNORED:
        return
    error = ended.retval
    if ended.state == states.REJECTED and getattr(error, "requeue", False):
        delivery.requeued()
    elif isinstance(error, BaseException):
        delivery.failed(error)
