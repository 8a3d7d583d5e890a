"""Batches of celery-batches: one run for many messages, which knows what all of them know.

What it is given of each message has no headers, so they are kept with it, on its way to the process
that runs the batch, too.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any, Final, cast

from baggage.boundary import Boundary, Delivery, batch, run_work
from baggage.context import branch, enter, leave
from baggage.instrumentation._celery.calls import CONSUMING
from baggage.instrumentation._celery.messages import Taken
from baggage.instrumentation._celery.results import working
from baggage.instrumentation._patching import Function, Switch, wrap

_KEPT: Final = "_baggage_headers"


def follow_batches(boundary: Boundary, switch: Switch) -> None:
    """Wrap tasks that take batches, now or as soon as they are imported."""
    import wrapt  # here: who instruments nothing doesn't wait for its imports

    def making(wrapped: Function, _: object, args: Any, kwargs: dict[str, Any]) -> Any:
        made = wrapped(*args, **kwargs)
        request = args[0] if args else kwargs["request"]
        told = {k: v for k, v in request.request_dict.items() if isinstance(v, str | int)}
        setattr(made, _KEPT, {**told, "delivery_info": request.delivery_info})
        return made

    def calling(wrapped: Function, task: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        requests = args[0] if len(args) == 1 and isinstance(args[0], list) else ()
        taken = [each for each in map(partial(_taken, task), requests) if each is not None]
        if not taken:
            return wrapped(*args, **kwargs)
        # Whatever the worker stands in, nothing of it is the batch's; so nothing is muted either.
        entered = enter(None)
        try:
            deliveries = [boundary.receive(CONSUMING, each) for each in taken]
            return _run(cast(list[Delivery], deliveries), wrapped, args, kwargs)
        finally:
            leave(entered)

    def follow(module: ModuleType) -> None:
        wrap(vars(module)["SimpleRequest"], "from_request", switch, making)
        wrap(vars(module)["Batches"], "__call__", switch, calling)

    wrapt.register_post_import_hook(follow, "celery_batches")


def _taken(task: Any, request: Any) -> Taken | None:
    """Return one of the messages of a batch; None for what came by none."""
    headers = getattr(request, _KEPT, None)
    if headers is None:
        return None
    return Taken(task.app, task.name, request.args, request.kwargs, headers)


def _run(deliveries: list[Delivery], work: Function, args: Any, kwargs: dict[str, Any]) -> Any:
    with batch(deliveries):
        # What is stored of any of them is what the batch knows.
        deliveries[0].branch = branch()
        token = working.set(deliveries[0])
        try:
            return run_work(lambda: work(*args, **kwargs))
        finally:
            working.reset(token)
