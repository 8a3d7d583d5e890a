"""A span under way: annotated, tagged and finished by whoever holds it, wherever that is.

Here belongs what is said of a span until it ends; which spans there are is the tracer's to say.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from baggage.boundary import Kind
from metaapps.tracing.carrier import Carrier
from metaapps.tracing.frontier import Waited
from metaapps.tracing.scope import Scope, innermost
from metaapps.tracing.sockets import ends
from metaapps.tracing.span import NOBODY, Annotation, Peer, Position, Span, whole
from metaapps.tracing.text import failure, text

if TYPE_CHECKING:
    from metaapps.tracing.tracer import Tracer


class Handle:
    """One span under way. This one records nothing: nobody traces here, or the trace isn't sampled.

    All methods may be called in any thread, task, greenlet or callback, in any order, and never
    raise. As a context manager it is the current span of the block, and ends with it; to hold it
    open across a `yield` see `traced`. Times are µs since 1970, durations µs.
    """

    __slots__ = ("position",)

    def __init__(self, position: Position | None = None) -> None:
        """Stand for the span at `position`, None for no trace at all."""
        self.position = position

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the position alone: what is recorded here can't be, in another process."""
        return Handle, (self.position,)

    def __copy__(self, *_: object) -> Self:
        """Return the span itself, also as a deep copy: it ends but once."""
        return self

    __deepcopy__ = __copy__

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hex digits; "" without a trace."""
        return "" if self.position is None else self.position.trace_id

    @property
    def span_id(self) -> str:
        """The span's id, 16 hex digits; "" without a trace."""
        return "" if self.position is None else self.position.span_id

    @property
    def parent_id(self) -> str | None:
        """The id of the span that this one is in, None for a root."""
        return None if self.position is None else self.position.parent_id

    @property
    def recording(self) -> bool:
        """Whether what is said of this span goes anywhere; False for one that ended."""
        return False

    @property
    def finished(self) -> bool:
        """Whether it ended. One that records nothing counts as ended."""
        return not self.recording

    def annotate(self, value: str, *, at: int = 0) -> Self:
        """Note that something happened: now, or `at`. Equal notes are all kept."""
        return self

    def tag(self, name: str, value: object) -> Self:
        """Say something of the whole span; the last value under a name counts, as text."""
        return self

    def rename(self, name: str) -> Self:
        """Give the span another name."""
        return self

    def remote(self, service: str = "", host: str = "", port: int = 0) -> Self:
        """Say who is on the other side, or some of it. `host` is an IP address, or else a name."""
        return self

    def local(self, service: str = "", host: str = "", port: int = 0) -> Self:
        """Say who this side is; without a `service` that is the one that runs here."""
        return self

    def over(self, sock: object) -> Self:
        """Say both sides' addresses: those of a connected socket."""
        return self

    def error(self, error: BaseException | str) -> Self:
        """Say that it failed, and how."""
        return self

    def answered(self, *, whole: bool = True) -> Self:
        """Say that the callee's answer came, all of it or its beginning: so far it has got."""
        return self

    def finish(self, *, at: int = 0, duration: int = 0) -> None:
        """End the span: now, or `at`, or so that it took `duration`. Only the first time counts."""

    def abandon(self) -> None:
        """End the span without reporting it."""

    def child(self, name: str, *, kind: Kind | None = None, at: int = 0) -> Handle:
        """Start a span inside this one, wherever the caller stands. It may end after this one."""
        return self

    def inject(self, carrier: Carrier) -> Self:
        """Write this span's ids on a request's headers, for the server that answers it.

        `carrier` is the headers, or what adds one: `connection.putheader`, say.
        """
        return self

    def scope(self) -> Scope:
        """Make this the current span of a `with` block, and not end it there.

        Blocks in one branch of execution must be nested, as they are in one thread or task.
        """
        return Scope(None, None)

    def __enter__(self) -> Self:
        """Make this the current span."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the span, with the block's error if it is no plain exit."""


NONE: Final = Handle()
"""The span of whoever isn't traced."""


class Placed(Handle):
    """A span that isn't recorded here: of a trace that nobody keeps, or under way elsewhere."""

    kind: Kind | None = None

    __slots__ = ("_scope", "_tracer", "place", "state")

    def __init__(self, tracer: Tracer, position: Position, state: str | None = None) -> None:
        """Stand at `position`. `state` is what other tracers said with it, if it was joined."""
        self.position = self.place = position
        self.state = state
        self._scope: Scope | None = None
        self._tracer = tracer

    def __enter__(self) -> Self:
        scope = self.scope()
        scope.__enter__()
        scope.around, self._scope = self._scope, scope
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, GeneratorExit):
            self.error(error)
        self.finish()
        if self._scope is not None:
            scope, self._scope = innermost(self._scope)
            scope.__exit__(kind, error, trace)

    def child(self, name: str, *, kind: Kind | None = None, at: int = 0) -> Handle:
        child = self._tracer.start(name, kind=kind, parent=self.place, at=at)
        if self.state and isinstance(child, Placed):
            child.state = self.state
        return child

    def inject(self, carrier: Carrier) -> Self:
        headers = {} if callable(carrier) else carrier
        self._tracer.inject(self, headers)
        if callable(carrier):
            for name, value in headers.items():
                carrier(name, value)
        return self

    def scope(self) -> Scope:
        return Scope(self, None)

    def lives(self, *, current: bool) -> None:
        """Note whether this is the current span of some block; see `Tracer.live`."""


class Recording(Placed):
    """A span that is reported when it ends."""

    __slots__ = (
        *("_annotations", "_begin", "_error", "_local", "_name", "_open", "_others", "_remote"),
        *("_service", "_tags", "_timestamp", "_waited", "kind", "shared"),
    )

    def __init__(
        self,
        tracer: Tracer,
        position: Position,
        name: str,
        kind: Kind | None,
        *,
        at: int = 0,
        waited: Waited | None = None,
        shared: bool = False,
        service: str = "",
    ) -> None:
        """Begin now, or `at`."""
        self.position = self.place = position
        self._scope = self.state = None
        self.kind, self.shared = kind, shared
        self._tracer, self._name, self._waited = tracer, name, waited
        self._local = self._remote = NOBODY
        self._service = service
        self._tags: dict[str, str] = {}
        self._annotations: list[Annotation] = []
        self._error: str | None = None
        self._timestamp = whole(at) or tracer.now()
        self._begin = 0 if at else tracer.ticks()
        self._open = [True]  # whoever takes it ends the span
        self._others: list[Placed | None] = []  # that were current, one for each block of this one

    @property
    def recording(self) -> bool:
        return bool(self._open)

    def annotate(self, value: str, *, at: int = 0) -> Self:
        if self._open:
            self._annotations.append(Annotation(whole(at) or self._tracer.now(), text(value)))
        return self

    def tag(self, name: str, value: object) -> Self:
        if self._open:  # else the tags are the reporter's
            self._tags[name] = value if type(value) is str else text(value)
        return self

    def rename(self, name: str) -> Self:
        self._name = name
        return self

    def remote(self, service: str = "", host: str = "", port: int = 0) -> Self:
        said = self._remote
        self._remote = Peer(service or said.service, host or said.host, port or said.port)
        return self

    def local(self, service: str = "", host: str = "", port: int = 0) -> Self:
        said = self._tracer.here(self._service) if self._local is NOBODY else self._local
        self._local = Peer(service or said.service, host or said.host, port or said.port)
        return self

    def over(self, sock: object) -> Self:
        here, there = ends(sock)
        return self.local("", *here).remote("", *there)

    def error(self, error: BaseException | str) -> Self:
        self._error = error if isinstance(error, str) else failure(error)
        return self

    def finish(self, *, at: int = 0, duration: int = 0) -> None:
        if self._taken():
            self._end(max(0, whole(duration)) or max(1, self._elapsed(whole(at))))

    def fails(self, error: str) -> None:
        """Say how the crossing failed that this is the span of, where nobody said so before."""
        if self._error is None:
            self._error = error

    def answered(self, *, whole: bool = True) -> Self:
        if self._waited is not None:
            self._waited.answered, self._waited.whole = True, whole
        return self

    def cross(self, tags: dict[str, str], local: Peer, remote: Peer, *, seen: bool) -> None:
        """End the span of a crossing with what is known of that; what was said before counts more.

        It has no duration if nobody has `seen` its end.
        """
        if not self._taken():
            return
        if self._tags:
            tags |= self._tags
        self._tags = tags
        if self._local is NOBODY:
            self._local = local
        if self._remote is NOBODY:
            self._remote = remote
        self._end(max(1, self._elapsed()) if seen else 0)

    def abandon(self) -> None:
        self._open.clear()

    def scope(self) -> Scope:
        return Scope(self, self._waited)

    def lives(self, *, current: bool) -> None:
        live, raw, others = self._tracer.live, self.place.raw, self._others
        if current:
            others.append(live.get(raw))
            live[raw] = self
            return
        other = others.pop()
        if not others:
            live.pop(raw, None)
            if other is not None and other.recording:  # the other half of a call, in one process
                live[raw] = other
        if others:  # in another thread, meanwhile
            live[raw] = self

    def _taken(self) -> bool:
        try:
            return self._open.pop()
        except IndexError:
            return False

    def _end(self, duration: int) -> None:
        tracer, waited = self._tracer, self._waited
        if waited is not None:
            tracer.ending(self.place, waited)
        tracer.report(
            Span(
                self.place,
                self.kind,
                self._name,
                self._timestamp,
                duration,
                tracer.here(self._service) if self._local is NOBODY else self._local,
                self._remote,
                self._tags,
                tuple(self._annotations),
                self._error,
                self.shared,
                waited,
            )
        )

    def _elapsed(self, at: int = 0) -> int:
        if self._begin and not at:
            return (self._tracer.ticks() - self._begin) // 1000
        return (at or self._tracer.now()) - self._timestamp
