"""Tasks that end where nobody runs them: killed with their process, out of time, or revoked.

The worker's main process stores their results then, and sends on what is to follow. It does that in
the scope of their messages; what the lost process packed is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.exceptions import Ignore, Retry, TaskRevokedError

from baggage.boundary import Boundary, Delivery
from baggage.instrumentation._celery.messages import Taken
from baggage.instrumentation._celery.results import working
from baggage.instrumentation._celery.taking import taking
from baggage.instrumentation._patching import Function, Switch, wrap

_LOST = (Terminated, TimeLimitExceeded, WorkerLostError, SystemExit, KeyboardInterrupt)


def follow_lost(boundary: Boundary, switch: Switch) -> None:
    """Wrap what a worker does about them, now or as soon as it's imported."""
    import wrapt  # here: who instruments nothing doesn't wait for its imports

    def timing(wrapped: Function, request: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        told = dict(zip(("soft", "timeout"), args, strict=False)) | kwargs
        if told.get("soft"):
            return wrapped(*args, **kwargs)
        error = TimeLimitExceeded(told.get("timeout"))
        return _about(boundary, request, error, lambda: wrapped(*args, **kwargs))

    def failing(wrapped: Function, request: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        told = args[0] if args else kwargs.get("exc_info")
        error = getattr(told, "exception", None)
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if not isinstance(error, BaseException) or isinstance(error, Retry | Ignore):
            return wrapped(*args, **kwargs)
        return _about(boundary, request, error, lambda: wrapped(*args, **kwargs))

    def revoking(wrapped: Function, request: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        error = TaskRevokedError(args[0] if args else kwargs.get("reason"))
        return _about(boundary, request, error, lambda: wrapped(*args, **kwargs), lost=True)

    def rejecting(wrapped: Function, _: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        delivery = working.get()
        if isinstance(delivery, Delivery) and (args[0] if args else kwargs.get("requeue")):
            delivery.requeued()
        return wrapped(*args, **kwargs)

    def follow(module: ModuleType) -> None:
        request: type = vars(module)["Request"]
        wrap(request, "reject", switch, rejecting)
        wrap(request, "on_timeout", switch, timing)
        wrap(request, "on_failure", switch, failing)
        wrap(request, "_announce_revoked", switch, revoking)

    wrapt.register_post_import_hook(follow, "celery.worker.request")


def _about(
    boundary: Boundary,
    request: Any,
    error: BaseException,
    work: Callable[[], Any],
    *,
    lost: bool = False,
) -> Any:
    """Do some work about a task that ended so; flows hear of that, unless they have already."""
    if working.get() is not None:
        return work()
    killed, task = isinstance(error, _LOST), request.task
    lost = lost or killed
    taken = Taken(
        request.app, task.name, request.args, request.kwargs, request.request_dict, lost=killed
    )
    with taking(boundary, taken, task, again=not lost) as delivery:
        delivery.failed(error)
        return work()
