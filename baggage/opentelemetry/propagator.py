"""The propagator: what OpenTelemetry extracts and injects, in the waist's terms."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from baggage.boundary import Boundary, read_header
from baggage.boundary.policy import EVERYWHERE
from baggage.boundary.transport import write
from baggage.context import Branch, branch
from baggage.opentelemetry.following import KEY, Header, Request, extracted, follow_contexts
from baggage.opentelemetry.uniting import Gathering, as_they_came, unite_headers
from baggage.runtime import PROCESS
from baggage.values import EMPTY, Baggage
from baggage.values.known import covers
from baggage.wire import NAME, compose

_log = logging.getLogger("baggage.opentelemetry")


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
        self._active = True if boundary is not None else _started()
        self._boundary = PROCESS.boundary if boundary is None else boundary
        if self._active:
            follow_contexts()
            unite_headers()

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
            extracted.set((request, trace.get_current_span(context).get_span_context()))
            return otel.set_value(KEY, request, context)
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
        if isinstance(setter, Gathering):
            setter.write = partial(self._header, context)
            return
        header = self._header(context, "")
        if header:
            setter.set(carrier, NAME, header)

    @property
    def fields(self) -> set[str]:
        """The one header."""
        return {NAME}

    def _header(self, context: Context | None, theirs: str) -> str:
        """Return the header: the members that OpenTelemetry has, if any, and ours."""
        try:
            running, policy = _running(context), self._boundary.policy
            if running is None:
                return theirs
            members = compose(None, as_they_came(theirs, running.baggage.foreign))
            if running.muted or policy.hosts != EVERYWHERE:  # Nobody knows where this goes.
                return members
            sent = Header(members)
            # Nobody signs: who does so reads what the response brings.
            write(sent, running.baggage.departing(), origin="", budget=policy.budget)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)
            return theirs
        else:
            return sent.value


def _started() -> bool:
    """Start the process's runtime; False where it's disabled.

    OpenTelemetry does without all propagation if one propagator can't be made.
    """
    try:
        return PROCESS.start()
    except Exception:  # noqa: BLE001 - kept from the application
        _log.exception("not started")
        return False


def _received(carrier: Any, getter: Getter[Any]) -> Baggage:
    """Return what a request brought. Getters return what they like."""
    found: Any = getter.get(carrier, NAME) or ()
    lines = [found] if isinstance(found, str) else found
    header = ",".join([line for line in lines if isinstance(line, str)])
    # What comes home is never on its way out: such values can only be forged.
    return read_header(header).without_home() if header else EMPTY


def _arrived(received: Baggage, boundary: Boundary) -> Request:
    """Return the request that brought this: one of its own, unless it has arrived before."""
    attached = otel.get_value(KEY)
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
    request = None if context is None else context.get(KEY)
    if not isinstance(request, Request) or request is otel.get_value(KEY):
        return running
    if running is not None and (running.muted or running.scope is request.branch.scope):
        return running
    return request.branch
