"""The examples come to exactly what their READMEs say, by the commands that these show."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from metaapps.filibuster.services import status
from tests.filibuster.conftest import Deployed
from tests.filibuster.examples import comes_to, told
from tests.filibuster.shell import EXAMPLES, ROOT, Ended, Shell, Totals, processes

TUTORIAL = EXAMPLES / "tutorial"
AWARE = str(TUTORIAL / "functional" / "test_foo_bar_baz.py")
NAIVE = str(TUTORIAL / "functional" / "test_foo_bar_baz_naive.py")

# Callee before caller, then by position, then as the catalogue has it.
FAULTS = [
    "requests.exceptions.ConnectionError",
    "requests.exceptions.ReadTimeout",
    "500",
    "502",
    "503",
]
SINGLE_FAULTS = [
    f"{call}: {fault}"
    for call in ("bar → baz GET /baz", "foo → bar GET /bar/baz")
    for fault in FAULTS
]
REFUSED = "foo → bar GET /bar/baz: requests.exceptions.ConnectionError"
PRUNED = "foo → bar GET /bar/baz: 503"


@pytest.fixture
def buggy(shell: Shell, deployed: Deployed) -> Shell:
    """An empty directory, and the tutorial's services within reach."""
    return Shell(shell.directory, deployed(TUTORIAL / "services.toml"))


@pytest.fixture
def fixed(shell: Shell, deployed: Deployed) -> Shell:
    """The same with the bug fixed."""
    return Shell(shell.directory, deployed(TUTORIAL / "services-fixed.toml"))


# The tutorial


def test_the_aware_test_finds_the_one_bug(buggy: Shell) -> None:
    ended = buggy.filibuster("--functional-test", AWARE)
    assert ended.code == 1
    assert [judged.plan for judged in ended.judged] == ["no faults", *SINGLE_FAULTS]
    assert ended.failed == [REFUSED]
    assert ended.pruned == [PRUNED]
    assert ended.totals == Totals(11, ran=10, pruned=1, remaining=0)
    assert comes_to(ended, "tutorial", "`test_foo_bar_baz.py`")
    assert ended.err == ""

    found = json.loads((buggy.directory / "counterexample.json").read_text())
    (fault,) = found["faults"]
    assert fault["call"] == "foo → bar GET /bar/baz"
    assert fault["exception"] == "requests.exceptions.ConnectionError"
    assert fault["site"].startswith("app.foo_bar_baz:")
    (other,) = (buggy.directory / ".filibuster" / "counterexamples").iterdir()
    assert json.loads(other.read_text()) == found
    assert f"{other.relative_to(buggy.directory)}\nreplay the first: filibuster replay" in ended.out


def test_the_fixed_services_pass_everything(fixed: Shell) -> None:
    ended = fixed.filibuster("--functional-test", AWARE)
    assert ended.code == 0
    assert [judged.plan for judged in ended.judged] == ["no faults", *SINGLE_FAULTS]
    assert ended.pruned == [PRUNED]
    assert ended.totals == Totals(11, ran=10, pruned=1, remaining=0)
    assert comes_to(ended, "tutorial", "`test_foo_bar_baz.py`, `services-fixed.toml`")
    assert not (fixed.directory / "counterexample.json").exists()


def test_without_reduction_all_executions_run(fixed: Shell) -> None:
    ended = fixed.filibuster("--functional-test", AWARE, "--disable-dynamic-reduction")
    assert ended.code == 0
    assert [judged.plan for judged in ended.judged] == ["no faults", *SINGLE_FAULTS]
    assert ended.totals == Totals(11, ran=11, pruned=0, remaining=0)


def test_the_naive_test_fails_under_every_fault(buggy: Shell) -> None:
    ended = buggy.filibuster("--functional-test", NAIVE)
    assert ended.code == 1
    assert ended.failed == [plan for plan in SINGLE_FAULTS if plan != PRUNED]
    assert len(ended.failed) == 9
    assert ended.totals == Totals(11, ran=10, pruned=1, remaining=0)
    assert comes_to(ended, "tutorial", "`test_foo_bar_baz_naive.py`")
    assert len(list((buggy.directory / ".filibuster" / "counterexamples").iterdir())) == 9

    again = buggy.filibuster("replay", "counterexample.json")
    assert again.code == 1
    assert "Reproduced: the test fails as recorded." in again.out

    aware = ("--functional-test", AWARE, "--counterexample-file", "counterexample.json")
    passes = buggy.filibuster(*aware)
    assert passes.code == 0
    assert "The counterexample passes now: its faults were hit, the test passed." in passes.out


def test_the_counterexample_passes_once_the_bug_is_fixed(buggy: Shell, fixed: Shell) -> None:
    assert buggy.filibuster("--functional-test", AWARE).code == 1
    replayed = fixed.filibuster("replay", "counterexample.json")
    assert replayed.code == 0
    (judged,) = replayed.judged
    assert judged == ("Replay", REFUSED, "passed")


def test_the_fault_that_shows_the_bug_can_be_tried_by_hand(buggy: Shell, fixed: Shell) -> None:
    by_hand = ("run", "--functional-test", AWARE, "--fault", "foo→bar: refused")
    found, passed = buggy.filibuster(*by_hand), fixed.filibuster(*by_hand)
    assert (found.code, found.failed) == (1, [REFUSED])
    assert (passed.code, passed.failed) == (0, [])


def tutorial_in(directory: Path) -> Shell:
    ignored = shutil.ignore_patterns("__pycache__", ".filibuster", "counterexample.json")
    shutil.copytree(TUTORIAL, directory, ignore=ignored)
    return Shell(directory)


def explore(shell: Shell, *more: str) -> Ended:
    test = ("--functional-test", "functional/test_foo_bar_baz.py")
    return shell.filibuster("run", *test, "--services", "services.toml", *more)


def test_indices_depend_on_nothing_of_the_machine(shell: Shell) -> None:
    here = tutorial_in(shell.directory / "here")
    there = tutorial_in(shell.directory / "a" / "much" / "longer path" / "elsewhere")
    first, again, other = explore(here), explore(here), explore(there)
    assert first.code == again.code == other.code == 1
    assert len(first.indices) == 26  # six executions with three calls, four with two
    assert first.indices == again.indices == other.indices
    assert len(set(first.indices)) == 3


def test_a_counterexample_survives_lines_added_above_the_call(shell: Shell) -> None:
    tutorial = tutorial_in(shell.directory / "tutorial")
    assert explore(tutorial).code == 1
    app = tutorial.directory / "services" / "foo" / "app.py"
    before = app.read_text()

    added = before.replace(
        "app = Flask", "UNRELATED = 1\n\n\ndef unrelated(): ...\n\n\napp = Flask"
    )
    app.write_text(added.replace("    try:", "    unrelated()\n    try:", 1))
    moved = explore(tutorial, "--counterexample-file", "counterexample.json")
    assert moved.code == 1
    assert [judged.plan for judged in moved.judged] == [REFUSED]
    assert "Reproduced" in moved.out

    app.write_text(before.replace("foo_bar_baz()", "renamed()"))
    renamed = explore(tutorial, "--counterexample-file", "counterexample.json")
    assert renamed.code == 2
    assert renamed.err.startswith(
        "filibuster: not reproduced: the call foo → bar GET /bar/baz is no longer made as recorded"
    )
    assert renamed.err.count("\n") == 1


def test_services_that_were_left_running_are_found(shell: Shell) -> None:
    tutorial = tutorial_in(shell.directory / "tutorial")
    make = ("make", f"FILIBUSTER={Path(sys.executable).parent / 'filibuster'}")
    started = tutorial.run(*make, "local-start")
    assert started.code == 0, started.err
    try:
        ended = tutorial.filibuster("--functional-test", "./functional/test_foo_bar_baz.py")
        assert ended.code == 1
        assert ended.failed == [REFUSED]
    finally:
        stopped = tutorial.run(*make, "local-stop")
    assert stopped.code == 0, stopped.err
    assert status(tutorial.directory / ".filibuster") is None
    assert processes(tutorial.directory) == []


def test_the_demo_keeps_its_promises(shell: Shell) -> None:
    ended = shell.run(
        sys.executable,
        "-m",
        "examples.tutorial.demo",
        PYTHONPATH=str(ROOT),
        TMPDIR=str(shell.directory),
    )
    assert ended.code == 0, ended.err
    assert processes(shell.directory) == []


@pytest.mark.parametrize(
    ("example", "services", "test"),
    [
        ("two_faults", "services-fixed.toml", "test_order.py"),
        ("degrade", "services-fixed.toml", "test_journey.py"),
        ("degrade", "services-mirror-fixed.toml", "test_journey.py"),
    ],
)
def test_a_fixed_example_passes_as_its_readme_says(
    example: str, services: str, test: str, shell: Shell, deployed: Deployed
) -> None:
    there = Shell(shell.directory, deployed(EXAMPLES / example / services))
    ended = there.filibuster("--functional-test", str(EXAMPLES / example / "functional" / test))
    assert comes_to(ended, example, f"`{services}`")
    assert ended.failed == []


def test_the_page_of_examples_says_what_their_readmes_say() -> None:
    lines = (ROOT / "docs" / "examples.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    numbers = {row[0]: row[1:] for row in rows if len(row) == 5 and row[2].isdecimal()}
    told_of = {path.parent.name for path in EXAMPLES.glob("*/README.md")}
    assert numbers.keys() == told_of
    for example, (test, executions, pruned, failed) in numbers.items():
        row = told(example, test if example == "tutorial" else "`services.toml`")
        assert (row.executions, row.pruned, row.failed) == (
            int(executions),
            int(pruned),
            int(failed),
        )
        assert (EXAMPLES / example / "functional" / test.strip("`")).is_file()


# What the numbers follow from


def plans(*calls: str) -> list[str]:
    """Return the plans that fail these calls together, in canonical order."""
    found = [""]
    for call in calls:
        found = [f"{plan}{' + ' if plan else ''}{call}: {f}" for plan in found for f in FAULTS]
    return found


PRIMARY = "orders → primary GET /stock/kettle"
REPLICA = "orders → replica GET /stock/kettle #2"


def test_two_faults_tries_the_replica_once_the_primary_has_failed(
    shell: Shell, deployed: Deployed
) -> None:
    """1 + 5 + 5 × 5: the replica is asked only after the primary, and each failure is another."""
    there = Shell(shell.directory, deployed(EXAMPLES / "two_faults" / "services.toml"))
    test = str(EXAMPLES / "two_faults" / "functional" / "test_order.py")
    ended = there.filibuster("--functional-test", test)
    pairs = plans(PRIMARY, REPLICA)
    assert [judged.plan for judged in ended.judged] == ["no faults", *plans(PRIMARY), *pairs]
    assert ended.failed == pairs
    assert comes_to(ended, "two_faults", "`services.toml`")


TRAFFIC = "road → traffic GET /speed"
ROAD = "journey → road GET /way"
TIMETABLE = "journey → timetable GET /next-train"


@pytest.mark.parametrize(
    ("services", "singles", "pairs"),
    [
        # The road is asked first, and asks for the traffic meanwhile.
        (
            "services.toml",
            (TRAFFIC, ROAD, TIMETABLE),
            [(TRAFFIC, TIMETABLE), (ROAD, TIMETABLE)],
        ),
        # The timetable is asked first.
        (
            "services-mirror.toml",
            (TIMETABLE, TRAFFIC, ROAD),
            [(TIMETABLE, TRAFFIC), (TIMETABLE, ROAD)],
        ),
    ],
)
def test_degrade_runs_one_fault_of_traffic_for_each_way_to_miss_the_train(
    services: str,
    singles: tuple[str, ...],
    pairs: list[tuple[str, str]],
    shell: Shell,
    deployed: Deployed,
) -> None:
    """1 + 3 × 5 + 2 × 25 plans, of which 4 × 5 differ only in how traffic failed.

    The road answers alike however traffic fails, so of each pair with traffic only those with its
    first fault run: 5 of 25. Road's own failures are told apart by journey: all 25 pairs run.
    """
    there = Shell(shell.directory, deployed(EXAMPLES / "degrade" / services))
    test = str(EXAMPLES / "degrade" / "functional" / "test_journey.py")
    ended = there.filibuster("--functional-test", test)
    assert comes_to(ended, "degrade", f"`{services}`")
    both_down = plans(*next(pair for pair in pairs if TRAFFIC in pair))
    first = f"{TRAFFIC}: {FAULTS[0]}"
    expected = sorted(plan for pair in pairs for plan in plans(*pair))
    judged = [judged.plan for judged in ended.judged]
    assert judged[:16] == ["no faults", *(plan for call in singles for plan in plans(call))]
    assert sorted(judged[16:]) == expected
    assert ended.failed == [plan for plan in both_down if first in plan]
    assert sorted(ended.pruned) == sorted(plan for plan in both_down if first not in plan)

    everything = there.filibuster("--functional-test", test, "--disable-dynamic-reduction")
    assert everything.totals == Totals(66, ran=66, pruned=0, remaining=0)
    assert everything.failed == both_down
