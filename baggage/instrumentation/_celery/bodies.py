"""Bodies of chords: each is deferred where its chord is applied, and goes on once the header ended.

Whoever ends last sends it, or its error callbacks; which of the tasks that is, is chance. What is
kept for it lies with the body's signature, as an option of it, and goes with that to all tasks of
the header.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from celery import Celery
from celery.backends.base import Backend
from celery.canvas import Signature, _chord

from baggage.boundary import (
    UNKNOWN_SITE,
    Boundary,
    Call,
    CallSite,
    Deferral,
    Deferred,
    Kind,
    Tellers,
)
from baggage.context import branch
from baggage.instrumentation._broker_adapter import BrokerAdapter
from baggage.instrumentation._celery.calls import PACKAGES, sent_to
from baggage.instrumentation._celery.chords import ending
from baggage.instrumentation._celery.messages import LIBRARY
from baggage.instrumentation._celery.results import working
from baggage.instrumentation._patching import Function, Switch, wrap

_KEPT: Final = "baggage_chord"
"""The option of a body's signature that has what is kept for it."""
_UNDERWAY: Final = "_baggage_deferred"
_SITE: Final = "baggage-site"
_LONGEST: Final = 300
_PARTS: Final = 3


class _Body:
    """The body of a chord: where it's kept for, and what is kept, which is its own carrier."""

    __slots__ = ("app", "kept", "name")

    def __init__(self, app: Celery, name: str, kept: dict[str, str]) -> None:
        self.app, self.name, self.kept = app, name, kept

    def get(self, name: str) -> str | None:
        """Return what is kept."""
        value = self.kept.get(name)
        return value if isinstance(value, str) else None

    def set(self, name: str, value: str) -> None:
        """Keep something."""
        self.kept[name] = value

    @property
    def site(self) -> CallSite:
        """Where the chord was applied, as far as it's known."""
        parts = (self.get(_SITE) or "")[:_LONGEST].split(":")
        if len(parts) != _PARTS or not parts[-1].isdecimal():
            return UNKNOWN_SITE
        return CallSite(parts[0], parts[1], int(parts[2]))


_TOLD: Final[Tellers] = {"endpoint": lambda body: sent_to(body.app)}


class _Adapter(BrokerAdapter):
    def describe(self, request: _Body) -> Call:
        operation = f"chord {request.name}"
        return Call.told(self.kind, LIBRARY, operation, request, _TOLD, request.site)


_ADAPTER: Final = _Adapter(Kind.SPAWN, LIBRARY, PACKAGES)


def follow_bodies(boundary: Boundary, switch: Switch) -> None:
    """Wrap what applies chords, and what sends their bodies."""

    def applying(wrapped: Function, chord: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        body = args[1] if len(args) > 1 else kwargs.get("body")
        if isinstance(body, Signature):
            kept: dict[str, str] = {}
            deferral = Deferral.of(boundary, _ADAPTER, _Body(chord.app, body.task, kept))
            if deferral is not None:
                apply = partial(wrapped, *args, **kwargs)
                return deferral.start(lambda: _apply(deferral, body, kept, apply))
        return wrapped(*args, **kwargs)

    def sending(wrapped: Function, body: Signature, args: Any, kwargs: dict[str, Any]) -> Any:
        if _KEPT not in body.options and ending.get() is None:
            return wrapped(*args, **kwargs)
        return _go_on(boundary, body, lambda: wrapped(*args, **kwargs))

    def failing(wrapped: Function, _: Backend, args: Any, kwargs: dict[str, Any]) -> Any:
        body = args[0] if args else kwargs.get("callback")
        if not isinstance(body, Signature):
            return wrapped(*args, **kwargs)
        return _go_on(boundary, body, lambda: wrapped(*args, **kwargs), failed=True)

    wrap(_chord, "run", switch, applying)
    wrap(Signature, "delay", switch, sending)
    wrap(Backend, "chord_error_from_stack", switch, failing)


def _apply(
    deferral: Deferral, body: Signature, kept: dict[str, str], apply: Callable[[], Any]
) -> Any:
    """Apply a chord, whose header's tasks are told what is kept for its body."""
    deferral.put()
    if kept:
        site = deferral.site
        if site is not UNKNOWN_SITE:
            kept[_SITE] = f"{site.module}:{site.function}:{site.line}"
        body.options[_KEPT] = kept
    try:
        return apply()
    except Exception as error:
        _give_up(body, error)
        raise
    finally:
        body.options.pop(_KEPT, None)


def _give_up(body: Signature, error: Exception) -> None:
    """End what a body without a header was to go on with, which could not be sent."""
    deferred: Deferred | None = vars(body).pop(_UNDERWAY, None)
    if deferred is not None:
        deferred.end(error)


def _go_on(
    boundary: Boundary, body: Signature, work: Callable[[], Any], *, failed: bool = False
) -> Any:
    """Send a body, or say that its header `failed`: in the branch that was deferred for that.

    What can't be sent fails then, in the same branch.
    """

    def joined() -> Any:
        parts = ending.get()
        if parts is not None:
            parts.join()
        return work()

    deferred = _deferred(boundary, body)
    if deferred is None:
        return joined()
    token = working.set(deferred)
    try:
        result = deferred.resume(joined)
    except BaseException as error:
        if failed or not isinstance(error, Exception):
            deferred.end(error)
        else:
            setattr(body, _UNDERWAY, deferred)
        raise
    finally:
        working.reset(token)
    deferred.end()
    return result


def _deferred(boundary: Boundary, body: Signature) -> Deferred | None:
    underway: Deferred | None = vars(body).pop(_UNDERWAY, None)
    kept = body.options.pop(_KEPT, None)
    if underway is not None:
        return underway
    running = branch()
    if not isinstance(kept, dict) or (running is not None and running.muted):
        return None
    return Deferred(boundary, _ADAPTER, _Body(body.app, body.task, kept))
