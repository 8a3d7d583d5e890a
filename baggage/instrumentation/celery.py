"""Celery: tasks carry what is known where they are sent, and results what was packed by them.

A task is sent by `Celery.send_task`, whichever way it is called; kombu and what lies below it are a
part of that. A task that is run eagerly is a call in process: it runs in its caller's branch.
"""

from __future__ import annotations

from inspect import signature
from typing import Any, Final

from celery import Celery
from celery.utils import uuid
from kombu.messaging import Producer

from baggage.boundary import Boundary
from baggage.instrumentation._celery.batches import follow_batches
from baggage.instrumentation._celery.bodies import follow_bodies
from baggage.instrumentation._celery.calls import PRODUCING, is_own
from baggage.instrumentation._celery.chords import follow_chords
from baggage.instrumentation._celery.lost import follow_lost
from baggage.instrumentation._celery.messages import Sending, sending
from baggage.instrumentation._celery.results import follow_results
from baggage.instrumentation._celery.worker import follow_workers
from baggage.instrumentation._patching import Function, Switch, replace, wrap

_NAMES: Final = tuple(signature(Celery.send_task).parameters)[1:-1]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap Celery, once."""

    def sending_task(wrapped: Function, app: Celery, args: Any, kwargs: dict[str, Any]) -> Any:
        told = _told(args, kwargs)
        if told is None:
            return wrapped(*args, **kwargs)
        asked = Sending(app, told, wrapped)
        publication = boundary.publish(PRODUCING, asked)
        if publication is None:
            return wrapped(*args, **kwargs)
        if is_own(told["name"]):
            publication.call = None
        return publication.send(asked.through, asked.repeat)

    def publishing(original: Function) -> Function:
        def publish(self: Producer, *args: Any, **kwargs: Any) -> Any:
            task = sending(kwargs)
            if task is None:
                return original(self, *args, **kwargs)
            return task.publish(original, self, args, kwargs)

        return publish

    wrap(Celery, "send_task", switch, sending_task)
    replace(Producer, "publish", publishing)
    follow_results(boundary, switch)
    follow_chords(boundary, switch)
    follow_bodies(boundary, switch)
    follow_workers(boundary, switch)
    follow_lost(boundary, switch)
    follow_batches(boundary, switch)


def _told(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of `send_task` by name; None for a call that it will refuse."""
    named = dict(zip(_NAMES, args, strict=False))
    if len(args) > len(_NAMES) or not named.keys().isdisjoint(kwargs):
        return None
    told = named | kwargs
    return told | {"task_id": told.get("task_id") or uuid()} if "name" in told else None
