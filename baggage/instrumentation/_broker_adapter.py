"""What adapters of message brokers have in common: nothing comes back, and no exception answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baggage.boundary import CannotEnact, Facts, Fault, Kind, PlainFacts


@dataclass(frozen=True, slots=True)
class BrokerAdapter:
    """One side of a library for messages; a request is its own carrier.

    Inherit and say how one is described; producers say how one fails, too.
    """

    kind: Kind
    library: str
    packages: frozenset[str]
    below: frozenset[str] = frozenset()

    def request_carrier(self, request: Any) -> Any:
        """Carry in the message itself."""
        return request

    def response_carrier(self, response: object) -> None:
        """Carry nothing: a broker answers for itself."""

    def facts(self, response: object) -> Facts:
        """Say nothing of what a client returns."""
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        """Say nothing: no exception tells of an answer."""

    def enact(self, fault: Fault, request: Any, response: object = None) -> Any:
        """Refuse: what a consumer takes has come already."""
        raise CannotEnact("it has come already")
