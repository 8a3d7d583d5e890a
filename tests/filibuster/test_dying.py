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
    text = here.exported()
    with here.start(FILIBUSTER, *SEARCH, "--workers", "4") as process:
        assert process.stdout is not None
        assert any(line.startswith("Execution 2 ") for line in process.stdout)
        process.kill()
    resumed = here.filibuster(*SEARCH, "--workers", "4", "--resume")
    assert "resumed: " in resumed.out
    check(resumed)
    assert here.exported() == text
    again = here.run("filibuster", "replay", "counterexample.json", *SEARCH[1:3])
    assert again.code == 1
    assert "Reproduced: the test fails as recorded." in again.out
    # Of who was killed, services end once they notice.
    wait_until(lambda: not processes(here.directory))


# Lets the shop end, if it is going to, and waits until it did: so between two executions.
LET_GO = """
if [ -e dying ] && [ ! -e go ]; then
    touch go
    while kill -0 "$(cat dying)"; do sleep 0.02; done
fi
"""
BROWSING = (
    "run",
    *("--services", str(DYING / "services.toml")),
    *("--functional-test", str(DYING / "browsing.py")),
    *("--analysis-file", "faults.json"),
    *("--reset", "sh let_go.sh"),
)
LATE = "service 'shop' ended (exit code 7)"


def test_who_ended_late_is_told_of_by_whoever_resumes_exports_and_shows_the_run(
    shell: Shell,
) -> None:
    here = Shell(shell.directory, {"HERE": str(shell.directory)})
    faults = [f"shop→orders: status {status}" for status in (503, 500)]
    here.write("faults.json", json.dumps({"all": {"faults": faults}}))
    here.write("let_go.sh", LET_GO)
    with here.start(FILIBUSTER, *BROWSING) as process:
        assert process.stdout is not None
        assert any(line.startswith(f"{LATE}: starting ") for line in process.stdout)
        process.kill()
    ended = here.filibuster("export")
    assert (ended.code, ended.err) == (0, "filibuster: run 1 was cut off: this is a part of it\n")
    late = json.loads(ended.out.splitlines()[-1])
    died = [{"service": "shop", "how": "exit code 7"}]
    assert late == {"event": "late", "ended": died, "verdict": "not judged"}
    texts = []
    for _ in range(2):
        resumed = here.filibuster(*BROWSING, "--resume")
        assert (resumed.code, resumed.err) == (1, ""), resumed.out
        assert resumed.totals.ran == len(faults) + 1
        assert resumed.failed == []
        assert f"late: {LATE} after an execution that had been judged, and" in resumed.out
        assert "failed: shop → orders GET /price: 503" in resumed.out
        texts.append(here.exported())
    assert texts[0] == texts[1]
    late = json.loads(texts[0].splitlines()[-1])
    assert (late["event"], late["ended"], late["verdict"]) == ("late", died, "failed")
    assert late["plan"][0]["fault"] == {"kind": "status", "status": 503}
    assert ", 0 failed, 1 late death  " in here.filibuster("runs").out
    assert here.filibuster("page").code == 0
    page = (here.directory / "filibuster.html").read_text()
    assert page.count('<details class="failed">') == page.count(">Late</span>") == 1
