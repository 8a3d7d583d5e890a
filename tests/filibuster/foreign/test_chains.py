"""Services under foreign instrumentation, and ours among them, explored.

The tutorial's numbers hold for each mixture: two calls, each with five faults (no connection, no
answer in time, 500, 502, 503), make ten plans and the fault-free one. One plan is pruned, 503 on
foo → bar: what foo makes of it was seen when baz failed, and bar itself answered 503.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.filibuster.foreign.conftest import Mixtures
from tests.filibuster.shell import EXAMPLES

TUTORIAL = str(EXAMPLES / "tutorial" / "functional" / "test_foo_bar_baz.py")
MIXTURES = ["all.toml", "middle.toml", "ends.toml"]
FAULTS = ["refused", "timeout", "status 500", "status 502", "status 503"]
PLANS = [
    "",
    *(f"bar → baz GET /baz: {fault}" for fault in FAULTS),
    *(f"foo → bar GET /bar/baz: {fault}" for fault in FAULTS),
]
BUG = "foo → bar GET /bar/baz: refused"
AS_WHEN_BAZ_FAILED = "foo → bar GET /bar/baz: status 503"

# A test that no instrumentation knows of: a program like any other, in plain Python here.
PLAIN = """
import json, os, urllib.error, urllib.request
def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=300) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
def was(path):
    return json.loads(ask(os.environ["FILIBUSTER_URL"] + path)[1])["result"]
status, text = ask(os.environ["FOO_URL"] + "/foo/bar/baz")
if status == 200:
    assert text == "foo bar baz"
else:
    assert status == 503 and was("/filibuster/fault-injected")
    assert was("/fault-injected/bar") or was("/filibuster/fault-injected/service/baz")
    assert not was("/filibuster/fault-injected/foo")
"""


def asking(path: str, *asserted: str) -> str:
    """Return a test that makes one request to foo."""
    lines = [
        "import os, requests",
        "from metaapps.filibuster.assertions import was_fault_injected_on",
        "def test_it():",
        f"    answer = requests.get(os.environ['FOO_URL'] + '{path}', timeout=300)",
        *(f"    assert {what}" for what in asserted),
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_the_same_executions_are_explored_and_the_same_bug_is_found(
    mixtures: Mixtures, mixture: str
) -> None:
    explored = mixtures(mixture).explore(TUTORIAL)
    assert explored.plans == PLANS
    assert explored.pruned == [AS_WHEN_BAZ_FAILED]
    assert explored.failed == [BUG]
    assert explored.findings == []


def test_a_failed_call_shows_what_the_foreign_library_raised(mixtures: Mixtures) -> None:
    explored = mixtures("all.toml").explore(TUTORIAL)
    bug = next(event.execution for event in explored.ran if not event.execution.passed)
    failed = next(seen for seen in bug.observations if seen.injected is not None)
    assert (failed.source, failed.target) == ("foo", "bar")
    assert failed.raised == "requests.exceptions.ConnectionError"


def test_without_reduction_all_eleven_run(mixtures: Mixtures) -> None:
    explored = mixtures("all.toml").explore(TUTORIAL, reduce=False)
    assert (len(explored.ran), explored.failed) == (11, [BUG])


@pytest.mark.parametrize("mixture", ["all.toml", "middle.toml"])
def test_calls_have_the_same_indices_in_every_run(mixtures: Mixtures, mixture: str) -> None:
    runs = [mixtures(mixture).explore(TUTORIAL, max_faults=0).ran[0] for _ in range(2)]
    first, second = ({seen.index for seen in run.execution.observations} for run in runs)
    assert len(first) == 3
    assert first == second


def test_a_foo_that_minds_every_fault_passes_everything(mixtures: Mixtures, tmp_path: Path) -> None:
    test = tmp_path / "test_fixed.py"
    test.write_text(asking("/fixed", "answer.status_code in (200, 503)"))
    explored = mixtures("all.toml").explore(str(test))
    assert (explored.plans, explored.failed, explored.pruned) == (PLANS, [], [AS_WHEN_BAZ_FAILED])


@pytest.mark.parametrize("mixture", ["middle.toml"])
def test_a_test_may_ask_on_which_service_a_fault_was_injected(
    mixtures: Mixtures, mixture: str, tmp_path: Path
) -> None:
    test = tmp_path / "test_asking.py"
    either = "was_fault_injected_on('bar') or was_fault_injected_on('baz')"
    test.write_text(
        asking(
            "/foo/bar/baz",
            f"(answer.status_code != 200) == ({either})",
            "not was_fault_injected_on('foo')",
        )
    )
    explored = mixtures(mixture).explore(str(test))
    assert (explored.failed, explored.findings) == ([], [])


@pytest.mark.parametrize("mixture", ["middle.toml", "ends.toml"])
def test_orders_that_a_foreign_service_hands_on_mislead_nobody(
    mixtures: Mixtures, mixture: str
) -> None:
    explored = mixtures(mixture, FORWARD_BAGGAGE="1").explore(TUTORIAL)
    assert explored.plans == PLANS
    assert (explored.failed, explored.findings) == ([BUG], [])


def test_a_counterexample_of_foreign_services_is_hit_again(mixtures: Mixtures) -> None:
    mixture = mixtures("all.toml")
    explored = mixture.explore(TUTORIAL)
    found = next(event.execution for event in explored.ran if not event.execution.passed)
    again = mixture.run(TUTORIAL, found.plan)
    assert not again.passed
    assert again.fired == found.fired == {found.plan.faults[0].index}


def test_a_program_that_no_instrumentation_knows_of_may_be_the_test(
    mixtures: Mixtures, tmp_path: Path
) -> None:
    program = tmp_path / "plain"
    program.write_text(PLAIN)
    explored = mixtures("all.toml").explore(f"{sys.executable} {program}")
    assert explored.plans == PLANS
    assert explored.failed == [BUG]


@pytest.mark.parametrize("mixture", ["all.toml", "middle.toml"])
def test_calls_of_one_place_are_told_apart_though_the_original_names_them_alike(
    mixtures: Mixtures, mixture: str, tmp_path: Path
) -> None:
    test = tmp_path / "test_twice.py"
    test.write_text(asking("/twice"))
    explored = mixtures(mixture).explore(str(test), max_faults=1)
    calls = ["foo → baz GET /baz", "foo → baz GET /baz #2"]
    assert explored.plans == ["", *(f"{call}: {fault}" for call in calls for fault in FAULTS)]
    assert explored.findings == []
