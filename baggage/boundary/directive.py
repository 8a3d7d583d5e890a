"""Whether a directive can be followed: asked before it could harm the application or another's.

What a directive means is in `metaapp`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from baggage.boundary.metaapp import Answer, Directive, Inject, Proceed
from baggage.boundary.outcome import Fault, Raised, Returned
from baggage.values import check_down

# What any client library sends as it is; a line break would fail the application's own call.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~]*")


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
        if delay != 0 and not (isfinite(delay) and delay > 0):
            raise MetaAppError(f"a delay is some seconds from 0, not {delay!r}")
    elif isinstance(directive, Inject) and isinstance(directive.fault, Fault):
        check(directive.otherwise)
    elif not (isinstance(directive, Answer) and is_outcome(directive.outcome)):
        raise MetaAppError(f"yielded {directive!r}, not a directive")


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


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
            raise MetaAppError(f"no request can carry the header {name!r}: {value!r}")
