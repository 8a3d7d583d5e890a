"""One `baggage` header of what several propagators set, in whatever order they are asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Setter, default_setter

from baggage.wire import NAME, split_members

_UNITES: Final = "_baggage_unites"


class Gathering(Setter[Any]):
    """Sets what propagators set, but for `baggage`, which is `put` once all of them were asked.

    There are carriers to which what is set is appended: the first of two headers would count.
    """

    def __init__(self, setter: Setter[Any]) -> None:
        self._setter = setter
        self._carrier: Any = None
        self._theirs = ""
        self.write: Callable[[str], str] | None = None

    def set(self, carrier: Any, key: str, value: str) -> None:
        if key.lower() == NAME:
            self._carrier, self._theirs = carrier, value
        else:
            self._setter.set(carrier, key, value)

    def put(self, carrier: Any) -> None:
        header = self._theirs if self.write is None else self.write(self._theirs)
        if header:
            self._setter.set(carrier if self._carrier is None else self._carrier, NAME, header)


def as_they_came(theirs: str, came: tuple[str, ...]) -> tuple[str, ...]:
    """Return OpenTelemetry's members; those that it only passes on, as they came.

    Where it has none, what came stands: some of its instrumentations extract and do not attach.
    """
    members = split_members(theirs)[1]
    if not members:
        return came
    raw = {_encoded_anew(member): member for member in came}
    return tuple(raw.get(member, member) for member in members)


def _encoded_anew(member: str) -> str:
    """Return a member as OpenTelemetry writes it, once it has read it."""
    name, _, value = member.partition("=")
    return "=".join(quote_plus(unquote_plus(part.strip(" \t")).strip()) for part in (name, value))


def unite_headers() -> None:
    """Have propagators that are asked together set one `baggage` header, in whatever order."""
    if hasattr(CompositePropagator.inject, _UNITES):
        return
    inject_each = CompositePropagator.inject

    @wraps(inject_each)
    def inject(
        self: CompositePropagator,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = default_setter,
    ) -> None:
        if isinstance(setter, Gathering):
            inject_each(self, carrier, context, setter)
            return
        gathering = Gathering(setter)
        try:
            inject_each(self, carrier, context, gathering)
        finally:
            gathering.put(carrier)

    setattr(inject, _UNITES, True)
    CompositePropagator.inject = inject  # type: ignore[method-assign]
