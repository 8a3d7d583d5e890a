"""A service that does not survive a fault is a counterexample, and the search goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.filibuster.shell import FILIBUSTER, Ended, Shell, processes, wait_until

DYING = Path(__file__).parent / "dying"
FAULTS = [
    "orders→shop: status 503",
    "orders→shop: refused",
    "orders→shop: status 500",
    "shop→orders: timeout",
]
SEARCH = (
    "run",
    *("--services", str(DYING / "services.toml")),
    *("--functional-test", str(DYING / "buying.py")),
    *("--analysis-file", "faults.json"),
)
FIRST = "orders → shop GET /price: 503"
ENDS = [
    (FIRST, "service 'orders' ended (exit code 4) while this execution ran"),
    (
        "orders → shop GET /price: ConnectionRefusedError",
        "service 'orders' ended (signal SIGKILL) while this execution ran",
    ),
    (
        "shop → orders GET /order: TimeoutError",
        "service 'shop' ended (exit code 3) while this execution ran",
    ),
]


@pytest.fixture
def here(shell: Shell) -> Shell:
    shell.write("faults.json", json.dumps({"all": {"faults": FAULTS}}))
    return shell


def exported(shell: Shell) -> str:
    ended = shell.filibuster("export")
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def check(ended: Ended) -> None:
    assert (ended.code, ended.err) == (1, ""), ended.out
    assert ended.totals.ran == len(FAULTS) + 1
    assert ended.failed == [fault for fault, _ in ENDS]
    for fault, summary in ENDS:
        assert f"failed: {fault}\n        {summary}\n" in ended.out
    assert "faults: 4 planned, 4 fired\n" in ended.out


def test_what_kills_services_is_found_whoever_works_and_whatever_is_killed_meanwhile(
    here: Shell,
) -> None:
    whole = here.filibuster(*SEARCH)
    check(whole)
    assert "│ 'shop' wrote last:\n" in whole.out
    assert "  │ no orders, no shop\n" in whole.out
    # Earlier executions have their own.
    assert whole.out.count("  │ a buyer\n") == 1
    assert "not hit" not in whole.out
    text = exported(here)
    with here.start(FILIBUSTER, *SEARCH, "--workers", "4") as process:
        assert process.stdout is not None
        assert any(line.startswith("Execution 2 ") for line in process.stdout)
        process.kill()
    resumed = here.filibuster(*SEARCH, "--workers", "4", "--resume")
    assert "resumed: " in resumed.out
    check(resumed)
    assert exported(here) == text
    again = here.run("filibuster", "replay", "counterexample.json", *SEARCH[1:3])
    assert again.code == 1
    assert "Reproduced: the test fails as recorded." in again.out
    # Of who was killed, services end once they notice.
    wait_until(lambda: not processes(here.directory))
