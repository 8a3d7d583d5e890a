"""Tests that need a newer version of a library than the oldest that is supported say which."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TypeVar

import pytest
from packaging.version import Version

T = TypeVar("T")


def at_least(distribution: str, wanted: str) -> bool:
    """Say whether what is installed here is this version, or a newer one."""
    return Version(version(distribution)) >= Version(wanted)


def needs(distribution: str, wanted: str, why: str) -> Callable[[T], T]:
    """Mark a test, or a class of them, that older versions can't pass, and say why.

    In CI, too, it's skipped where they are installed, which is in the environment of `make floor`.
    """
    reason = f"needs {distribution} {wanted}: {why}"
    older = not at_least(distribution, wanted)

    def marked(test: T) -> T:
        for mark in (pytest.mark.may_skip(reason), pytest.mark.skipif(older, reason=reason)):
            test = mark(test)  # type: ignore[assignment]
        return test

    return marked
