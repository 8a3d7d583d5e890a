"""All that a library says about itself.

An adapter translates between one library's objects and the waist's values. It has no state, and
knows no meta-application.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Protocol

from baggage.boundary.call import Call, Kind
from baggage.boundary.outcome import Facts, Fault


class CannotEnact(Exception):
    """An adapter doesn't know what a fault looks like in its library; nothing is injected then."""


class Carrier(Protocol):
    """Headers by lower-case name, as a library carries them with a message."""

    def get(self, name: str) -> str | None:
        """Return a header's value (several joined by commas), None without the header."""

    def set(self, name: str, value: str) -> None:
        """Replace a header."""


class Adapter(Protocol):
    """One library's side of the waist. `request` and `response` are the library's own objects.

    `kind` and `library` are those of its calls. `packages` are the top-level packages that stand
    between the application and the hook, so that the call site is found beyond them. `below` names
    the libraries that are built on this one: what it does within one of their calls is a part of
    that call, and no crossing of its own.

    Three methods are optional. `edited(response, edit) -> bytes` returns the body of an answer as
    an `Edit` changes it, `edit.of(body)` as a rule; `enact` is asked for a BODY of that then. It
    raises CannotEnact for a body that streams. Without it no body is edited. `lends(request) ->
    bool` says whether the right to write may be lent with a request: where whatever is sent again
    is a crossing of its own, and an answer brings baggage back; of an arrival, whether this is the
    first time that it may have been sent. Without it nothing is lent. `unsent(error) -> bool |
    None` says of what a departure raised whether the request never left, None where the exceptions
    that it came of are to be looked at.
    """

    @property
    def kind(self) -> Kind:
        """The kind of crossing that this adapter is for."""

    @property
    def library(self) -> str:
        """The library's name, as in "requests"."""

    @property
    def packages(self) -> AbstractSet[str]:
        """Top-level packages to skip in search of the call site."""

    @property
    def below(self) -> AbstractSet[str]:
        """Libraries whose calls contain this one's, as in "requests" for urllib3."""

    def describe(self, request: Any) -> Call:
        """Describe what is about to happen; the driver fills in `source`, `target` and `site`.

        Return a new one each time. What costs to find out, `Call.told` finds out when it's read.
        A departure whose caller is gone from the stack by now says its `site` itself.
        """

    def request_carrier(self, request: Any) -> Carrier | None:
        """Return where baggage travels with the request, None where it can't."""

    def response_carrier(self, response: Any) -> Carrier | None:
        """Return where baggage travels back with the response, None where it can't."""

    def facts(self, response: Any) -> Facts:
        """Describe a response without reading a stream that the application has yet to read."""

    def answer(self, error: BaseException) -> Any | None:
        """Return the response that an exception tells of, None where nobody answered.

        For libraries that raise what a callee did answer, such as a status of gRPC.
        """

    def enact(self, fault: Fault, request: Any, response: Any | None = None) -> Any:
        """Return or raise just what the library would; raise CannotEnact for an unknown fault.

        `response` is what the callee did answer, where the fault shall befall its answer; None
        where the callee is not contacted.
        """


def lends(adapter: Adapter, request: Any) -> bool:
    """Say whether ids may be lent with a request, by what its library does with it."""
    ask = getattr(adapter, "lends", None)
    return ask is not None and bool(ask(request))
