"""The adapter of a library of queues: what a put is in the waist's terms."""

from __future__ import annotations

from dataclasses import dataclass

from baggage.boundary import Call, CannotEnact, Facts, Fault, FaultKind, Kind, PlainFacts


@dataclass(frozen=True, slots=True)
class QueueAdapter:
    """The adapter of a library of queues; a request is the class of the queue."""

    library: str
    packages: frozenset[str]
    below: frozenset[str] = frozenset()
    kind: Kind = Kind.PRODUCER

    def describe(self, request: type) -> Call:
        """Describe a put, by the class of the queue."""
        return Call(kind=self.kind, library=self.library, operation=request.__name__, method="put")

    def request_carrier(self, request: object) -> None:
        """Carry nothing: the branch is handed over as it is."""

    def response_carrier(self, response: object) -> None:
        """Carry nothing: a put brings nothing back."""

    def facts(self, response: object) -> Facts:
        """Say nothing of an item, which may be any object."""
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        """Say nothing: that a queue is full is no answer."""

    def enact(self, fault: Fault, request: object, response: object = None) -> None:
        """Let a message be dropped: its put returns nothing, as any. A queue fails no other way."""
        if fault.kind is FaultKind.DROP:
            return
        raise CannotEnact(f"{self.library} knows no fault {fault}")
