"""Settings that a session overrides, as the rest of `baggage` reads them.

Belongs here: the variables. Setting them is for `baggage.context.session`, which adds a library
that is slow to import; reading them costs one `ContextVar.get`, whether it was imported or not.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, Literal, TypeAlias, overload

Name: TypeAlias = Literal["name", "strict", "budget", "service"]

VARIABLES: Final[dict[Name, ContextVar[Any]]] = {
    "name": ContextVar("baggage.session.name", default=None),
    "strict": ContextVar("baggage.session.strict", default=None),
    "budget": ContextVar("baggage.session.budget", default=None),
    "service": ContextVar("baggage.session.service", default=None),
}


@overload
def override(name: Literal["strict"]) -> bool | None: ...
@overload
def override(name: Literal["budget"]) -> int | None: ...
@overload
def override(name: Literal["name", "service"]) -> str | None: ...
def override(name: Name) -> bool | int | str | None:
    """Return what the current session says instead of a setting; None if it says nothing.

    `name` is the session's own name. Threads and processes that a session starts see what their
    context was copied from.
    """
    value: bool | int | str | None = VARIABLES[name].get()
    return value
