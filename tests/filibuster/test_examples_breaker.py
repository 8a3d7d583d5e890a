"""The breaker: retries that are told apart, and what opens after two failures."""

from __future__ import annotations

import shlex
import sys

import pytest

from tests.filibuster.conftest import Deployed
from tests.filibuster.examples import AT_ONCE, NO_REDUCTION, Example, comes_to, judged
from tests.filibuster.shell import EXAMPLES, Shell

REFUSED = ": requests.exceptions.ConnectionError"
HALL, HALL_AGAIN, OLD_HALL, CELLAR, CELLAR_AGAIN, OLD_CELLAR = (
    f"house → {call}{REFUSED}"
    for call in (
        "gateway GET /readings/hall",
        "gateway GET /readings/hall #2",
        "archive GET /readings/hall",
        "gateway GET /readings/cellar",
        "gateway GET /readings/cellar #2",
        "archive GET /readings/cellar",
    )
)

# Of the hall, at once or at the second attempt: 2. Then the cellar, at once, at the second attempt,
# or not, so that the archive is asked, which may fail too: 4. So 2 × 4 with the plan without any.
GATEWAY = [
    CELLAR,
    f"{CELLAR} + {CELLAR_AGAIN}",
    f"{CELLAR} + {CELLAR_AGAIN} + {OLD_CELLAR}",
    HALL,
    f"{HALL} + {CELLAR}",
    f"{HALL} + {CELLAR} + {CELLAR_AGAIN}",
    f"{HALL} + {CELLAR} + {CELLAR_AGAIN} + {OLD_CELLAR}",
]
# Two failures for the hall open the breaker, and then nothing is asked about the cellar.
OPEN = [f"{HALL} + {HALL_AGAIN}", f"{HALL} + {HALL_AGAIN} + {OLD_HALL}"]
# As it should be the archive is, and may fail.
FIXED = [*OPEN, *(f"{plan} + {OLD_CELLAR}" for plan in OPEN)]


@pytest.fixture
def breaker(shell: Shell, deployed: Deployed) -> Example:
    return Example("breaker", "test_readings.py", shell, deployed)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ((), "`services.toml`"),
        (AT_ONCE, "`services.toml`"),
        (NO_REDUCTION, "`services.toml`, `--reduction none`"),
    ],
)
def test_a_breaker_that_opens_is_found(
    options: tuple[str, ...], what: str, breaker: Example
) -> None:
    """Nothing is pruned: it is one service that sees each failure, and may remember it."""
    ended = breaker.run("services.toml", *options)
    assert judged(ended) == sorted([*GATEWAY, *OPEN])
    assert ended.failed == OPEN
    assert comes_to(ended, "breaker", what)


def test_once_it_is_fixed_everything_passes(breaker: Example) -> None:
    ended = breaker.run("services-fixed.toml")
    assert judged(ended) == sorted([*GATEWAY, *FIXED])
    assert comes_to(ended, "breaker", "`services-fixed.toml`")


HALL_REFUSED = "house → gateway GET /readings/hall: refused"
RESET = shlex.join([sys.executable, str(EXAMPLES / "breaker" / "reset.py")])


def test_a_breaker_for_all_that_is_reset_comes_to_the_same_as_one_for_each(
    breaker: Example,
) -> None:
    shared = breaker.run("services-shared.toml", "--reset", RESET)
    assert judged(shared) == sorted([*GATEWAY, *OPEN])
    assert shared.failed == OPEN
    assert comes_to(shared, "breaker", "`services-shared.toml`, `--reset …`")


def test_a_breaker_for_all_that_is_not_reset_is_noticed(breaker: Example) -> None:
    """The fourth execution opens it, and what ran before comes out otherwise when run again."""
    assert breaker.run("services-shared.toml", "--reset", RESET, "--max-faults", "1").code == 0
    opened = breaker.run("services-shared.toml", "--check-interference", "10")
    assert opened.code == 1
    assert f"{HALL_REFUSED} was planned and did not happen" in opened.out
    assert "nondeterministic: test → house GET /readings: ends in execution 5" in opened.out
    assert f"interference: {HALL_REFUSED}: " in opened.out
    assert "set the state back before each (--reset CMD)" in opened.out
    left_open = breaker.run("services-shared.toml")
    assert left_open.code == 2
    assert "the functional test fails without any fault" in left_open.err
