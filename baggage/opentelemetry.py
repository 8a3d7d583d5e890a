"""Our context carried by OpenTelemetry's instrumentations, through a propagator of its API.

Belongs here: what OpenTelemetry extracts, attaches, detaches and injects, in the waist's terms.
Does not: crossings. No meta-application is asked by what is carried so, and nothing is injured.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from baggage.boundary import Boundary, collect, finish, read_header
from baggage.boundary.homing import take_home
from baggage.boundary.policy import EVERYWHERE
from baggage.boundary.transport import write
from baggage.context import Branch, branch, enter, leave
from baggage.runtime import PROCESS
from baggage.values import EMPTY, Baggage
from baggage.values.known import covers
from baggage.wire import NAME, compose, split_members

_KEY: Final = otel.create_key("baggage.request")
_ADAPTED: Final = "_baggage_adapted"
_REMOTE: Final = frozenset({trace.SpanKind.SERVER, trace.SpanKind.CONSUMER})


class CausalBaggagePropagator(TextMapPropagator):
    """Carries our member of the `baggage` header; list it as `causal_baggage`, in any place.

    What was extracted is current wherever OpenTelemetry's context is attached, as `baggage.pack`
    and all the others see it. In a `CompositePropagator` one header has both OpenTelemetry's
    members and ours, whichever propagator is asked first. To make one starts the process's runtime,
    and from then on contexts are followed, in all threads. Instances are alike.

        OTEL_PROPAGATORS=tracecontext,baggage,causal_baggage
    """

    def __init__(self, boundary: Boundary | None = None) -> None:
        """Carry for the process, or for a boundary of one's own."""
        self._active = True
        if boundary is None:
            boundary, self._active = PROCESS.boundary, PROCESS.start()
        self._boundary = boundary
        if self._active:
            _follow_contexts()
            _unite_headers()

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Return a context that opens a scope where it is attached: of the request that came.

        A request of whose arrival we know, by an instrumentation of ours, goes on in its scope.
        """
        if context is None:
            context = otel.get_current()
        if not self._active or _muted():
            return context
        try:
            received = _received(carrier, getter)
            request = _arrived(received, self._boundary)
            _extracted.set((request, trace.get_current_span(context).get_span_context()))
            return otel.set_value(_KEY, request, context)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)
            return context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Set the header, of what is carried where `context` is attached, or here without one."""
        if not self._active:
            return
        try:
            if isinstance(setter, _Gathering):
                setter.write = lambda theirs: self._header(context, theirs)
                return
            header = self._header(context, None)
            if header:
                setter.set(carrier, NAME, header)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)

    @property
    def fields(self) -> set[str]:
        """The one header."""
        return {NAME}

    def _header(self, context: Context | None, theirs: str | None) -> str:
        """Return the header: the members that OpenTelemetry has, if any, and ours."""
        running, policy = _running(context), self._boundary.policy
        if running is None:
            return theirs or ""
        members = _as_they_came(theirs, running.baggage.foreign)
        if running.muted or policy.hosts != EVERYWHERE:  # Nobody knows where the request goes.
            return compose(None, members)
        sent = _Header(compose(None, members))
        origin = running.service or policy.service
        carried = running.baggage.departing()
        write(sent, carried, origin=origin, budget=policy.budget)
        return sent.value


class Request:
    """A request, or message, that OpenTelemetry extracted: a scope for as long as it's attached.

    It may be attached several times, in any thread; the first time is the request itself.
    """

    __slots__ = ("_boundary", "_owned", "branch")

    def __init__(self, running: Branch, boundary: Boundary, *, owned: bool) -> None:
        """Take its branch; one that an arrival of ours opened isn't `owned`."""
        self.branch = running
        self._boundary = boundary
        self._owned = owned

    def attach(self, token: Any) -> _Attached:
        """Make its branch the current one, until what is returned is detached."""
        first, self._owned = self._owned, False
        return _Attached(token, self, enter(self.branch), first)

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


class _Header:
    """A header that is not on any carrier yet."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def get(self, name: str) -> str | None:
        return self.value or None

    def set(self, name: str, value: str) -> None:
        self.value = value


class _Gathering(Setter[Any]):
    """Sets what propagators set, but for `baggage`, which is `put` once all of them were asked.

    There are carriers to which what is set is appended: the first of two headers would count.
    """

    def __init__(self, setter: Setter[Any]) -> None:
        self._setter = setter
        self._carrier: Any = None
        self._theirs: str | None = None
        self.write: Callable[[str | None], str] | None = None

    def set(self, carrier: Any, key: str, value: str) -> None:
        if key.lower() == NAME:
            self._carrier, self._theirs = carrier, value
        else:
            self._setter.set(carrier, key, value)

    def put(self, carrier: Any) -> None:
        header = self._theirs if self.write is None else self.write(self._theirs)
        if header:
            self._setter.set(carrier if self._carrier is None else self._carrier, NAME, header)


_extracted: ContextVar[tuple[Request, trace.SpanContext] | None] = ContextVar(
    "baggage.opentelemetry.extracted", default=None
)
"""What was extracted last, with the span that it came from: see `_begun`."""


def _received(carrier: Any, getter: Getter[Any]) -> Baggage:
    """Return what a request brought. Getters return what they like."""
    found: Any = getter.get(carrier, NAME) or ()
    lines = [found] if isinstance(found, str) else found
    header = ",".join([line for line in lines if isinstance(line, str)])
    # What comes home is never on its way out: such values can only be forged.
    return read_header(header).without_home() if header else EMPTY


def _arrived(received: Baggage, boundary: Boundary) -> Request:
    """Return the request that brought this: one of its own, unless it has arrived before."""
    attached = otel.get_value(_KEY)
    running = branch()
    if running is not None and _knows(running, received):
        if isinstance(attached, Request) and attached.branch.scope is running.scope:
            return attached
        return Request(running, boundary, owned=False)
    opened = Branch(received, boundary.policy.service)
    opened.arrived = True
    return Request(opened, boundary, owned=True)


def _knows(running: Branch, received: Baggage) -> bool:
    """Say whether a branch is of a request that has arrived, with all that this is."""
    if not running.scope.arrived or running.over:
        return False
    return covers(running.baggage.history.seen, received.history.seen)


def _muted() -> bool:
    running = branch()
    return running is not None and running.muted


def _running(context: Context | None) -> Branch | None:
    """Return the branch of a context that isn't attached here, else the one that runs here."""
    running = branch()
    request = None if context is None else context.get(_KEY)
    if not isinstance(request, Request) or request is otel.get_value(_KEY):
        return running
    if running is not None and (running.muted or running.scope is request.branch.scope):
        return running
    return request.branch


def _as_they_came(theirs: str | None, came: tuple[str, ...]) -> tuple[str, ...]:
    """Return OpenTelemetry's members; those that it only passes on, as they came.

    Where it has none, what came stands: some of its instrumentations extract and do not attach.
    """
    members = split_members(theirs)[1] if theirs else ()
    if not members:
        return came
    raw = {_encoded_anew(member): member for member in came}
    return tuple(raw.get(member, member) for member in members)


def _encoded_anew(member: str) -> str:
    """Return a member as OpenTelemetry writes it, once it has read it."""
    name, _, value = member.partition("=")
    return "=".join(quote_plus(unquote_plus(part.strip(" \t")).strip()) for part in (name, value))


def _follow_contexts() -> None:
    """Have the branch of a request be current wherever its context is attached."""
    runtime = type(getattr(otel, "_RUNTIME_CONTEXT", None) or ContextVarsRuntimeContext())
    if hasattr(runtime.attach, _ADAPTED):
        return
    attach_plainly, detach_plainly = runtime.attach, runtime.detach

    @wraps(attach_plainly)
    def attach(self: Any, context: Context) -> Any:
        request = _opened(self.get_current(), context)
        if request is None:
            return attach_plainly(self, context)
        if context.get(_KEY) is not request:
            context = otel.set_value(_KEY, request, context)
        return request.attach(attach_plainly(self, context))

    @wraps(detach_plainly)
    def detach(self: Any, token: Any) -> None:
        if isinstance(token, _Attached):
            token.detach()
            token = token.token
        detach_plainly(self, token)

    setattr(attach, _ADAPTED, True)
    runtime.attach, runtime.detach = attach, detach  # type: ignore[method-assign]


def _opened(around: Context, context: Context) -> Request | None:
    """Return the request whose branch is to be entered with a context; None for no change.

    What is entered by our own means inside of a request stays, whatever spans begin there.
    """
    request = context.get(_KEY)
    if request is around.get(_KEY):
        request = _begun(around, context)
    else:
        _extracted.set(None)
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
    extracted = _extracted.get()
    span = trace.get_current_span(context)
    if extracted is None or span is trace.get_current_span(around):
        return None
    request, remote = extracted
    if getattr(span, "kind", trace.SpanKind.SERVER) not in _REMOTE:
        return None
    parent = getattr(span, "parent", None)
    begun = span.get_span_context()
    follows = begun.trace_id == remote.trace_id if remote.is_valid else parent is None
    if not follows:
        return None
    _extracted.set(None)
    return request


def _unite_headers() -> None:
    """Have propagators that are asked together set one `baggage` header, in whatever order."""
    if hasattr(CompositePropagator.inject, _ADAPTED):
        return
    inject_each = CompositePropagator.inject

    @wraps(inject_each)
    def inject(
        self: CompositePropagator,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = default_setter,
    ) -> None:
        if isinstance(setter, _Gathering):
            inject_each(self, carrier, context, setter)
            return
        gathering = _Gathering(setter)
        try:
            inject_each(self, carrier, context, gathering)
        finally:
            gathering.put(carrier)

    setattr(inject, _ADAPTED, True)
    CompositePropagator.inject = inject  # type: ignore[method-assign]
