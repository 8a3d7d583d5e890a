"""All that a library says about itself.

An adapter translates between one library's objects and the waist's values. It has no state, and
knows no meta-application.
"""

from __future__ import annotations

from typing import Any, Protocol

from baggage.boundary.call import Call
from baggage.boundary.outcome import Fault, Outcome, PlainFacts
from baggage.boundary.outcome import Facts as Facts


class CannotEnact(Exception):
    """An adapter doesn't know what a fault looks like in its library; nothing is injected then."""


class Carrier(Protocol):
    """Headers by lower-case name, as a library carries them with a message."""

    def get(self, name: str) -> str | None:
        """Return a header's value (several joined by commas), None without the header."""

    def set(self, name: str, value: str) -> None:
        """Replace a header."""


class Adapter(Protocol):
    """One library's side of the waist. `request` and `response` are the library's own objects."""

    def describe(self, request: Any) -> Call:
        """Describe what is about to happen; `source`, `target` and `site` are the driver's to fill."""

    def request_carrier(self, request: Any) -> Carrier | None:
        """Return where baggage travels with the request, None where it can't."""

    def response_carrier(self, response: Any) -> Carrier | None:
        """Return where baggage travels back with the response, None where it can't."""

    def facts(self, response: Any) -> Facts:
        """Describe a response without reading a stream that the application has yet to read."""

    def enact(self, fault: Fault, request: Any) -> Any:
        """Return or raise exactly what the library would; raise CannotEnact for an unknown fault."""


__all__ = ["Adapter", "CannotEnact", "Carrier", "Facts", "Outcome", "PlainFacts"]
