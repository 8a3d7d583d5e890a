"""What forks in one process have in common: nothing but the branch itself is carried."""

from __future__ import annotations

from dataclasses import dataclass

from baggage.boundary import Call, CannotEnact, Facts, Fault, Kind, PlainFacts


@dataclass(frozen=True, slots=True)
class ForkAdapter:
    """The adapter of a library that starts branches of execution by one operation."""

    library: str
    operation: str
    packages: frozenset[str]
    kind: Kind = Kind.SPAWN
    below: frozenset[str] = frozenset()

    def describe(self, request: object) -> Call:
        """Describe the start of a branch."""
        method = self.operation.rpartition(".")[2]
        return Call(kind=self.kind, library=self.library, operation=self.operation, method=method)

    def request_carrier(self, request: object) -> None:
        """Carry nothing: the branch is handed over as it is."""

    def response_carrier(self, response: object) -> None:
        """Carry nothing: the branch is joined."""

    def facts(self, response: object) -> Facts:
        """Say nothing of a result, which may be any object."""
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        """Say nothing: what work raises is no answer."""

    def enact(self, fault: Fault, request: object, response: object = None) -> None:
        """Refuse: starting a branch does not fail in these ways."""
        raise CannotEnact(f"{self.library} knows no fault {fault}")
