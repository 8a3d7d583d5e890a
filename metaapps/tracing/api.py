"""What an application says of its own spans, to whatever traces this process.

The functions act on the `Tracing` that is registered, and do nothing where none is: libraries may
use them, whoever imports those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from baggage.boundary import Kind
from baggage.runtime.api import PROCESS
from metaapps.tracing.app import NAME, Tracing
from metaapps.tracing.bound import Bound
from metaapps.tracing.carrier import Headers
from metaapps.tracing.decorator import decorated
from metaapps.tracing.handle import Handle
from metaapps.tracing.span import Position
from metaapps.tracing.tracer import HERE, Here, Tracer

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_OFF: Final = Tracer(None)
_BOUND: Final = Bound()


def start(
    name: str, *, kind: Kind | None = None, parent: Position | Here | None = HERE, at: int = 0
) -> Handle:
    """Start a span in the current one; where there is none, a trace.

    It is current only in a `with` block, and ends with that:

        with tracing.start("load basket") as span:
            span.tag("items", 3)

    Without a block, end it by `finish`, wherever that is. `parent` is another span's `position`, or
    None to begin a trace. `at` is when it began, in µs since 1970, if that isn't now.
    """
    return tracer().start(name, kind=kind, parent=parent, at=at)


def current() -> Handle:
    """Return the current span; where there is none, one that records nothing."""
    return tracer().current()


def trace_id() -> str:
    """Return the id of the current trace, 32 hex digits, for a log line say; "" without one."""
    return current().trace_id


def join(carrier: Headers, name: str = "", *, kind: Kind = Kind.SERVER, at: int = 0) -> Handle:
    """Start the server's span of a request with these headers, where nothing instruments it.

    It has the id of the client's span if the headers allow that and `TRACING_SHARE` isn't 0; else
    it's a child of that. Without any it begins a trace. The `kind` of whoever processes a message
    with these headers is CONSUMER, and its span always a child.
    """
    return tracer().join(carrier, name, kind=kind, at=at)


def bind(something: T, handle: Handle) -> T:
    """Keep a span with a connection, a response or the like, as long as that lives; return that.

    Raises TypeError for an object that can't be referred to weakly, such as an int or a list.
    """
    return _BOUND.bind(something, handle)


def bound(something: object) -> Handle:
    """Return the span that was bound to an object; without one, one that records nothing."""
    return _BOUND.bound(something)


@overload
def traced(function: F, /) -> F: ...
@overload
def traced(name: str = "", /, *, hand_over: str = "") -> Callable[[F], F]: ...
def traced(named: Any = "", /, *, hand_over: str = "") -> Any:
    """Make each call of a function a span: of a plain one, a coroutine, or a generator of any kind.

    The span is called as the function is, or `name`. The function gets its handle as the argument
    that `hand_over` names. A generator's span is current in its steps, and lasts to the last one.

        @tracing.traced("load basket", hand_over="span")
        async def load(user, *, span):
            span.tag("user", user)
    """
    if callable(named):
        return decorated(named, start, "", "")
    return lambda function: decorated(function, start, named, hand_over)


def flush(timeout: float = 5.0) -> bool:
    """Wait until all spans that ended by now are sent or given up; False if it takes longer."""
    app = _registered()
    return app is None or app.export is None or app.export.flush(timeout)


def tracer() -> Tracer:
    """Return what begins spans in this process; one that records nothing where nobody traces."""
    app = _registered()
    if app is None:
        return _OFF
    found = app.tracer
    if not found.service:
        found.service = PROCESS.boundary.configured.service
    return found


def _registered() -> Tracing | None:
    for app in PROCESS.boundary.apps:
        if app.name == NAME and isinstance(app, Tracing):
            return app
    return None
