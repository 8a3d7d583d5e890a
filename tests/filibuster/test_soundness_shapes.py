"""The shapes that mislead reductions, each explored to the end."""

from __future__ import annotations

import pytest

from metaapps.filibuster.reduce import Strength
from tests.filibuster.apps import Network
from tests.filibuster.apps.compared import Compared, compared, executions, failing, in_any_order
from tests.filibuster.apps.shapes import SHAPES

PLENTY = 2000


def explored(name: str) -> Compared:
    made = compared(Network(SHAPES[name], budget=7000), PLENTY)
    assert made is not None
    assert made.max_faults is None
    return made


@pytest.mark.parametrize("name", SHAPES)
def test_its_bug_is_found(name: str) -> None:
    made = explored(name)
    assert failing(made.every, bodies=True) == failing(in_any_order(made), bodies=True) != set()
    for strength in (Strength.STRICT, Strength.DYNAMIC):
        events = made.searched(strength)
        strict = strength is Strength.STRICT
        if made.network.application.reads_errors and not strict:
            continue
        assert not made.missed(events, bodies=strict)
        assert not [*made.mispredicted(events, bodies=strict)]


def test_a_bug_of_three_faults_takes_three() -> None:
    for name in ("three faults, each masking the next", "three faults in three services"):
        failed = [e for e in executions(explored(name).events) if not e.passed]
        assert min(execution.plan.size for execution in failed) == 3


def test_the_published_criterion_misses_two_degraded_answers() -> None:
    """It looks at each service alone, and not at what was answered."""
    made = explored("two degraded answers")
    assert made.missed(made.searched(Strength.PAPER), bodies=False)
