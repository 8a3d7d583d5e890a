"""A library made of little but headers, for crossings without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from baggage.boundary import (
    Call,
    CannotEnact,
    Endpoint,
    Facts,
    Fault,
    FaultKind,
    Kind,
    PlainFacts,
)
from baggage.boundary.edit import Edit

_CALLEE: Final = Endpoint("callee", 80)


@dataclass(slots=True)
class Parcel:
    """A message: headers by lower-case name. It is its own carrier."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    body: bytes = b""

    def get(self, name: str) -> str | None:
        return self.headers.get(name)

    def set(self, name: str, value: str) -> None:
        self.headers[name] = value


class ParcelRefused(Exception):
    """What this library raises where nobody takes a parcel."""


class ParcelLate(Exception):
    """What this library raises where nobody waits for a parcel any longer."""


class ParcelReturned(Exception):
    """What this library raises where a parcel came back with an answer that is no success."""

    def __init__(self, answer: Parcel) -> None:
        """Keep the answer."""
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class ParcelAdapter:
    """The adapter for parcels, in any role; `call` is what it describes each of them as."""

    kind: Kind = Kind.CLIENT
    library: str = "parcel"
    packages: frozenset[str] = frozenset()
    endpoint: Endpoint | None = _CALLEE
    below: frozenset[str] = frozenset()
    timeout: float | None = None

    def lends(self, _: Parcel) -> bool:
        return True

    def describe(self, request: Parcel) -> Call:
        arrived: Mapping[str, str] = {} if self.kind.departs else request.headers
        return Call(
            kind=self.kind,
            library=self.library,
            operation="SEND parcel",
            method="send",
            endpoint=self.endpoint,
            arrived=arrived,
            timeout=self.timeout,
        )

    def request_carrier(self, request: Parcel) -> Parcel:
        return request

    def response_carrier(self, response: Parcel) -> Parcel:
        return response

    def facts(self, response: Parcel) -> Facts:
        return PlainFacts(response.status, ok=response.status < 400)

    def answer(self, error: BaseException) -> Parcel | None:
        return error.answer if isinstance(error, ParcelReturned) else None

    def edited(self, response: Parcel, edit: Edit) -> bytes:
        return edit.of(response.body)

    def enact(self, fault: Fault, request: Parcel, response: Parcel | None = None) -> Parcel:
        if fault.kind is FaultKind.REFUSED:
            raise ParcelRefused("refused")
        if fault.kind is FaultKind.STATUS and fault.status is not None:
            return Parcel(status=fault.status)
        if fault.kind is FaultKind.TIMEOUT:
            raise ParcelLate("too late")
        if fault.kind is FaultKind.BODY and response is not None:
            return replace(response, body=fault.body or b"")
        raise CannotEnact(f"no parcel fails by {fault}")
