"""What crossings cost where there is nothing to do: empty baggage, and nobody registered.

That is what every user of an instrumented library pays. OpenTelemetry's side, where there is one,
is its propagation alone, without a library or an instrumentation around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import hop
from benchmarks.measure import Run


class Adapter:
    """A library whose requests and responses are headers, and nothing else."""

    library = "nothing"
    packages: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def __init__(self, kind: Any) -> None:
        from baggage.boundary import PlainFacts

        self.kind, self._facts = kind, PlainFacts()

    def describe(self, request: hop.Headers) -> Any:
        from baggage.boundary import Call

        return Call(kind=self.kind, library=self.library, operation="GET /")

    def request_carrier(self, request: hop.Headers | None) -> hop.Headers | None:
        return request

    def response_carrier(self, response: hop.Headers | None) -> hop.Headers | None:
        return response

    def facts(self, response: object) -> Any:
        return self._facts

    def answer(self, error: BaseException) -> None:
        return None


def send() -> hop.Headers:
    """Send nothing, and be answered with nothing."""
    return hop.Headers()


def bare() -> Run:
    """Do what is done within each crossing."""

    def run(calls: int) -> None:
        for _ in range(calls):
            hop.Headers()
            send()

    return run


def departure() -> Run:
    """Call somebody; in a branch, signed with this service's name, so that he answers."""
    from baggage.boundary import Boundary, Kind

    boundary, adapter = Boundary(), Adapter(Kind.CLIENT)

    def run(calls: int) -> None:
        for _ in range(calls):
            boundary.call(adapter, hop.Headers(), send)

    return run


def arrival(*, signed: bool = False) -> Run:
    """Be called by somebody who sends no baggage, but a name if he's one of ours."""
    from baggage.boundary import Boundary, Kind
    from baggage.boundary.transport import sign

    boundary, adapter = Boundary(), Adapter(Kind.SERVER)
    came = hop.Headers()
    if signed:
        sign(came, origin="caller", budget=hop.BUDGET)

    def run(calls: int) -> None:
        for _ in range(calls):
            boundary.serve(adapter, came, send)

    return run


def fork() -> Run:
    """Start a branch, run it and join it: all that a thread or task costs at the waist."""
    from baggage.boundary import Boundary, Kind

    boundary, adapter = Boundary(), Adapter(Kind.SPAWN)

    def run(calls: int) -> None:
        for _ in range(calls):
            child = boundary.fork(adapter, None)
            child.start(send)
            child.run(send)
            child.join()

    return run


def share() -> Run:
    """Fork as the instrumentations of pools do where nobody asks about it."""
    from baggage.boundary import Blank, Boundary, Kind, Share

    boundary, adapter, libraries = Boundary(), Adapter(Kind.SPAWN), ("nothing",)

    def run(calls: int) -> None:
        for _ in range(calls):
            if boundary.blank(libraries):
                forked = Blank(boundary, send)
            else:
                forked = Share(boundary, send, boundary.sharing(adapter, libraries))
            forked()
            forked.join()

    return run


def unasked_arrival() -> Run:
    """Be called by somebody who sends no baggage, as the instrumentations of servers are."""
    from baggage.boundary import Boundary, Kind
    from baggage.boundary.blank import serve
    from baggage.wire import NAME

    boundary, adapter = Boundary(), Adapter(Kind.SERVER)

    def run(calls: int) -> None:
        for _ in range(calls):
            if hop.Headers().get(NAME) is None and boundary.unasked(adapter):
                serve(boundary, send)

    return run


def peers_departure() -> Run:
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    propagator = W3CBaggagePropagator()

    def run(calls: int) -> None:
        for _ in range(calls):
            propagator.inject(hop.Headers())
            send()

    return run


def peers_arrival() -> Run:
    from opentelemetry import context
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    propagator = W3CBaggagePropagator()

    came = hop.Headers()

    def run(calls: int) -> None:
        for _ in range(calls):
            token = context.attach(propagator.extract(came))
            send()
            context.detach(token)

    return run


def in_branch(make: Callable[[], Run]) -> Run:
    """Do the same in a branch that carries nothing, as in a request that brought nothing."""
    from baggage.context import Branch, attached

    inner = make()

    def run(calls: int) -> None:
        with attached(Branch()):
            inner(calls)

    return run
