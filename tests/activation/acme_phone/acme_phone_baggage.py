"""acme_phone: baggage goes along in a call's notes. By the waist alone, and wrapt."""

from __future__ import annotations

from typing import Any

import acme_phone  # type: ignore[import-not-found, unused-ignore]
import wrapt

from baggage.boundary import Boundary, Call, CannotEnact, Carrier, Facts, Fault, Kind, PlainFacts


class Notes:
    """The notes of a call."""

    def __init__(self, notes: dict[str, str]) -> None:
        self._notes = notes

    def get(self, name: str) -> str | None:
        return self._notes.get(name)

    def set(self, name: str, value: str) -> None:
        self._notes[name] = value


class PhoneAdapter:
    """A request is a call's words and notes; nothing travels back with the answer."""

    kind = Kind.CLIENT
    library = "acme_phone"
    packages = frozenset({"acme_phone"})
    below: frozenset[str] = frozenset()

    def describe(self, request: Any) -> Call:
        return Call(kind=self.kind, library=self.library, operation="call", method="call")

    def request_carrier(self, request: Any) -> Carrier | None:
        return Notes(request[1])

    def response_carrier(self, response: Any) -> Carrier | None:
        return None

    def facts(self, response: Any) -> Facts:
        return PlainFacts()

    def answer(self, error: BaseException) -> Any | None:
        return None

    def enact(self, fault: Fault, request: Any, response: Any | None = None) -> Any:
        raise CannotEnact(fault.kind.value)


def instrument(boundary: Boundary, switch: Any) -> None:
    """Wrap calls, once."""

    def call(wrapped: Any, phone: Any, args: Any, kwargs: Any) -> Any:
        if not switch.on:
            return wrapped(*args, **kwargs)
        words, notes = args
        request = (words, dict(notes))
        return boundary.call(PhoneAdapter(), request, lambda: wrapped(*request))

    wrapt.wrap_function_wrapper(acme_phone.Phone, "call", call)
