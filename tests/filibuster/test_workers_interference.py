"""Executions that disturb one another are found, named, and can be kept from it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from metaapps.filibuster.cli.functional import FunctionalTestError
from metaapps.filibuster.workers.interference import Sample
from tests.filibuster.conftest import Deployed
from tests.filibuster.placed import SERVICES, Place, place
from tests.filibuster.shell import Shell

CLEAN = "def test(): requests.get(os.environ['DESK_URL'] + '/slow', timeout=300)"
MIXED = """
def test():
    requests.post(os.environ['DESK_URL'] + '/mixed', data=os.urandom(4).hex(), timeout=300)
"""
COUNTED = "def test(): requests.get(os.environ['DESK_URL'] + '/counted', timeout=300)"
RESET = (
    f"{sys.executable} -c 'import os, urllib.request; "
    'urllib.request.urlopen(os.environ["DESK_URL"] + "/clean")\''
)


@pytest.fixture
def here(tmp_path: Path, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Place:
    return place(tmp_path, deployed(SERVICES), monkeypatch)


def test_services_without_state_show_no_interference(here: Place) -> None:
    searched = here.search(CLEAN, workers="4", max_executions=12, check_interference=12)
    assert searched.differences == []


def test_executions_that_disturb_one_another_are_reported(here: Place) -> None:
    searched = here.search(MIXED, workers="8", check_interference=20)
    assert searched.differences
    for each in searched.differences:
        assert each.settled
        assert "test → desk POST /mixed" in each.text
        assert each.text.endswith("alone 200 with another answer")


def test_one_at_a_time_nothing_disturbs_anything(here: Place) -> None:
    searched = here.search(MIXED, workers="8", serial=True, check_interference=20)
    assert searched.ran_ahead == 0
    assert searched.differences == []


def test_what_differs_from_run_to_run_is_not_laid_to_others(here: Place) -> None:
    searched = here.search(COUNTED, workers="4", check_interference=3)
    assert len(searched.differences) == 3
    assert not any(each.settled for each in searched.differences)


def test_answers_that_are_to_be_ignored_are_no_difference(here: Place) -> None:
    searched = here.search(
        COUNTED, workers="4", check_interference=3, ignore_answers=("test→desk GET /counted",)
    )
    assert searched.error is None
    assert searched.differences == []


def test_a_reset_before_each_execution_makes_them_the_same(here: Place) -> None:
    searched = here.search(COUNTED, workers="4", reset=RESET, check_interference=3)
    assert searched.error is None
    assert searched.differences == []


def test_a_reset_that_fails_ends_the_run_in_one_line(here: Place) -> None:
    searched = here.search(COUNTED, reset="echo no such table >&2; exit 3")
    assert isinstance(searched.error, FunctionalTestError)
    assert str(searched.error) == (
        "--reset 'echo no such table >&2; exit 3' ended with exit code 3: no such table"
    )


def test_the_sample_is_the_same_in_whatever_order_executions_end(here: Place) -> None:
    executions = here.search(CLEAN, max_executions=12).executions
    forwards, backwards = Sample(4), Sample(4)
    for execution in executions:
        forwards.add(execution)
    for execution in reversed(executions):
        backwards.add(execution)
    assert list(forwards) == list(backwards)
    assert len(list(forwards)) == 4


def test_a_run_says_what_to_do_about_interference(shell: Shell) -> None:
    shell.write("test_it.py", f"import os, requests\n{MIXED}")
    ended = shell.filibuster(
        *("run", "--functional-test", "test_it.py", "--services", str(SERVICES)),
        *("--workers", "8", "--check-interference", "20"),
    )
    assert "interference: " in ended.out
    assert "run one at a time (--serial)" in ended.out
    assert os.environ.get("DESK_URL") is None
