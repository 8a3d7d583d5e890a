"""Branches that follow OpenTelemetry's context: entered where it's attached, left with it."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

from baggage.boundary import Boundary, collect, finish
from baggage.boundary.homing import take_home
from baggage.boundary.transport import write
from baggage.context import Branch, branch, enter, leave
from baggage.values import EMPTY

KEY: Final = otel.create_key("baggage.request")
_FOLLOWS: Final = "_baggage_follows"
_log = logging.getLogger("baggage.opentelemetry")
_REMOTE: Final = frozenset({trace.SpanKind.SERVER, trace.SpanKind.CONSUMER})

extracted: ContextVar[tuple[Request, trace.SpanContext] | None] = ContextVar(
    "baggage.opentelemetry.extracted", default=None
)
"""What was extracted last, with the span that it came from: see `_begun`."""


class Request:
    """A request, or message, that OpenTelemetry extracted: a scope for as long as it's attached.

    It may be attached several times, in any thread; the first time is the request itself.
    """

    __slots__ = ("_boundary", "_came", "_owned", "branch")

    def __init__(self, running: Branch, boundary: Boundary, *, owned: bool) -> None:
        """Take its branch; one that an arrival of ours opened isn't `owned`."""
        self.branch = running
        self._boundary = boundary
        self._owned = owned
        self._came = running.baggage if owned else EMPTY

    def another(self) -> Request:
        """Return a request that nothing came with."""
        return Request(Branch(service=self.branch.service), self._boundary, owned=True)

    def attach(self, token: Any) -> _Attached:
        """Make its branch the current one, until what is returned is detached."""
        first, self._owned = self._owned, False
        return _Attached(token, self, enter(self.branch), first)

    def answer(self) -> str:
        """Return the header of the answer, with what was packed; "" where nobody will read it."""
        if not self._came.origin:
            return ""
        running, policy = self.branch, self._boundary.policy
        collect(running)
        back = running.baggage.returning(since=self._came)
        running.take_home()
        header = Header()
        origin = running.service or policy.service
        self._boundary.overflow(write(header, back, origin=origin, budget=policy.budget))
        return header.value

    def detached(self, *, last: bool) -> None:
        """Leave: with the request `home` values go to their owners, and so does what is late."""
        try:
            finish()
            if last:
                self.branch.close()
            if self.branch.over:
                collect(self.branch)
                self._boundary.overflow(take_home(self.branch))
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)


class Header:
    """A header that is not on any carrier yet."""

    __slots__ = ("value",)

    def __init__(self, value: str = "") -> None:
        """Begin with these members."""
        self.value = value

    def get(self, name: str) -> str | None:
        """Return the members; None for none."""
        return self.value or None

    def set(self, name: str, value: str) -> None:
        """Replace the members."""
        self.value = value


class _Attached:
    """Stands in for the token of an attached context, where a branch was entered with it."""

    __slots__ = ("_entered", "_first", "_request", "token")

    def __init__(self, token: Any, request: Request, entered: Any, first: bool) -> None:
        self.token = token
        self._request, self._entered, self._first = request, entered, first

    def __getattr__(self, name: str) -> Any:
        return getattr(self.token, name)

    def detach(self) -> None:
        self._request.detached(last=self._first)
        leave(self._entered)


def follow_contexts() -> None:
    """Have the branch of a request be current wherever its context is attached."""
    runtime = type(getattr(otel, "_RUNTIME_CONTEXT", None) or ContextVarsRuntimeContext())
    if hasattr(runtime.attach, _FOLLOWS):
        return
    attach_plainly, detach_plainly = runtime.attach, runtime.detach

    @wraps(attach_plainly)
    def attach(self: Any, context: Context) -> Any:
        try:
            request = _opened(self.get_current(), context)
        except Exception:  # noqa: BLE001 - a context is attached in any case
            _log.exception("propagation failed")
            request = None
        if request is None:
            return attach_plainly(self, context)
        if context.get(KEY) is not request:
            context = otel.set_value(KEY, request, context)
        return request.attach(attach_plainly(self, context))

    @wraps(detach_plainly)
    def detach(self: Any, token: Any) -> None:
        if isinstance(token, _Attached):
            token.detach()
            token = token.token
        detach_plainly(self, token)

    setattr(attach, _FOLLOWS, True)
    runtime.attach, runtime.detach = attach, detach  # type: ignore[method-assign]


def _opened(around: Context, context: Context) -> Request | None:
    """Return the request whose branch is to be entered with a context; None for no change.

    What is entered by our own means inside of a request stays, whatever spans begin there. A
    context that is nobody's, attached inside of a request, is a request of its own.
    """
    outer, request = around.get(KEY), context.get(KEY)
    if request is outer:
        request = _begun(around, context)
    else:
        extracted.set(None)
        if request is None and isinstance(outer, Request):
            request = outer.another()
    if not isinstance(request, Request):
        return None
    running = branch()
    if running is not None and (running.muted or running.scope is request.branch.scope):
        return None
    return request


def _begun(around: Context, context: Context) -> Request | None:
    """Return the request that a server's span begins, whose extracted context nobody attaches.

    So do aiohttp's server instrumentation, and others that pass it to `start_as_current_span`.
    """
    came = extracted.get()
    span = trace.get_current_span(context)
    if came is None or span is trace.get_current_span(around):
        return None
    request, remote = came
    if getattr(span, "kind", trace.SpanKind.SERVER) not in _REMOTE:
        return None
    parent = getattr(span, "parent", None)
    # Who extracts the trace may have been asked after us.
    follows = parent is None or parent.is_remote
    if remote.is_valid:
        follows = span.get_span_context().trace_id == remote.trace_id
    if not follows:
        return None
    extracted.set(None)
    return request
