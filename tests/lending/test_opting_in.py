"""Nobody lends who was not told to."""

from __future__ import annotations

from typing import Any

import pytest

from baggage.boundary import Policy
from baggage.runtime.settings import parse


@pytest.mark.parametrize(
    ("project", "environment", "lend"),
    [
        ({}, {}, ()),
        ({"lend": ["*.internal", "127.0.0.1"]}, {}, ("*.internal", "127.0.0.1")),
        ({"lend": ["*"]}, {"BAGGAGE_LEND": " a.internal, ,b "}, ("a.internal", "b")),
        ({"lend": ["*"]}, {"BAGGAGE_LEND": ""}, ()),
    ],
)
def test_settings_name_the_hosts_that_are_lent_to(
    project: dict[str, Any], environment: dict[str, str], lend: tuple[str, ...]
) -> None:
    assert parse(project, environment).policy.lend == lend


@pytest.mark.parametrize(
    ("policy", "may"),
    [
        (Policy(), False),
        (Policy(lend=("*",)), True),
        (Policy(lend=("*.internal",)), True),
        (Policy(lend=("*.external", "a.*")), True),
        (Policy(lend=("*.external",)), False),
        (Policy(lend=("*",), hosts=("*.external",)), False),
    ],
)
def test_a_host_may_borrow_if_a_pattern_says_so_and_it_may_have_baggage_at_all(
    policy: Policy, may: bool
) -> None:
    assert policy.may_borrow("a.internal") is may
