"""Whether a directive can be followed: asked before it could harm the application or another's.

What a directive means is in `metaapp`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from baggage.boundary.metaapp import Answer, Directive, Inject, Proceed
from baggage.boundary.outcome import Fault, FaultKind, Raised, Returned
from baggage.values import check_down

LONGEST_DELAY: Final = 3600.0
"""Seconds that a crossing may be held up."""

# What any client library sends as it is; a line break would fail the application's own call.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~]*")
_NEVER_LATE: Final = frozenset({FaultKind.DELAY, FaultKind.DROP, FaultKind.DUPLICATE})


class MetaAppError(RuntimeError):
    """A meta-application broke the protocol of flows."""


def check(directive: Any) -> None:
    """Raise MetaAppError or BaggageError unless a directive can be followed."""
    if isinstance(directive, Proceed):
        for key, value in directive.down.items():
            check_down(key, value)
        if directive.headers:
            _check_headers(directive.headers)
        delay = directive.delay
        if delay != 0:
            _check_seconds(delay)
    elif isinstance(directive, Inject) and isinstance(directive.fault, Fault):
        check_fault(directive.fault)
        if directive.when is not None and not directive.fault.late:
            raise MetaAppError(f"only a late fault can wait for an answer: {directive.fault!r}")
        check(directive.otherwise)
    elif not (isinstance(directive, Answer) and is_outcome(directive.outcome)):
        raise MetaAppError(f"yielded {directive!r}, not a directive")


def check_fault(fault: Fault) -> None:
    """Raise MetaAppError unless the fields of a fault go together."""
    kind, edit = fault.kind, fault.edit
    if kind is FaultKind.DELAY:
        _check_seconds(fault.seconds)
    if fault.late and kind in _NEVER_LATE:
        raise MetaAppError(f"a fault {kind.value!r} befalls no answer: it can't be late")
    if edit is None:
        return
    if kind is not FaultKind.BODY or fault.body is not None:
        raise MetaAppError(f"an edit goes with a fault 'body' alone, and with no body: {fault!r}")
    from baggage.boundary.edit import read_edit  # here: it needs `json`, and few ever edit

    try:
        read_edit(edit)
    except ValueError as error:
        raise MetaAppError(str(error)) from error


def checked(directive: Any) -> Directive:
    """Return a directive that can be followed; raise as `check` does otherwise."""
    check(directive)
    followed: Directive = directive
    return followed


def is_outcome(value: object) -> bool:
    """Say whether something can be delivered to the application."""
    if isinstance(value, Raised):
        return isinstance(value.error, BaseException)
    return isinstance(value, Returned)


def _check_seconds(seconds: float | None) -> None:
    if seconds is None or not 0 <= seconds <= LONGEST_DELAY:  # which NaN is not either
        raise MetaAppError(f"a delay is from 0 to {LONGEST_DELAY:g} seconds, not {seconds!r}")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
            raise MetaAppError(f"no request can carry the header {name!r}: {value!r}")
