"""Tests that need IPv6 say so: a container has none unless it's told to."""

from __future__ import annotations

import socket
from typing import Final, TypeVar

import pytest

T = TypeVar("T")


def _works() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


_REASON: Final = "this machine has no IPv6"
MARKS: Final = (
    pytest.mark.may_skip(_REASON),
    pytest.mark.skipif(not _works(), reason=_REASON),
)
"""For one of a test's parameters. In CI, too, it's skipped then."""


def needed(test: T) -> T:
    """Mark a whole test."""
    for mark in MARKS:
        test = mark(test)  # type: ignore[assignment]
    return test
