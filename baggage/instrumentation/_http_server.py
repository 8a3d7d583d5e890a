"""What adapters of HTTP servers say alike, whichever way a framework is asked."""

from __future__ import annotations

from baggage.boundary import CannotEnact, Fault, FaultKind, Kind


class ServerAdapter:
    """The server side of HTTP, under the name of the framework that is instrumented."""

    kind = Kind.SERVER
    packages: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def __init__(self, library: str) -> None:
        """Name the library."""
        self.library = library

    def lends(self, _: object) -> bool:
        """Say that a request is of one attempt, whose answer brings baggage back."""
        return True

    def answer(self, error: BaseException) -> None:
        """Say nothing: what an application raises is no answer."""

    def _status(self, fault: Fault) -> int:
        """Return the status to answer with; other faults a server can't make by itself."""
        if fault.kind is not FaultKind.STATUS or fault.status is None:
            raise CannotEnact(f"{self.library} knows no fault {fault}")
        return fault.status
