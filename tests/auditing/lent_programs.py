"""Random programs of services that lend to one another, each with at most one fault in it.

All services are in one process, each with a boundary and an audit of its own, and what is between
them is headers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from baggage.boundary import Boundary, Kind, Policy
from baggage.boundary.audit import Audit
from baggage.boundary.receipt import HEADER
from baggage.context import Branch, attached, ensure, enter, leave
from baggage.runtime.scoping import request_scope
from baggage.testing import Parcel, ParcelAdapter
from baggage.values import EMPTY
from baggage.wire import NAME
from tests.auditing.programs import Body, Failed, Program, by_fork, by_split

CLIENT, SERVER = ParcelAdapter(), ParcelAdapter(Kind.SERVER)
Send = Callable[[Parcel], Parcel]


class Service:
    """One service, which lends to all others."""

    def __init__(self, name: str) -> None:
        self.audit = Audit()
        policy = Policy(name, strict=True, receipts=True, lend=("*",))
        self.boundary = Boundary(policy, (self.audit,))

    def serve(self, request: Parcel, body: Body) -> Parcel:
        """Serve a request as it came, in no context of the caller's."""
        token = enter(None)
        try:
            answer = Parcel()

            def handle() -> Parcel:
                body()
                return answer

            return self.boundary.serve(SERVER, request, handle)
        finally:
            leave(token)


class LentProgram(Program):
    """One request's program over three services; the fault strikes at one call of it."""

    def __init__(self, seed: int, fault: str = "none") -> None:
        super().__init__(seed, fault)
        self.services = [Service(name) for name in ("shop", "stock", "bank")]
        self.at = 0

    @property
    def here(self) -> Service:
        return self.services[self.at]

    @property
    def problems(self) -> set[str]:
        return {finding.problem.value for each in self.services for finding in each.audit.findings}

    def run(self) -> None:
        with request_scope(self.here.boundary, "another", EMPTY) as self.other:
            self.other.pack("n", -1)
            with request_scope(self.here.boundary, "the request", EMPTY) as self.request:
                self.pack()
                self.body(0)
                while not self.struck:
                    self.call(1)
                self.pack()
            for late in self.kept:
                late()

    def call(self, depth: int) -> None:
        body = lambda: self.body(depth)  # noqa: E731 - the callee
        if not self.struck and self.random.random() < 0.4:
            self.struck = True
            if self.fault != "none":
                LENT_FAULTS[self.fault](self, body)
                return
        self.random.choice((by_call, by_call, by_split))(self, body)

    def serve(self, request: Parcel, body: Body) -> Parcel:
        """Let the next service serve a request."""
        caller, self.at = self.at, (self.at + 1) % len(self.services)
        try:
            return self.here.serve(request, body)
        finally:
            self.at = caller

    def send(self, send: Send) -> Parcel:
        """Depart, and do as `send` says with the request."""
        request = Parcel()
        return self.here.boundary.call(CLIENT, request, lambda: send(request))


def by_call(program: LentProgram, body: Body) -> None:
    program.send(lambda request: program.serve(request, body))


# Faults of the propagation


def same_object(program: LentProgram, body: Body) -> None:
    """The caller goes on with what it has lent."""
    program.pack()
    before = ensure().baggage

    def send(request: Parcel) -> Parcel:
        with attached(before):
            program.pack()
        return program.serve(request, body)

    program.send(send)


def delivered_twice(program: LentProgram, body: Body) -> None:
    """A request is sent twice, and both answers come."""

    def writing() -> None:
        program.pack()
        body()

    program.pack()
    request = Parcel()
    departure = program.here.boundary.depart(CLIENT, request)
    assert departure is not None
    departure.begin()
    again = Parcel(dict(request.headers))
    answers: list[Any] = []
    departure.happen(lambda: answers.extend(program.serve(it, writing) for it in (request, again)))
    first, second = answers
    departure.end(departure.answered(first))
    departure.close()
    assert departure.call is not None
    flow = program.here.audit.around(departure.call)
    next(flow)
    with suppress(StopIteration):
        flow.send(departure.answered(second))


def lost_on_the_way(program: LentProgram, body: Body) -> None:
    """Something removes what was sent."""

    def send(request: Parcel) -> Parcel:
        request.headers.pop(NAME)
        return program.serve(request, body)

    program.send(send)


def lost_silently(program: LentProgram, body: Body) -> None:
    """Something removes what was sent, and all that the answer says of it."""

    def send(request: Parcel) -> Parcel:
        request.headers.pop(NAME)
        answer = program.serve(request, body)
        answer.headers.pop(NAME, None)
        answer.headers.pop(HEADER)
        return answer

    program.send(send)


def anothers(program: LentProgram, body: Body) -> None:
    """The callee works, and answers, in another request's baggage."""
    other = program.other.baggage.departing()

    def confused() -> None:
        ensure().update(lambda _: other)
        body()

    by_call(program, confused)


def stale(program: LentProgram, body: Body) -> None:
    """The callee works in what it knew some time ago, and answers what it knows by then."""

    def confused() -> None:
        snapshot = ensure().baggage
        program.pack()
        ensure().split()
        with attached(snapshot) as working:
            body()
        ensure().join(working)

    by_call(program, confused)


def reset(program: LentProgram, body: Body) -> None:
    """The caller goes on as if it had never called."""
    before = ensure().baggage

    def writing() -> None:
        program.pack()
        body()

    by_call(program, writing)
    ensure().update(lambda _: before)


def never_joined(program: LentProgram, body: Body) -> None:
    """The answer is taken by nobody."""
    request = Parcel()
    departure = program.here.boundary.depart(CLIENT, request)
    assert departure is not None
    departure.begin()
    departure.happen(lambda: program.serve(request, body))
    departure.close()


def late(program: LentProgram, body: Body) -> None:
    """A part of the callee goes on when it has answered."""
    parts: list[Branch] = []

    def splitting() -> None:
        parts.append(ensure().split())
        with attached(parts[0]):
            body()
        ensure().join(parts[0])

    by_call(program, splitting)
    with attached(parts[0]):
        program.pack()


# Faults of the application


def wrong_key(program: LentProgram, body: Body) -> None:
    ensure().pack("nn", 1)
    by_call(program, body)


def forgotten(program: LentProgram, body: Body) -> None:
    by_call(program, lambda: None)


def removed(program: LentProgram, body: Body) -> None:
    def removing() -> None:
        ensure().update(lambda carried: carried.remove("n").remove("m").remove("k"))

    by_call(program, removing)


def swallowed(program: LentProgram, body: Body) -> None:
    def failing() -> None:
        body()
        raise Failed

    with suppress(Failed):
        by_fork(program, failing)


def answered_with_an_error(program: LentProgram, body: Body) -> None:
    def send(request: Parcel) -> Parcel:
        answer = program.serve(request, body)
        answer.status = 500
        return answer

    program.send(send)


LENT_PROPAGATION: Final[dict[str, tuple[Any, set[str]]]] = {
    "same object": (same_object, {"value used twice"}),
    "delivered twice": (delivered_twice, {"overlap"}),
    "lost on the way": (lost_on_the_way, {"stripped", "lost branch"}),
    "lost silently": (lost_silently, {"silent peer", "lost branch"}),
    "another's": (anothers, {"context regression", "lost branch"}),
    "stale": (stale, {"lost branch"}),
    "reset": (reset, {"context regression"}),
    "never joined": (never_joined, {"lost branch"}),
    "late": (late, {"late use"}),
}
LENT_APPLICATION: Final = {
    "wrong key": wrong_key,
    "forgotten": forgotten,
    "removed": removed,
    "swallowed": swallowed,
    "error": answered_with_an_error,
}
LENT_FAULTS: Final[dict[str, Any]] = {
    **{name: fault for name, (fault, _) in LENT_PROPAGATION.items()},
    **LENT_APPLICATION,
}
