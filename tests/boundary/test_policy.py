"""What a session overrides holds at the boundaries that it crosses, and nowhere else."""

from __future__ import annotations

import pytest

from baggage.boundary import Boundary, Policy
from baggage.context import session


@pytest.fixture
def boundary() -> Boundary:
    return Boundary(Policy(service="shop", budget=1000))


def test_without_a_session_the_configured_policy_holds(boundary: Boundary) -> None:
    assert boundary.policy == Policy(service="shop", budget=1000)


def test_a_session_overrides_what_it_names_until_it_ends(boundary: Boundary) -> None:
    with session.overridden(strict=True, service="till"):
        assert boundary.policy == Policy(service="till", strict=True, budget=1000)
    assert boundary.policy == Policy(service="shop", budget=1000)


def test_strict_mode_of_a_session_raises_what_is_else_isolated(boundary: Boundary) -> None:
    with boundary.isolated():
        raise RuntimeError("isolated")
    with session.overridden(strict=True), pytest.raises(RuntimeError), boundary.isolated():
        raise RuntimeError("raised")
